"""Roots that go element by element: scans, gathers from a tile, histograms, packed maps."""

from dataclasses import dataclass, field
from typing import cast

from kernelwright.compiler.codegen.evaluate import Evaluator, element_name
from kernelwright.compiler.codegen.nests import Nest, Offsets, PlainRoot
from kernelwright.compiler.codegen.regions import apply, combine
from kernelwright.compiler.codegen.text import ELEMENT_BITS, Reg, literal, llvm_type
from kernelwright.compiler.codegen.values import Buffer, Index, Lane, storage_bytes
from kernelwright.compiler.ir import Op


@dataclass(eq=False)
class Scan:
    """A `tt.scan`: the combine function applied along an axis, each partial result stored."""

    op: Op
    results: list[Buffer]
    _slots: list[str] = field(default_factory=list)
    _first: str = ""

    @property
    def axis(self) -> int:
        """Return the scanned dimension."""
        return cast(int, self.op.attrs["axis"])

    def before(self, e: Evaluator, nest: Nest) -> None:
        """Start with nothing accumulated."""
        lanes = nest.lanes if nest.lanes > 1 else 0
        self._slots = [e.f.alloca(llvm_type(element_name(v), lanes), "scan") for v in self.op.operands]
        self._first = e.f.alloca("i1", "first")
        e.f.line(f"store i1 true, ptr {self._first}")

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Combine one position into what was accumulated, and store it."""
        if self.op.attrs.get("reverse"):
            last = Reg("i64", 0, str(self.op.operands[0].shape[self.axis] - 1))
            mirrored = e.k.op("sub", last, cast(Reg, index[self.axis]))
            index = (*index[: self.axis], mirrored, *index[self.axis + 1 :])
        lanes = next((item.lanes for item in index if isinstance(item, Lane)), 0)
        chunks = [e.reg(value, index) for value in self.op.operands]
        chunks = [e.k.splat(chunk, lanes) if lanes else chunk for chunk in chunks]
        depth = e.f.depth
        held = [
            e.f.emit(c.element, c.lanes, f"load {c.type}, ptr {slot}", depth)
            for c, slot in zip(chunks, self._slots, strict=True)
        ]
        merged = combine(e, self.op.regions[0].block, held, chunks)
        first = e.f.emit("i1", 0, f"load i1, ptr {self._first}", depth)
        e.f.line(f"store i1 false, ptr {self._first}")
        for chunk, value, slot, buffer in zip(chunks, merged, self._slots, self.results, strict=True):
            kept = e.k.select(first, chunk, value)
            e.f.line(f"store {kept.typed}, ptr {slot}")
            e.memory.buffer_store(buffer, index, kept)

    def after(self, e: Evaluator, nest: Nest, index: tuple[Index, ...]) -> None:
        """Nothing."""


@dataclass(eq=False)
class Gather(PlainRoot):
    """A `tt.gather`: elements of a stored tensor picked by index along an axis."""

    op: Op
    source: Buffer
    result: Buffer

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Pick one chunk."""
        axis = cast(int, self.op.attrs["axis"])
        picked = e.reg(self.op.operands[1], index)
        # A number out of range is the kernel's mistake; it picks some element, never foreign memory.
        picked = e.k.op("and", picked, e.k.constant(picked.element, self.source.shape[axis] - 1))
        if ELEMENT_BITS[picked.element] < 64:
            picked = e.k.convert("zext", picked, "i64")
        lanes = next((item.lanes for item in index if isinstance(item, Lane)), 0)
        offset = e.k.op("mul", picked, Reg("i64", 0, str(self.source.strides[axis])))
        for dim, item in enumerate(index):
            if dim == axis:
                continue
            stride = self.source.strides[dim]
            place = item
            if isinstance(item, Lane):
                place = e.k.op("add", item.base, e.k.iota("i64", item.lanes))
            offset = e.k.op("add", offset, e.k.op("mul", cast(Reg, place), Reg("i64", 0, str(stride))))
        element = "i8" if self.source.element == "i1" else self.source.element
        base = Reg("ptr", 0, self.source.pointer)
        pointers = e.memory.advance(base, e.k.splat(offset, lanes) if lanes else offset, 1)
        if lanes:
            value = e.memory.gather(pointers, None, Reg(element, 0, "zeroinitializer"), element, None)
        else:
            text = f"load {llvm_type(element, 0)}, ptr {pointers.text}, align {storage_bytes(element)}"
            value = e.f.emit(element, 0, text, e.f.depth)
        if self.source.element == "i1":
            value = e.k.compare("icmp ne", value, e.k.constant("i8", 0))
        e.memory.buffer_store(self.result, index, value)


@dataclass(eq=False)
class Histogram(PlainRoot):
    """A `tt.histogram`: how often each number below the count of bins occurs; other numbers are left out."""

    op: Op
    result: Buffer

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Count one element."""
        number = e.reg(self.op.operands[0], index)
        if ELEMENT_BITS[number.element] < 64:
            number = e.k.convert("zext", number, "i64")
        counts = e.k.compare("icmp ult", number, literal("i64", self.result.shape[0]))
        if len(self.op.operands) > 1:
            counts = e.k.op("and", counts, e.reg(self.op.operands[1], index))
        bin_number = e.k.select(counts, number, literal("i64", 0))
        place = e.memory.advance(Reg("ptr", 0, self.result.pointer), bin_number, storage_bytes(self.result.element))
        element = self.result.element
        held = e.f.emit(element, 0, f"load {element}, ptr {place.text}", e.f.depth)
        after = e.k.op("add", held, e.k.convert("zext", counts, element))
        e.f.line(f"store {after.typed}, ptr {place.text}")


@dataclass(eq=False)
class Map(PlainRoot):
    """A `tt.map_elementwise`: a region applied to `pack` neighbours of each operand at once."""

    op: Op
    results: list[Buffer]

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Apply the region to one chunk, or to one pack of elements."""
        pack = cast(int, self.op.attrs.get("pack", 1))
        places = [index]
        if pack > 1:
            first = e.k.op("mul", cast(Reg, index[-1]), literal("i64", pack))
            places = [(*index[:-1], e.plus(first, literal("i64", number))) for number in range(pack)]
        values = [e.reg(operand, place) for operand in self.op.operands for place in places]
        outcome = iter(apply(e, self.op.regions[0].block, values))
        for buffer in self.results:
            for place in places:
                e.memory.buffer_store(buffer, place, next(outcome))
