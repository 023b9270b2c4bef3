"""Which values of a kernel a slice can know, and which it needs: integers that decide branches, addresses and masks.

Floats of tensors are never known, nor what is made of them. Floats of scalars are known where they come from arguments.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from kernelwright.chips.emulated.lowering.segments import ACCESS_OPS
from kernelwright.chips.emulated.lowering.ttgir import GpuModule, Op, Value, walk
from kernelwright.chips.emulated.lowering.ttgir_types import MemDesc, TensorType
from kernelwright.chips.emulated.slicing.algebra import ALL, FIRST
from kernelwright.chips.emulated.slicing.opcodes import COMBINERS
from kernelwright.chips.emulated.slicing.surface import SCALAR_FLOAT_OPS, SLICED_OPS
from kernelwright.compiler.ir import Pointer
from kernelwright.core.errors import UnsupportedOpError

ATOMIC_OPS = frozenset({"tt.atomic_rmw", "tt.atomic_cas", "tt.atomic_load", "tt.atomic_store", "tt.atomic_poll"})
_VIEWS = frozenset({"ttg.memdesc_index", "ttg.memdesc_trans", "ttg.memdesc_reinterpret", "ttg.memdesc_subslice"})


@dataclass(eq=False)
class Knowledge:
    """`needs` says by value whether lane 0 (FIRST) or every lane (ALL) is needed; values not in it are left out.

    `runs` are the stores and atomics whose effect on integers in memory a slice carries out; `roots` the shared
    allocation behind a view of it.
    """

    needs: dict[Value, int] = field(default_factory=dict)
    runs: set[Op] = field(default_factory=set)
    roots: dict[Value, Value] = field(default_factory=dict)


def learn(module: GpuModule) -> Knowledge:
    """Return what a slice needs. Raises UnsupportedOpError where that depends on floats, naming op and line."""
    return _Learning(module).result()


def is_float(value: Value) -> bool:
    """Return whether a value, or each lane of it, is a float."""
    return isinstance(element_of(value), str) and "f" in str(element_of(value))


def element_of(value: Value) -> "str | Pointer":
    """Return the element type of a tensor or of shared memory, the type itself of a scalar."""
    kind = value.type
    return kind.element if isinstance(kind, TensorType | MemDesc) else kind


class _Learning:
    def __init__(self, module: GpuModule) -> None:
        self.ops = list(walk(module.body))
        self.found = Knowledge()
        self.parents: dict[Value, list[Value]] = defaultdict(list)
        self.writers: dict[Value, list[Op]] = defaultdict(list)
        self.unknown: set[Value] = set()
        self.causes: dict[Value, tuple[Op, str]] = {}
        for op in self.ops:
            self._link(op)
        for block in module.body.blocks:
            for op in block.ops:
                for target, values in op.successors:
                    for arg, value in zip(target.args, values, strict=True):
                        self.parents[arg].append(value)

    def result(self) -> Knowledge:
        self._find_unknown()
        for op in self.ops:
            self._seed(op)
        return self.found

    # --- how values hang together

    def _link(self, op: Op) -> None:
        """Note which values become which, through loops and branches, and who writes shared memory."""
        regions = [region.block for region in op.regions] if op.name.startswith("scf.") else []
        if op.name == "scf.for":
            body = regions[0]
            carried = body.ops[-1].operands
            self.parents[body.args[0]] += op.operands[:3]
            for arg, result, init, again in zip(body.args[1:], op.results, op.operands[3:], carried, strict=True):
                self._carry((arg, result), (init, again))
        elif op.name == "scf.if":
            for block in regions:
                for result, value in zip(op.results, block.ops[-1].operands, strict=True):
                    self.parents[result].append(value)
        elif op.name == "scf.while":
            before, after = regions
            for arg, init, again in zip(before.args, op.operands, after.ops[-1].operands, strict=True):
                self._carry((arg,), (init, again))
            for arg, result, value in zip(after.args, op.results, before.ops[-1].operands[1:], strict=True):
                self._carry((arg, result), (value,))
        elif op.name in _VIEWS:
            self.found.roots[op.result] = self.found.roots.get(op.operands[0], op.operands[0])
        if op.name in ("ttg.async_copy_global_to_local", "ttg.local_store"):
            self.writers[self._root(op.operands[1])].append(op)
        elif op.name == "ttg.local_alloc" and op.operands:
            self.writers[op.result].append(op)

    def _carry(self, into: tuple[Value, ...], values: tuple[Value, ...]) -> None:
        for value in into:
            self.parents[value] += [*values, *(other for other in into if other is not value)]

    def _root(self, value: Value) -> Value:
        return self.found.roots.get(value, value)

    # --- what is known

    def _find_unknown(self) -> None:
        """Mark values that a slice cannot know: first what is so by itself, then all that is made of it."""
        users: dict[Value, list[Value]] = defaultdict(list)
        for op in self.ops:
            for result in op.results:
                reason = self._reason(op, result)
                if reason:
                    self.unknown.add(result)
                    self.causes[result] = (op, reason)
                for source in self._sources(op, result):
                    users[source].append(result)
        for value, sources in self.parents.items():
            for source in sources:
                users[source].append(value)
        # From loads first: they are what a person can change.
        pending = sorted(self.unknown, key=lambda value: (self.causes[value][0].name in ACCESS_OPS, value.number))
        while pending:
            value = pending.pop()
            for user in users[value]:
                if user not in self.unknown:
                    self.unknown.add(user)
                    self.causes[user] = self.causes[value]
                    pending.append(user)

    def _sources(self, op: Op, result: Value) -> list[Value]:
        """Return the values that a result is made of."""
        if op.name in ("scf.for", "scf.while"):
            return []
        if op.name == "scf.if":
            return [op.operands[0]]
        if op.name == "ttg.local_alloc":
            return [value for writer in self.writers[result] for value in _written(writer)]
        if op.name == "ttg.local_load":
            return [self._root(op.operands[0])]
        if op.name in _VIEWS:
            return [self._root(result), *op.operands[1:]]
        return list(op.operands)

    def _reason(self, op: Op, result: Value) -> str:
        """Return why a slice cannot know a result whatever its operands are, "" if it can."""
        if op.name.startswith("scf.") or op.name in _VIEWS or op.name == "ttg.local_alloc":
            return ""
        kind = result.type
        if isinstance(kind, str) and kind.startswith("!"):
            return ""
        if any(is_float(value) and isinstance(value.type, TensorType) for value in op.operands):
            return "reads floats" if op.name in ACCESS_OPS else ""
        if op.name == "tt.reduce" and (len(op.operands) > 1 or combiner_of(op) is None):
            return "combines more than integers by one operation"
        if op.name == "tt.scan" and (len(op.operands) > 1 or combiner_of(op) is None):
            return "combines more than integers by one operation"
        if is_float(result):
            if op.name in ACCESS_OPS:
                return "reads floats"
            if isinstance(kind, TensorType):
                return "makes floats"
        if op.name in SCALAR_FLOAT_OPS and not isinstance(kind, TensorType):
            return ""
        return "" if op.name in SLICED_OPS else "is not covered"

    # --- what is needed

    def _seed(self, op: Op) -> None:
        """Need what decides an op's branch, address or mask."""
        name, operands = op.name, op.operands
        if name == "scf.for":
            for value in operands[:3]:
                self._need(value, FIRST, op, "decides a branch")
        elif name in ("scf.if", "cf.cond_br", "scf.condition"):
            self._need(operands[0], FIRST, op, "decides a branch")
        elif name == "ttg.memdesc_index":
            return
        elif name in ACCESS_OPS:
            self._need(operands[0], FIRST, op, "decides an address")
            mask = mask_of(op)
            if mask is not None:
                self._need(mask, ALL, op, "decides a mask")
            if name not in ("tt.load", "ttg.async_copy_global_to_local"):
                self._seed_write(op)

    def _seed_write(self, op: Op) -> None:
        """Need what a store or an atomic writes if that is known integers."""
        values = [op.operands[0], *written_by(op)]
        whole = not any(value in self.unknown for value in values)
        if whole and not any(is_float(value) for value in values) and not _points_to_floats(op.operands[0]):
            self.found.runs.add(op)
            for value in values:
                self._need(value, ALL, op, "decides what is stored")

    def _need(self, value: Value, level: int, user: Op, why: str) -> None:
        pending = [(value, level)]
        while pending:
            value, level = pending.pop()
            if self.found.needs.get(value, 0) >= level:
                continue
            if value in self.unknown:
                op, reason = self.causes[value]
                raise UnsupportedOpError(
                    f"line {op.line}: op {op.name} {reason}, and {user.name} at line {user.line} {why} by it, which "
                    "cannot be timed from a slice. Let lengths, indices and integer masks alone decide.",
                    {"op": op.name, "line": op.line, "user": user.name, "user_line": user.line},
                )
            self.found.needs[value] = level
            pending += self._needed_for(value, level)

    def _needed_for(self, value: Value, level: int) -> Iterator[tuple[Value, int]]:
        """Yield what is needed to know a value at a level."""
        for parent in self.parents.get(value, ()):
            yield parent, level
        op = value.op
        if op is None or op.name in ("scf.for", "scf.while"):
            return
        if op.name == "scf.if":
            yield op.operands[0], FIRST
        elif op.name == "ttg.local_load":
            yield op.operands[0], level
        elif op.name in _VIEWS:
            yield self._root(value), level
            for operand in op.operands[1:]:
                yield operand, FIRST
        elif op.name == "ttg.local_alloc":
            for writer in self.writers[value]:
                for written in _written(writer):
                    yield written, level
                view = writer.operands[1] if writer is not op else None
                if view is not None:
                    yield view, level
        elif op.name in ATOMIC_OPS or op.name in _NEED_ALL:
            for operand in op.operands:
                yield operand, ALL
        elif op.name == "tt.unsplat":
            yield op.operands[0], FIRST
        else:
            for operand in op.operands:
                yield operand, level


_NEED_ALL = frozenset({"tt.reduce", "tt.scan", "tt.gather", "tt.cat", "tt.join", "tt.split", "tt.histogram"})


def mask_of(op: Op) -> Value | None:
    """Return the mask operand of an access, None where every lane takes part."""
    if not op.attrs.get("mask"):
        return None
    if op.name == "tt.load":
        return op.operands[1]
    if op.name in ("tt.store", "ttg.async_copy_global_to_local", "tt.atomic_rmw"):
        return op.operands[2]
    raise UnsupportedOpError(f"line {op.line}: op {op.name} with a mask cannot be timed from a slice", {"op": op.name})


def written_by(op: Op) -> tuple[Value, ...]:
    """Return what a store or an atomic puts into memory (compare-and-swap: what it compares with, first)."""
    if op.name == "tt.atomic_cas":
        return op.operands[1:3]
    if op.name in ("tt.atomic_load", "tt.atomic_poll"):
        return ()
    return op.operands[1:2]


def combiner_of(op: Op) -> str | None:
    """Return the op that a reduction or a scan combines two lanes by, None where it is not one op on integers."""
    *body, last = op.regions[0].block.ops
    if len(body) != 1 or body[0].name not in COMBINERS or last.operands != body[0].results:
        return None
    return body[0].name


def _written(op: Op) -> list[Value]:
    """Return the values that decide what `op` puts into shared memory."""
    if op.name == "ttg.async_copy_global_to_local":
        return [op.operands[0], *op.operands[2:]]
    return [op.operands[0]]


def _points_to_floats(pointer: Value) -> bool:
    element = element_of(pointer)
    return isinstance(element, Pointer) and "f" in element.pointee
