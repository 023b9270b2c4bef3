"""Loop nests over a tensor's positions, and what can be computed in one: its roots.

Several roots share a nest when they need the same chunks, so that a chunk is evaluated once.
"""

from dataclasses import dataclass, field
from typing import Protocol, cast

from kernelwright.compiler.codegen.evaluate import Evaluator, element_name, is_float
from kernelwright.compiler.codegen.floats import float_literal
from kernelwright.compiler.codegen.regions import combine
from kernelwright.compiler.codegen.text import Reg, llvm_type
from kernelwright.compiler.codegen.values import Address, Buffer, Index, Lane, storage_bytes
from kernelwright.compiler.ir import Block, Op, Value

Offsets = dict[int, int]
UNROLLED_ROUNDS = 8


@dataclass(frozen=True)
class Nest:
    """Loops over `shape`: `order` lists dimensions from outermost to innermost, `steps` unrolls them."""

    shape: tuple[int, ...]
    lane: int
    lanes: int
    order: tuple[int, ...]
    steps: dict[int, int] = field(default_factory=dict)


class Root(Protocol):
    """Something computed in a nest."""

    def before(self, e: Evaluator, nest: Nest) -> None:
        """Write what precedes the innermost loop."""

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Write the work on one chunk; `offsets` says which unrolled copy it is, by dimension."""

    def after(self, e: Evaluator, nest: Nest, index: tuple[Index, ...]) -> None:
        """Write what follows the innermost loop; `index` holds the outer positions."""


def write_nest(e: Evaluator, nest: Nest, roots: list[Root]) -> None:
    """Write the loops of `nest` with the work of all `roots` in them."""
    e.f.journal.add((nest, tuple(roots)))
    e.forget()
    _outer(e, nest, roots, 0, {})
    e.forget()


def _outer(e: Evaluator, nest: Nest, roots: list[Root], depth: int, bases: dict[int, Reg]) -> None:
    if not nest.order:
        for root in roots:
            root.before(e, nest)
            root.visit(e, (), {})
            root.after(e, nest, ())
        return
    dim = nest.order[depth]
    step = nest.steps.get(dim, 1) * (nest.lanes if dim == nest.lane else 1)
    innermost = depth == len(nest.order) - 1
    if innermost:
        for root in roots:
            root.before(e, nest)
    if innermost and nest.shape[dim] // step <= UNROLLED_ROUNDS and not any(isinstance(r, Reduce) for r in roots):
        for start in range(0, nest.shape[dim], step):
            _visit_all(e, nest, roots, bases | {dim: Reg("i64", 0, str(start))})
        return
    with e.loop(0, nest.shape[dim], step) as base:
        inside = bases | {dim: base}
        if innermost:
            _visit_all(e, nest, roots, inside)
        else:
            _outer(e, nest, roots, depth + 1, inside)
    if innermost:
        index = _index(e, nest, bases | {dim: Reg("i64", 0, "0")}, {})
        for root in roots:
            root.after(e, nest, index)


def _visit_all(e: Evaluator, nest: Nest, roots: list[Root], bases: dict[int, Reg]) -> None:
    copies: list[Offsets] = [{}]
    for dim, step in nest.steps.items():
        copies = [copy | {dim: k} for copy in copies for k in range(step)]
    for offsets in copies:
        index = _index(e, nest, bases, offsets)
        for root in roots:
            root.visit(e, index, offsets)


def _index(e: Evaluator, nest: Nest, bases: dict[int, Reg], offsets: Offsets) -> tuple[Index, ...]:
    index: list[Index] = []
    for dim in range(len(nest.shape)):
        base, shift = bases[dim], offsets.get(dim, 0)
        if dim == nest.lane and nest.lanes > 1:
            index.append(Lane(e.plus(base, Reg("i64", 0, str(shift * nest.lanes))), nest.lanes))
            continue
        if base.constant is not None:
            index.append(Reg("i64", 0, str(base.constant + shift)))
        else:
            index.append(e.k.op("add", base, Reg("i64", 0, str(shift))) if shift else base)
    return tuple(index)


class PlainRoot:
    """A root without work around the innermost loop."""

    def before(self, e: Evaluator, nest: Nest) -> None:
        """Nothing."""

    def after(self, e: Evaluator, nest: Nest, index: tuple[Index, ...]) -> None:
        """Nothing."""


@dataclass(eq=False)
class Keep(PlainRoot):
    """Store a value into a buffer."""

    value: Value
    buffer: Buffer

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Write one chunk."""
        e.memory.buffer_store(self.buffer, index, e.reg(self.value, index))


@dataclass(eq=False)
class Store(PlainRoot):
    """A `tt.store`."""

    op: Op

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Write one chunk to global memory."""
        address = e.chunk(self.op.operands[0], index)
        mask = e.mask(self.op, 2, index)
        value = e.reg(self.op.operands[1], index)
        e.memory.store(address, value, mask, e.access(self.op, is_write=True))  # type: ignore[arg-type]


@dataclass(eq=False)
class Pack(PlainRoot):
    """Store a matrix for the dot micro-kernel: `group` values along `k` side by side, lanes along `x`.

    The place of (k, x) is element ((k // group) * X + x) * group + k % group.
    """

    value: Value
    k: int
    x: int
    group: int
    element: str
    pointer: str
    _held: Reg | None = None

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Convert one chunk, and store it together with its neighbours along k."""
        chunk = e.k.splat(convert_float(e, e.reg(self.value, index), self.element), self._lanes(index))
        if self.group == 1:
            self._store(e, chunk, index)
            return
        if offsets[self.k] % 2 == 0:
            self._held = chunk
            return
        first = cast(Reg, self._held)
        lanes = first.lanes
        pairs = [pick for i in range(lanes) for pick in (i, lanes + i)]
        self._store(e, e.k.shuffle(first, chunk, pairs), index)

    def _lanes(self, index: tuple[Index, ...]) -> int:
        item = index[self.x]
        return item.lanes if isinstance(item, Lane) else 1

    def _store(self, e: Evaluator, chunk: Reg, index: tuple[Index, ...]) -> None:
        size = storage_bytes(self.element)
        width = self.value.shape[self.x]
        k, lane = cast(Reg, index[self.k]), index[self.x]
        start = lane.base if isinstance(lane, Lane) else lane
        group = Reg("i64", 0, str(k.constant // self.group)) if k.constant is not None else k
        pointer = Reg("ptr", 0, self.pointer)
        if k.constant is not None:
            pointer = e.memory.advance(pointer, group, width * self.group * size)
        else:
            even = e.k.op("sub", k, Reg("i64", 0, str(self.group - 1)))
            pointer = e.memory.advance(pointer, even, width * size)
        pointer = e.memory.advance(pointer, start, self.group * size)
        align = min(64, size * chunk.lanes)
        e.f.line(f"store {chunk.typed}, ptr {pointer.text}, align {align}")


@dataclass(eq=False)
class RowPointers(PlainRoot):
    """Store where each row of a load starts; hidden rows point to zeros."""

    load: Op
    dim: int
    pointer: str

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Write one pointer."""
        row = cast(Reg, index[0])
        zero = Reg("i64", 0, "0")
        place = (row, zero) if self.dim == 0 else (zero, row)
        start = cast(Address, e.chunk(self.load.operands[0], place)).base
        if len(self.load.operands) > 1:
            mask = e.reg(self.load.operands[1], place)
            start = e.k.select(mask, start, Reg("ptr", 0, "@kw_zeros"))
        target = e.memory.advance(Reg("ptr", 0, self.pointer), row, 8)
        e.f.line(f"store ptr {start.text}, ptr {target.text}, align 8")


def convert_float(e: Evaluator, value: Reg, element: str) -> Reg:
    """Return `value` as the dot's input type; integers widen with their sign."""
    if value.element == element:
        return value
    if is_float(value.element):
        return e.k.cast_float(value, element, flushes=True)
    if is_float(element):
        return e.k.convert("sitofp", value, element)
    return e.k.convert("sext", value, element)


IDENTITIES: dict[str, float] = {
    "arith.addf": 0.0, "arith.mulf": 1.0, "arith.maxnumf": float("-inf"), "arith.maximumf": float("-inf"),
    "arith.minnumf": float("inf"), "arith.minimumf": float("inf"), "arith.addi": 0, "arith.ori": 0, "arith.xori": 0,
}  # fmt: skip


def combiner_name(op: Op) -> str | None:
    """Return the op that a reduction applies when it is a single known one, else None."""
    block = op.regions[0].block
    if len(op.operands) == 1 and len(block.ops) == 2:  # the op and the return
        inner, end = block.ops
        if end.operands == inner.results and set(inner.operands) == set(block.args) and inner.name in IDENTITIES:
            return inner.name
    return None


@dataclass(eq=False)
class Reduce:
    """A `tt.reduce` with the reduced axis in the innermost loop, along lanes or down registers."""

    op: Op
    results: list[Buffer | None]
    scalars: list[Reg] = field(default_factory=list)
    _slots: dict[int, list[str]] = field(default_factory=dict)
    _lanes: int = 0

    @property
    def axis(self) -> int:
        """Return the reduced dimension."""
        return cast(int, self.op.attrs["axis"])

    def before(self, e: Evaluator, nest: Nest) -> None:
        """Start accumulators at the identity of the combine function."""
        name = combiner_name(self.op)
        self._lanes = nest.lanes if nest.lanes > 1 else 0
        copies = nest.steps.get(self.axis, 1)
        self._slots = {}
        for copy in range(copies):
            slots = []
            for operand in self.op.operands:
                element = element_name(operand)
                slot = e.f.alloca(llvm_type(element, self._lanes), "acc")
                slots.append(slot)
                if name is not None:
                    identity = IDENTITIES[name]
                    start = (
                        e.k.splat(self._identity(element, identity), self._lanes)
                        if self._lanes
                        else (self._identity(element, identity))
                    )
                    e.f.line(f"store {start.typed}, ptr {slot}")
            self._slots[copy] = slots
        if name is None:
            self._flag = e.f.alloca("i1", "first")
            e.f.line(f"store i1 true, ptr {self._flag}")

    def _identity(self, element: str, value: float) -> Reg:
        return Reg(element, 0, float_literal(element, value) if is_float(element) else str(int(value)))

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Combine one chunk into an accumulator."""
        chunks = [e.reg(operand, index) for operand in self.op.operands]
        if self._lanes:
            chunks = [e.k.splat(chunk, self._lanes) for chunk in chunks]
        slots = self._slots[offsets.get(self.axis, 0)]
        depth = e.f.depth
        held = [
            e.f.emit(c.element, c.lanes, f"load {c.type}, ptr {slot}", depth)
            for c, slot in zip(chunks, slots, strict=True)
        ]
        merged = combine(e, self.op.regions[0].block, held, chunks)
        if combiner_name(self.op) is None:
            # No identity is known: the first chunk replaces whatever the accumulator holds.
            first = e.f.emit("i1", 0, f"load i1, ptr {self._flag}", depth)
            merged = [e.k.select(first, chunk, value) for chunk, value in zip(chunks, merged, strict=True)]
            e.f.line(f"store i1 false, ptr {self._flag}")
        for value, slot in zip(merged, slots, strict=True):
            e.f.line(f"store {value.typed}, ptr {slot}")

    def after(self, e: Evaluator, nest: Nest, index: tuple[Index, ...]) -> None:
        """Combine accumulators and lanes, and store the result."""
        depth = e.f.depth
        parts = []
        for slots in self._slots.values():
            parts.append(
                [
                    e.f.emit(
                        element_name(o), self._lanes, f"load {llvm_type(element_name(o), self._lanes)}, ptr {s}", depth
                    )
                    for o, s in zip(self.op.operands, slots, strict=True)
                ]
            )
        block = self.op.regions[0].block
        while len(parts) > 1:
            paired = [combine(e, block, a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)]
            parts = paired + parts[len(paired) * 2 :]
        values = parts[0]
        if self.axis == nest.lane and self._lanes:
            values = self._across(e, block, values)
        outer = tuple(item for dim, item in enumerate(index) if dim != self.axis)
        for value, buffer in zip(values, self.results, strict=True):
            if buffer is None:
                self.scalars.append(value)
            else:
                e.memory.buffer_store(buffer, outer, value)

    def _across(self, e: Evaluator, block: Block, values: list[Reg]) -> list[Reg]:
        lanes = self._lanes
        while lanes > 1:
            lanes //= 2
            low = [e.k.part(value, 0, lanes) for value in values]
            high = [e.k.part(value, lanes, lanes) for value in values]
            values = combine(e, block, low, high)
        return [e.k.extract(value, 0) for value in values]
