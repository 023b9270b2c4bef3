"""Facts about tensors that hold before any code is written: strides, running values, uniform values."""

from dataclasses import dataclass
from math import gcd
from typing import cast

from kernelwright.compiler.codegen import elementwise
from kernelwright.compiler.codegen.axes import LARGEST, Axes, Axis
from kernelwright.compiler.ir import Function, Op, TensorType, Value, walk

ADDITIVE = ("arith.addi", "arith.subi", "tt.addptr")
WIDTH_CASTS = ("arith.extsi", "arith.extui", "arith.trunci", "arith.index_cast")
SHAPE_OPS = ("tt.splat", "tt.broadcast", "tt.expand_dims", "tt.trans", "tt.reshape", "tt.make_range", "arith.constant")
# Shorter runs than this are not worth reading as vectors.
LEAST_RUN = 8
LAZY = {*elementwise.NAMES, *SHAPE_OPS, "tt.addptr", "tt.load"}


@dataclass(frozen=True)
class Running:
    """A loop-carried tensor that only moves by uniform steps: `start` plus a scalar."""

    start: Value
    steps: tuple[Value, ...]


class Facts:
    """What is known of one function's values."""

    def __init__(self, function: Function) -> None:
        self.running: dict[Value, Running] = {}
        self._arguments = frozenset(function.args)
        self._strides: dict[tuple[Value, int], int | None] = {}
        self.axes = Axes(function)
        self._bounds: dict[Value, tuple[int, int] | None] = {}
        self._always: dict[Value, bool] = {}
        for op in walk(function.body):
            if op.name == "scf.for":
                self._find_running(op)

    def _find_running(self, loop: Op) -> None:
        body = loop.regions[0].block
        for start, inside, outside, after in zip(
            loop.operands[3:], body.args[1:], loop.results, body.ops[-1].operands, strict=True
        ):
            steps = self._steps(inside, after) if inside.shape else None
            if steps is not None:
                self.running[inside] = Running(start, steps)
                self.running[outside] = Running(start, steps)

    def _steps(self, inside: Value, after: Value) -> tuple[Value, ...] | None:
        steps: list[Value] = []
        while after is not inside:
            op = after.op
            if op is None or op.name not in ("tt.addptr", "arith.addi"):
                return None
            left, right = op.operands
            if uniform_source(right) is None and op.name == "arith.addi":
                left, right = right, left
            if uniform_source(right) is None:
                return None
            steps.append(right)
            after = left
        return tuple(steps) if steps else None

    def stride(self, value: Value, dim: int) -> int | None:
        """Return by how much `value` grows per step along `dim`, None when unknown; pointers in elements."""
        if not value.shape or value.shape[dim] == 1:
            return 0
        key = (value, dim)
        if key not in self._strides:
            self._strides[key] = None
            self._strides[key] = self._stride(value, dim)
        return self._strides[key]

    def _stride(self, value: Value, dim: int) -> int | None:
        if value in self.running:
            return self.stride(self.running[value].start, dim)
        if value.element == "i1":
            if self.is_always(value):
                return 0
            value = self.mask_source(value)
        op = value.op
        if op is None:
            return None
        operands = op.operands
        if op.name == "tt.make_range":
            return 1
        if op.name == "tt.splat" or (op.name == "arith.constant" and not isinstance(op.attrs["value"], tuple)):
            return 0
        if op.name == "tt.broadcast":
            return self.stride(operands[0], dim)
        if op.name == "tt.expand_dims":
            axis = int(op.attrs["axis"])  # type: ignore[call-overload]
            return 0 if dim == axis else self.stride(operands[0], dim - (dim > axis))
        if op.name == "tt.trans":
            return self.stride(operands[0], op.attrs["order"][dim])  # type: ignore[index]
        if op.name in WIDTH_CASTS or op.name == "tt.bitcast":
            return self.stride(operands[0], dim)
        if op.name not in LAZY or op.name in ("tt.reshape", "arith.constant"):
            return None
        strides = [self.stride(operand, dim) for operand in operands]
        if all(stride == 0 for stride in strides):
            return 0
        if None in strides:
            return None
        return self._combine(op, strides)  # type: ignore[arg-type]

    def _combine(self, op: Op, strides: list[int]) -> int | None:
        if op.name in ("arith.addi", "tt.addptr"):
            return strides[0] + strides[1]
        if op.name == "arith.subi":
            return strides[0] - strides[1]
        if op.name == "arith.muli":
            for factor, other in ((0, 1), (1, 0)):
                number = constant_of(op.operands[factor])
                if number is not None:
                    return strides[other] * number
        return None

    def bounds(self, value: Value) -> tuple[int, int] | None:
        """Return the smallest and largest integer that any element of `value` can be, None when not known."""
        if value not in self._bounds:
            self._bounds[value] = self._bounds_of(value)
        return self._bounds[value]

    def _bounds_of(self, value: Value) -> tuple[int, int] | None:
        number = constant_of(value)
        if number is not None:
            return number, number
        op = value.op
        if op is None:
            return None
        if op.name == "tt.make_range":
            return cast(int, op.attrs["start"]), cast(int, op.attrs["end"]) - 1
        if op.name in ("tt.broadcast", "tt.expand_dims", "tt.splat", "tt.trans", "arith.extsi", "arith.index_cast"):
            return self.bounds(op.operands[0])
        if op.name in ("arith.addi", "arith.subi"):
            left, right = (self.bounds(operand) for operand in op.operands)
            if left is None or right is None:
                return None
            low, high = right if op.name == "arith.addi" else (-right[1], -right[0])
            return left[0] + low, left[1] + high
        return None

    def is_always(self, value: Value) -> bool:
        """Return whether a mask holds everywhere, by the bounds of what it compares."""
        if value not in self._always:
            self._always[value] = self._is_always(value)
        return self._always[value]

    def _is_always(self, value: Value) -> bool:
        op = value.op
        if op is None:
            return False
        if op.name == "arith.constant":
            return op.attrs["value"] is True
        if op.name in ("tt.broadcast", "tt.expand_dims", "tt.splat", "tt.trans"):
            return self.is_always(op.operands[0])
        if op.name == "arith.andi":
            return all(self.is_always(operand) for operand in op.operands)
        if op.name != "arith.cmpi":
            return False
        left, right = (self.bounds(operand) for operand in op.operands)
        if left is None or right is None:
            return False
        match op.attrs["predicate"]:
            case "slt":
                return left[1] < right[0]
            case "sle":
                return left[1] <= right[0]
            case "sgt":
                return left[0] > right[1]
            case "sge":
                return left[0] >= right[1]
        return False

    def mask_source(self, value: Value) -> Value:
        """Return the part of a conjunction that can fail, `value` itself if none or both can."""
        op = value.op
        if op is not None and op.name == "arith.andi":
            left, right = op.operands
            if self.is_always(left):
                return self.mask_source(right)
            if self.is_always(right):
                return self.mask_source(left)
        return value

    def contiguous_dim(self, pointer: Value) -> int | None:
        """Return the dimension along which a pointer tensor steps one element at a time, None if none.

        Where no dimension does throughout, one that does in runs.
        """
        dims = [dim for dim in reversed(range(len(pointer.shape))) if pointer.shape[dim] > 1]
        for dim in dims:
            if self.stride(pointer, dim) == 1:
                return dim
        for dim in dims:
            if self.axis(pointer, dim).run >= LEAST_RUN:
                return dim
        return None

    def axis(self, value: Value, dim: int) -> Axis:
        """Return the runs of `value` along `dim`; a running value has those of its start."""
        factors = [LARGEST]
        while value in self.running:
            factors += [self.axes.of(step, dim).factor for step in self.running[value].steps]
            value = self.running[value].start
        axis = self.axes.of(value, dim)
        return Axis(axis.run, gcd(axis.factor, *factors), axis.same)

    def base_argument(self, pointer: Value) -> Value | None:
        """Return the function argument that a pointer is computed from, None when not known."""
        while pointer.op is not None or pointer in self.running:
            if pointer in self.running:
                pointer = self.running[pointer].start
                continue
            op = pointer.op
            if op is None or op.name not in ("tt.addptr", "tt.splat", "tt.broadcast", "tt.expand_dims", "tt.trans",
                                             "tt.reshape", "tt.bitcast"):  # fmt: skip
                return None
            pointer = op.operands[0]
        # A pointer that a loop or branch carries may come from any argument.
        return pointer if pointer in self._arguments else None


def constant_of(value: Value) -> int | None:
    """Return the integer that every element of `value` has by a constant, else None."""
    while value.op is not None and value.op.name in ("tt.splat", "tt.broadcast", "tt.expand_dims", *WIDTH_CASTS):
        value = value.op.operands[0]
    if value.op is not None and value.op.name == "arith.constant":
        number = value.op.attrs["value"]
        if isinstance(number, int):
            return int(number)
    return None


def uniform_source(value: Value) -> Value | None:
    """Return the scalar or constant that `value` repeats everywhere, else None."""
    if not isinstance(value.type, TensorType):
        return value
    op = value.op
    if op is None:
        return None
    if op.name == "tt.splat":
        return op.operands[0]
    if op.name in ("tt.broadcast", "tt.expand_dims"):
        return uniform_source(op.operands[0])
    if op.name == "arith.constant" and not isinstance(op.attrs["value"], tuple):
        return value
    return None


def is_zero_constant(value: Value) -> bool:
    """Return whether `value` is the constant 0 everywhere."""
    source = uniform_source(value)
    op = source.op if source is not None else None
    return op is not None and op.name == "arith.constant" and op.attrs["value"] == 0
