"""Which dimension of each tensor runs along vector lanes.

Values that are computed from each other elementwise form a group and share one answer, found by
votes: memory votes for its contiguous dimension, a reduction of dot products for the other
dimension (it then runs down registers, without shuffles), a dot for the rows of its right operand
where they are loaded as they lie, else for the orientation of an operand that is computed.
"""

from collections import defaultdict
from typing import cast

from kernelwright.compiler.codegen import elementwise
from kernelwright.compiler.codegen.analysis import Facts
from kernelwright.compiler.ir import Block, Function, Op, Value, walk

LOOP_WEIGHT = 8.0
DOT_OPS = ("tt.dot",)


class Layout:
    """Preferred lane dimensions of the tensors of one function."""

    def __init__(self, function: Function, facts: Facts) -> None:
        self.facts = facts
        self._parent: dict[Value, Value] = {}
        self._votes: dict[Value, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        self._has_dot: set[Value] = set()
        self._choice: dict[Value, int] = {}
        self._depths = _loop_depths(function)
        ops = list(walk(function.body))
        for op in ops:
            self._join(op)
        self._has_dot = {self._root(op.result) for op in ops if op.name in DOT_OPS}
        for op in ops:
            self._vote(op)
        for op in ops:
            if op.name in DOT_OPS:
                self._vote_dot(op)

    def lane(self, value: Value) -> int:
        """Return the dimension of `value` that lanes run along."""
        shape = value.shape
        if len(shape) <= 1:
            return 0
        root = self._root(value)
        if root not in self._choice:
            votes = self._votes.get(root, {})
            best = len(shape) - 1
            for dim, weight in votes.items():
                if weight > votes.get(best, 0.0):
                    best = dim
            self._choice[root] = best
        choice = self._choice[root]
        if shape[choice] == 1:
            return max(range(len(shape)), key=lambda d: (shape[d] > 1, d))
        return choice

    def _root(self, value: Value) -> Value:
        while self._parent.get(value, value) is not value:
            value = self._parent[value]
        return value

    def _unite(self, a: Value, b: Value) -> None:
        if a.shape == b.shape and len(a.shape) > 1:
            first, second = self._root(a), self._root(b)
            if first is not second:
                self._parent[second] = first

    def _join(self, op: Op) -> None:
        if op.name in elementwise.NAMES:
            for operand in op.operands:
                self._unite(op.result, operand)
        elif op.name in DOT_OPS:
            self._unite(op.result, op.operands[2])
        elif op.name == "scf.for":
            body = op.regions[0].block
            for group in zip(op.operands[3:], body.args[1:], op.results, body.ops[-1].operands, strict=True):
                for other in group[1:]:
                    self._unite(group[0], other)
        elif op.name == "scf.if":
            for region in op.regions:
                for block in region.blocks:
                    for result, inner in zip(op.results, block.ops[-1].operands, strict=False):
                        self._unite(result, inner)

    def _weight(self, op: Op) -> float:
        return LOOP_WEIGHT ** self._depths.get(op, 0)

    def _vote(self, op: Op) -> None:
        if op.name in ("tt.load", "tt.store"):
            dim = self.facts.contiguous_dim(op.operands[0])
            if dim is not None:
                value = op.result if op.results else op.operands[1]
                # A consumer behind a transposition sees the contiguous dimension elsewhere.
                self._add(value, dim, 4.0 * self._weight(op))
        elif op.name in ("tt.reduce", "tt.scan"):
            axis = cast(int, op.attrs["axis"])
            for operand in op.operands:
                if len(operand.shape) > 1:
                    strong = self._root(operand) in self._has_dot
                    for dim in range(len(operand.shape)):
                        if dim != axis:
                            self._add(operand, dim, (20.0 if strong else 1.0) * self._weight(op))
        elif op.name == "tt.trans":
            order = cast(list[int], op.attrs["order"])
            source = op.operands[0]
            if source.op is not None and source.op.name == "tt.load":
                dim = self.facts.contiguous_dim(source.op.operands[0])
                if dim is not None:
                    self._add(op.result, order.index(dim), 4.0 * self._weight(op))

    def _vote_dot(self, op: Op) -> None:
        left, right = op.operands[0], op.operands[1]
        rank = len(left.shape)
        weight = self._weight(op)
        left_group = self._root(left)
        if left_group in self._has_dot and self.lane(left) == rank - 2:
            self._add(op.result, rank - 2, 10.0 * weight)
        elif self._root(right) in self._has_dot and self.lane(right) == rank - 1:
            self._add(op.result, rank - 1, 10.0 * weight)
        if self._is_in_rows(right):
            # Its rows are lane vectors as they lie, which a copy would only repeat.
            self._add(op.result, rank - 1, 12.0 * weight)
        self._add(op.result, rank - 1, 0.5 * weight)

    def _is_in_rows(self, value: Value) -> bool:
        op = value.op
        if op is None or op.name != "tt.load":
            return False
        return self.facts.contiguous_dim(op.operands[0]) == len(value.shape) - 1

    def _add(self, value: Value, dim: int, weight: float) -> None:
        if len(value.shape) > 1 and value.shape[dim] > 1:
            self._votes[self._root(value)][dim] += weight


def _loop_depths(function: Function) -> dict[Op, int]:
    depths: dict[Op, int] = {}

    def visit(block: Block, depth: int) -> None:
        for op in block.ops:
            depths[op] = depth
            for region in op.regions:
                for inner in region.blocks:
                    visit(inner, depth + (op.name in ("scf.for", "scf.while")))

    for block in function.body.blocks:
        visit(block, 0)
    return depths
