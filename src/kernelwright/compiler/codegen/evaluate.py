"""Evaluation of a tensor at one chunk of positions, on demand and once per place."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from kernelwright.compiler.codegen.analysis import WIDTH_CASTS, Facts, uniform_source
from kernelwright.compiler.codegen.checks import Access
from kernelwright.compiler.codegen.chunks import Chunks
from kernelwright.compiler.codegen.elementwise import Elementwise
from kernelwright.compiler.codegen.floats import BYTE_FLOATS, FLOATS, Floats
from kernelwright.compiler.codegen.memory import Memory
from kernelwright.compiler.codegen.streams import is_in_lines
from kernelwright.compiler.codegen.text import ELEMENT_BITS, FunctionText, Reg, llvm_type
from kernelwright.compiler.codegen.values import Address, Affine, Buffer, Chunk, Index, Lane
from kernelwright.compiler.features import HostFeatures
from kernelwright.compiler.ir import Op, Pointer, TensorType, Value
from kernelwright.core.errors import UnsupportedOpError


def element_name(value: Value) -> str:
    """Return the element type name of a value; pointers are "ptr"."""
    element = value.element
    return "ptr" if isinstance(element, Pointer) else element


def pointee_name(value: Value) -> str:
    """Return what a pointer value points to."""
    element = value.element
    if not isinstance(element, Pointer):
        raise TypeError(f"value {value.name} is no pointer")
    return "i8" if element.pointee == "i1" else element.pointee


class Evaluator(Chunks):
    """Evaluates values; holds what is already known: scalars, buffers in scope, chunks of this loop."""

    def __init__(
        self, function: FunctionText, facts: Facts, features: HostFeatures, checked: bool, races: bool = False
    ) -> None:
        self.f = function
        self.facts = facts
        self.k = Floats(function, features)
        self.ew = Elementwise(self.k)
        self.memory = Memory(self.k, checked, races)
        self.scalars: dict[Value, Reg] = {}
        self.buffers: list[dict[Value, Buffer]] = [{}]
        self.other_orders: list[dict[tuple[Value, int], Buffer]] = [{}]
        self.running_offsets: dict[Value, str] = {}
        self.bounds: dict[Value, tuple[Reg, Reg, Reg]] = {}
        self.op_numbers: dict[Op, int] = {}
        # Arguments whose stores go past the caches.
        self.streamed: frozenset[Value] = frozenset()
        self._memo: list[dict[object, Chunk]] = [{}]

    # --- scopes

    @contextmanager
    def loop(self, start: int, stop: int | Reg, step: int) -> Iterator[Reg]:
        """Write a counted loop of at least one round; what is evaluated in it is forgotten behind it."""
        depth = self.f.depth
        with self.f.loop(start, stop, step) as index:
            yield index
        del self._memo[depth + 1 :]

    def forget(self) -> None:
        """Forget evaluated chunks: their registers do not reach the code that follows."""
        self._memo = [{}]

    def buffer_of(self, value: Value) -> Buffer | None:
        """Return the buffer that holds `value` here, if one does."""
        for scope in reversed(self.buffers):
            if value in scope:
                return scope[value]
        return None

    def reordered(self, value: Value, lane: int) -> Buffer | None:
        """Return a copy of a buffered value whose contiguous dimension is `lane`, if one was made."""
        for scope in reversed(self.other_orders):
            if (value, lane) in scope:
                return scope[value, lane]
        return None

    # --- evaluation

    def reg(self, value: Value, index: tuple[Index, ...] = ()) -> Reg:
        """Return the chunk as an LLVM value; a chunk that is the same in all lanes may stay a scalar."""
        return self._plain(self.chunk(value, index))

    def chunk(self, value: Value, index: tuple[Index, ...]) -> Chunk:
        """Return the chunk of `value` at `index`: one entry per dimension, at most one a `Lane`."""
        if not isinstance(value.type, TensorType):
            reg = self.scalars[value]
            return Address(reg, pointee_name(value)) if reg.element == "ptr" else reg
        key = (value.number, tuple((i.base.text, i.lanes) if isinstance(i, Lane) else i.text for i in index))
        for memo in self._memo:
            if key in memo:
                return memo[key]
        chunk = self._compute(value, index)
        level = _level(chunk)
        while len(self._memo) <= level:
            self._memo.append({})
        self._memo[level][key] = chunk
        return chunk

    def _compute(self, value: Value, index: tuple[Index, ...]) -> Chunk:
        buffer = self.buffer_of(value)
        if buffer is not None:
            lane = lane_dim(index)
            if lane is not None:
                run = self._stored_run(value, buffer, index, lane)
                if run is not None:
                    return run
                if buffer.order and buffer.order[0] != lane:
                    buffer = self.reordered(value, lane) or buffer
            loaded = self.memory.buffer_load(buffer, index)
            return Address(loaded, pointee_name(value)) if buffer.element == "ptr" else loaded
        if value in self.running_offsets:
            return self._running(value, index)
        op = value.op
        if op is None:
            raise AssertionError(f"value {value.name} has no code")
        method = _SHAPE_OPS.get(op.name)
        if method is not None:
            return cast(Chunk, getattr(self, method)(op, index))
        return self._elementwise(op, value, index)

    def _stored_run(self, value: Value, buffer: Buffer, index: tuple[Index, ...], lane: int) -> Chunk | None:
        """Return a chunk of stored integers by its first, where it is known to be a run or the same throughout."""
        item = index[lane]
        if not isinstance(item, Lane) or buffer.element not in ("i32", "i64"):
            return None
        axis = self.facts.axis(value, lane)
        if max(axis.run, axis.same) < item.lanes:
            return None
        first = self.memory.buffer_load(buffer, (*index[:lane], item.base, *index[lane + 1 :]))
        return first if axis.same >= item.lanes else Affine(buffer.element, item.lanes, first, 1)

    def _running(self, value: Value, index: tuple[Index, ...]) -> Chunk:
        start = self.chunk(self.facts.running[value].start, index)
        offset = self.offset(value)
        if isinstance(start, Address):
            return self._address_plus(start, offset)
        narrow = self._fit(offset, start.element)
        return self._add("add", start, narrow)

    def offset(self, value: Value) -> Reg:
        """Return how far a running value is from its start."""
        return self.f.emit("i64", 0, f"load i64, ptr {self.running_offsets[value]}", 0)

    def has_steps(self, value: Value) -> bool:
        """Return whether the steps of a running value are known here, before they are taken."""
        sources = [cast(Value, uniform_source(step)) for step in self.facts.running[value].steps]
        return all(source.shape or source in self.scalars for source in sources)

    def advanced(self, value: Value, offset: Reg) -> Reg:
        """Return the offset of a running value one round after it was `offset`."""
        for step in self.facts.running[value].steps:
            source = cast(Value, uniform_source(step))
            if source.shape:
                number = cast(int, cast(Op, source.op).attrs["value"])
                offset = self.plus(offset, Reg("i64", 0, str(number)))
            else:
                offset = self.k.op("add", offset, self._fit(self.scalars[source], "i64"))
        return offset

    def _constant(self, op: Op, index: tuple[Index, ...]) -> Chunk:
        value = op.attrs["value"]
        element = element_name(op.result)
        if isinstance(value, tuple):
            return self.memory.buffer_load(self._table(op, value, element), index)
        return self.k.constant(element, cast(float, value))

    def _table(self, op: Op, values: tuple[float | int, ...], element: str) -> Buffer:
        """Return where the elements of a constant lie, in the program's own data."""
        if element in BYTE_FLOATS:
            raise UnsupportedOpError(
                f"line {op.location.line}: a constant tensor of {element} must have equal elements, it has several",
                {"line": op.location.line},
            )
        stored = "i8" if element == "i1" else element
        items = ", ".join(Reg(stored, 0, self.k.constant(stored, value).text).typed for value in values)
        name = self.f.constant("table", f"[{len(values)} x {llvm_type(stored, 0)}] [{items}], align 64")
        shape = op.result.shape
        return Buffer(shape, element, tuple(reversed(range(len(shape)))), name)

    def _splat(self, op: Op, index: tuple[Index, ...]) -> Chunk:
        return self.chunk(op.operands[0], ())

    def _make_range(self, op: Op, index: tuple[Index, ...]) -> Chunk:
        (item,) = index
        start = self.k.constant("i32", cast(int, op.attrs["start"]))
        if isinstance(item, Lane):
            return Affine("i32", item.lanes, self.plus(self._fit(item.base, "i32"), start), 1)
        return self.plus(self._fit(item, "i32"), start)

    def _expand_dims(self, op: Op, index: tuple[Index, ...]) -> Chunk:
        axis = cast(int, op.attrs["axis"])
        return self.chunk(op.operands[0], index[:axis] + index[axis + 1 :])

    def _broadcast(self, op: Op, index: tuple[Index, ...]) -> Chunk:
        source = op.operands[0]
        zero = Reg("i64", 0, "0")
        return self.chunk(source, tuple(zero if n == 1 else i for n, i in zip(source.shape, index, strict=True)))

    def _trans(self, op: Op, index: tuple[Index, ...]) -> Chunk:
        order = cast(list[int], op.attrs["order"])
        inner: list[Index] = [index[0]] * len(order)
        for position, dim in enumerate(order):
            inner[dim] = index[position]
        return self.chunk(op.operands[0], tuple(inner))

    def _addptr(self, op: Op, index: tuple[Index, ...]) -> Chunk:
        address = self.chunk(op.operands[0], index)
        offset = self.chunk(op.operands[1], index)
        if isinstance(address, Reg):
            address = Address(address, pointee_name(op.operands[0]))
        if not isinstance(address, Address) or isinstance(offset, Address):
            raise AssertionError("addptr of something that is no pointer")
        return self._address_plus(address, offset)

    def _load(self, op: Op, index: tuple[Index, ...]) -> Chunk:
        address = self.chunk(op.operands[0], index)
        if isinstance(address, Reg):
            address = Address(address, pointee_name(op.operands[0]))
        mask = self.mask(op, 1, index)
        other = self.reg(op.operands[2], index) if len(op.operands) > 2 else None
        loaded = self.memory.load(cast(Address, address), mask, other, self.access(op, is_write=False))
        return Address(loaded, pointee_name(op.result)) if loaded.element == "ptr" else loaded

    def mask(self, op: Op, operand: int, index: tuple[Index, ...]) -> Reg | None:
        """Return the mask of a memory op at `index`, None when it has none or one that always holds."""
        if len(op.operands) <= operand:
            return None
        mask = self.reg(op.operands[operand], index)
        return None if mask.text == "true" else mask

    def access(self, op: Op, is_write: bool, atomic: int = 0) -> Access:
        """Return who accesses memory in `op`, for bounds checks."""
        base = self.facts.base_argument(op.operands[0])
        number = self.op_numbers.setdefault(op, len(self.op_numbers) + 1)
        bounds = self.bounds.get(base) if base is not None else None
        return Access(number, is_write, bounds, atomic, base in self.streamed and is_in_lines(op, self.facts))

    def _elementwise(self, op: Op, value: Value, index: tuple[Index, ...]) -> Chunk:
        if value.element == "i1" and op.name in ("arith.cmpi", "arith.andi"):
            if self.facts.is_always(value):
                return Reg("i1", 0, "true")
            part = self.facts.mask_source(value)
            if part is not value:
                return self.chunk(part, index)
        chunks = [self.chunk(operand, index) for operand in op.operands]
        element = element_name(value)
        affine = self._affine(op, chunks, element, lane_dim(index))
        if affine is not None:
            return affine
        if op.name in ("arith.select", "tt.bitcast") and element == "ptr":
            return self._pointer_op(op, chunks, value)
        if op.name == "tt.int_to_ptr":
            number = self._plain(chunks[0])
            return Address(self.k.convert("inttoptr", number, "ptr"), pointee_name(value))
        return self.ew.write(op, [self._plain(chunk) for chunk in chunks], element)

    def _pointer_op(self, op: Op, chunks: list[Chunk], value: Value) -> Chunk:
        if op.name == "tt.bitcast" and isinstance(chunks[0], Address):
            source = chunks[0]
            pointee = pointee_name(value)
            if source.offset is None or ELEMENT_BITS[pointee] == ELEMENT_BITS[source.pointee]:
                return Address(source.base, pointee, source.offset)
            return Address(self.memory.pointers(source, source.lanes), pointee)
        condition, *sides = (self._plain(chunk) for chunk in chunks)
        return Address(self.k.select(condition, *sides), pointee_name(value))

    def _affine(self, op: Op, chunks: list[Chunk], element: str, dim: int | None) -> Chunk | None:
        lanes = max((chunk.lanes for chunk in chunks if isinstance(chunk, Affine)), default=0)
        if not lanes:
            return None
        if op.name in ("arith.addi", "arith.subi"):
            return self._add("add" if op.name == "arith.addi" else "sub", *cast(list[Affine | Reg], chunks))
        if op.name == "arith.muli":
            first, second = chunks if isinstance(chunks[0], Affine) else chunks[::-1]
            if isinstance(first, Affine) and isinstance(second, Reg) and second.lanes == 0:
                return self._scale(first, second)
        if op.name in WIDTH_CASTS and isinstance(chunks[0], Affine):
            run = chunks[0]
            if ELEMENT_BITS[element] > ELEMENT_BITS[run.element]:
                return self._widen(run) if element == "i64" else None
        return self._by_first(op, chunks, element, dim, lanes) if dim is not None else None

    def _by_first(self, op: Op, chunks: list[Chunk], element: str, dim: int, lanes: int) -> Chunk | None:
        """Return what a division or comparison gives for the first of a chunk, where that decides for all."""
        firsts = [chunk.base if isinstance(chunk, Affine) and chunk.stride == 1 else chunk for chunk in chunks]
        if not all(isinstance(first, Reg) and not first.lanes for first in firsts):
            return None
        scalars = cast(list[Reg], firsts)
        if op.name in ("arith.remsi", "arith.remui") and self.facts.axis(op.result, dim).run >= lanes:
            return Affine(element, lanes, self.ew.write(op, scalars, element), 1)
        if op.name in ("arith.divsi", "arith.divui") and self.facts.axis(op.result, dim).same >= lanes:
            return self.ew.write(op, scalars, element)
        if op.name == "arith.cmpi" and self.facts.axes.is_same_comparison(op, dim, lanes):
            return self.ew.write(op, scalars, element)
        return None


def lane_dim(index: tuple[Index, ...]) -> int | None:
    """Return the dimension that lanes run along at `index`, None for a single place."""
    return next((dim for dim, item in enumerate(index) if isinstance(item, Lane)), None)


def is_float(element: str) -> bool:
    """Return whether `element` is a floating-point type."""
    return element in FLOATS


def _level(chunk: Chunk) -> int:
    if isinstance(chunk, Reg):
        return chunk.level
    if isinstance(chunk, Affine):
        return max(chunk.base.level, chunk.stride.level if isinstance(chunk.stride, Reg) else 0)
    return max(chunk.base.level, 0 if chunk.offset is None else _level(chunk.offset))


_SHAPE_OPS = {
    "arith.constant": "_constant",
    "tt.splat": "_splat",
    "tt.make_range": "_make_range",
    "tt.expand_dims": "_expand_dims",
    "tt.broadcast": "_broadcast",
    "tt.trans": "_trans",
    "tt.addptr": "_addptr",
    "tt.load": "_load",
}
