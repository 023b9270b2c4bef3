"""Loads and stores of chunks: contiguous, gathered, masked, and checked against registered ranges."""

from dataclasses import dataclass

from kernelwright.compiler.codegen.floats import BYTE_FLOATS, Floats
from kernelwright.compiler.codegen.text import Reg, TextBlock, llvm_type
from kernelwright.compiler.codegen.tracing import NOTE, READ, RELEASE, WRITE, event_key
from kernelwright.compiler.codegen.values import Address, Affine, Buffer, Index, Lane, storage_bytes
from kernelwright.compiler.features import LINE_BYTES

ZEROS_BYTES = 1024
# Narrower stores past the caches do not exist.
LEAST_STREAMED_BYTES = 16
MIN_GATHER_BYTES = 4


@dataclass(frozen=True)
class Access:
    """Who touches memory: the op's number for fault reports; start, end and writability of its argument if known.

    `atomic` has the kind bits of an atomic, 0 for plain accesses; what `streams` goes past the caches, line by line.
    """

    number: int
    is_write: bool
    bounds: tuple[Reg, Reg, Reg] | None
    atomic: int = 0
    streams: bool = False

    @property
    def kind(self) -> int:
        """Return the kind bits of the events of this access."""
        return self.atomic or (WRITE if self.is_write else READ)


class Memory:
    """Writes memory instructions; with `checked`, each behind a bounds check, with `races` noted in the trace too."""

    def __init__(self, lanes: Floats, checked: bool, races: bool = False) -> None:
        self.k = lanes
        self.f = lanes.f
        self.checked = checked
        self.races = races
        self._leave: TextBlock | None = None
        if races:
            self.f.globals["note"] = NOTE
        self.f.globals["zeros"] = f"@kw_zeros = internal constant [{ZEROS_BYTES} x i8] zeroinitializer, align 64"

    # --- addresses

    def advance(self, base: Reg, offset: Reg, element_bytes: int) -> Reg:
        """Return pointer(s) `offset` elements behind `base`."""
        if offset.constant == 0:
            return base
        if offset.lanes and not base.lanes:
            level = max(base.level, offset.level)
            text = f"getelementptr [{element_bytes} x i8], ptr {base.text}, {offset.typed}"
            return self.f.emit("ptr", offset.lanes, text, level)
        base, offset = self.k.together(base, offset)
        text = f"getelementptr [{element_bytes} x i8], {base.typed}, {offset.typed}"
        return self.f.emit("ptr", base.lanes, text, max(base.level, offset.level))

    def pointers(self, address: Address, lanes: int) -> Reg:
        """Return a vector of `lanes` pointers."""
        size = storage_bytes(address.pointee)
        if address.offset is None:
            return self.k.splat(address.base, lanes)
        return self.advance(address.base, self.k.splat(self.as_vector(address.offset), lanes), size)

    def as_vector(self, value: Affine | Reg) -> Reg:
        """Return an affine run written out."""
        if isinstance(value, Reg):
            return value
        if isinstance(value.stride, int):
            steps = self.k.iota(value.element, value.lanes, value.stride)
        else:
            steps = self.k.op("mul", self.k.iota(value.element, value.lanes), value.stride)
        return self.k.op("add", value.base, steps)

    # --- global memory

    def load(self, address: Address, mask: Reg | None, other: Reg | None, access: Access) -> Reg:
        """Return the elements at `address`; where `mask` is false, `other` (zero when None)."""
        element = address.pointee
        lanes = max(address.lanes, mask.lanes if mask is not None else 0)
        if other is None:
            other = Reg(element, 0, "zeroinitializer" if lanes else _zero(element))
        if lanes == 0:
            return self._load_one(address.base, mask, other, element, access)
        if isinstance(address.offset, Affine) and not address.base.lanes and address.offset.stride == 1:
            start = self.advance(address.base, address.offset.base, storage_bytes(element))
            return self._load_run(start, lanes, mask, other, element, access)
        if address.lanes == 0:
            return self._load_same(address, lanes, mask, other, access)
        return self.gather(self.pointers(address, lanes), mask, other, element, access)

    def _load_one(self, pointer: Reg, mask: Reg | None, other: Reg, element: str, access: Access) -> Reg:
        size = storage_bytes(element)
        self.check(pointer, size, mask, access)
        if mask is None:
            return self._plain_load(pointer, element, 0, size)
        safe = self.k.select(mask, pointer, Reg("ptr", 0, "@kw_zeros"))
        loaded = self._plain_load(safe, element, 0, size)
        return loaded if _is_zero(other) else self.k.select(mask, loaded, other)

    def _load_same(self, address: Address, lanes: int, mask: Reg | None, other: Reg, access: Access) -> Reg:
        if mask is None or not mask.lanes:
            return self._load_one(address.base, mask, other, address.pointee, access)
        some = self._any(mask)
        one = self._load_one(
            address.base, some, Reg(address.pointee, 0, _zero(address.pointee)), address.pointee, access
        )
        return self.k.select(mask, self.k.splat(one, lanes), self.k.splat(other, lanes))

    def _load_run(self, start: Reg, lanes: int, mask: Reg | None, other: Reg, element: str, access: Access) -> Reg:
        size = storage_bytes(element)
        if mask is None or not mask.lanes:
            self.check(start, size * lanes, mask, access)
            if mask is None:
                return self._plain_load(start, element, lanes, size)
            safe = self.k.select(mask, start, Reg("ptr", 0, "@kw_zeros"))
            loaded = self._plain_load(safe, element, lanes, size)
            return loaded if _is_zero(other) else self.k.select(mask, loaded, self.k.splat(other, lanes))
        self._check_run(start, size, mask, access)
        other = self._as_bits(self.k.splat(other, lanes))
        vector = other.type
        name = f"llvm.masked.load.v{lanes}{_suffix(other.element)}.p0"
        self.f.declare(name, f"declare {vector} @{name}(ptr, i32, <{lanes} x i1>, {vector})")
        text = f"call {vector} @{name}({start.typed}, i32 {size}, {mask.typed}, {other.typed})"
        loaded = self.f.emit(other.element, lanes, text, max(start.level, mask.level, other.level))
        return self.k.bitcast(loaded, element, lanes)

    def _as_bits(self, value: Reg) -> Reg:
        """Return half-width floats as integers: masked accesses of such floats may become calls that nobody defines."""
        return self.k.bitcast(value, "i16", value.lanes) if value.element in ("f16", "bf16") else value

    def _plain_load(self, pointer: Reg, element: str, lanes: int, align: int) -> Reg:
        text = f"load {llvm_type(element, lanes)}, ptr {pointer.text}, align {align}"
        return self.f.emit(element, lanes, text, pointer.level)

    def gather(self, pointers: Reg, mask: Reg | None, other: Reg, element: str, access: Access | None) -> Reg:
        """Return the elements at a vector of pointers; no check without `access`."""
        size, lanes = storage_bytes(element), pointers.lanes
        other = self.k.splat(other, lanes)
        if mask is not None:
            mask = self.k.splat(mask, lanes)
        if access is not None:
            self._check_each(pointers, size, mask, access)
        if size >= MIN_GATHER_BYTES and self.k.features.vector_bytes >= 32:
            vector = llvm_type(element, lanes)
            name = f"llvm.masked.gather.v{lanes}{_suffix(element)}.v{lanes}p0"
            self.f.declare(name, f"declare {vector} @{name}(<{lanes} x ptr>, i32, <{lanes} x i1>, {vector})")
            mask = mask or self.k.splat(Reg("i1", 0, "true"), lanes)
            text = f"call {vector} @{name}({pointers.typed}, i32 {size}, {mask.typed}, {other.typed})"
            return self.f.emit(element, lanes, text, max(pointers.level, mask.level, other.level))
        if mask is not None:
            pointers = self.k.select(mask, pointers, self.k.splat(Reg("ptr", 0, "@kw_zeros"), lanes))
        out = Reg(element, lanes, "poison")
        for lane in range(lanes):
            out = self.k.insert(out, self._plain_load(self.k.extract(pointers, lane), element, 0, size), lane)
        return out if mask is None else self.k.select(mask, out, other)

    def store(self, address: Address, value: Reg, mask: Reg | None, access: Access) -> None:
        """Write `value` to `address` where `mask` holds."""
        element = address.pointee
        lanes = max(address.lanes, value.lanes if address.lanes else 0)
        size = storage_bytes(element)
        if lanes == 0:
            # A tensor of equal addresses is written by one of its elements.
            if value.lanes:
                value = self.k.extract(value, value.lanes - 1)
            if mask is not None and mask.lanes:
                mask = self._any(mask)
            self._store_guarded(address.base, value, mask, size, access)
            return
        value = self._as_bits(self.k.splat(value, lanes))
        element = value.element
        if isinstance(address.offset, Affine) and not address.base.lanes and address.offset.stride == 1:
            start = self.advance(address.base, address.offset.base, size)
            if mask is None or not mask.lanes:
                self._store_guarded(start, value, mask, size, access)
                return
            self._check_run(start, size, mask, access)
            name = f"llvm.masked.store.v{lanes}{_suffix(element)}.p0"
            self.f.declare(name, f"declare void @{name}({value.type}, ptr, i32, <{lanes} x i1>)")
            self.f.line(f"call void @{name}({value.typed}, {start.typed}, i32 {size}, {mask.typed})")
            return
        pointers = self.pointers(address, lanes)
        mask = self.k.splat(mask, lanes) if mask is not None else None
        self._check_each(pointers, size, mask, access)
        mask = mask or self.k.splat(Reg("i1", 0, "true"), lanes)
        name = f"llvm.masked.scatter.v{lanes}{_suffix(element)}.v{lanes}p0"
        self.f.declare(name, f"declare void @{name}({value.type}, <{lanes} x ptr>, i32, <{lanes} x i1>)")
        self.f.line(f"call void @{name}({value.typed}, {pointers.typed}, i32 {size}, {mask.typed})")

    def _store_guarded(self, pointer: Reg, value: Reg, mask: Reg | None, size: int, access: Access) -> None:
        self.check(pointer, size * max(1, value.lanes), mask, access)
        text = f"store {value.typed}, ptr {pointer.text}, align {size}"
        if access.streams and size * value.lanes >= LEAST_STREAMED_BYTES:
            self.f.globals["past caches"] = "!0 = !{i32 1}"
            align = min(LINE_BYTES, size * value.lanes)
            text = f"store {value.typed}, ptr {pointer.text}, align {align}, !nontemporal !0"
        if mask is None:
            self.f.line(text)
            return
        inside, after = self.f.new_block("write"), self.f.new_block("written")
        self.f.branch(mask, inside, after)
        self.f.places[-1] = inside
        self.f.line(text)
        self.f.jump(after)

    def _any(self, mask: Reg) -> Reg:
        name = f"llvm.vector.reduce.or.v{mask.lanes}i1"
        self.f.declare(name, f"declare i1 @{name}({mask.type})")
        return self.k.call_exact(name, "i1", 0, mask)

    # --- checks

    def check(self, start: Reg, size: int, mask: Reg | None, access: Access) -> None:
        """Write the bounds check of `size` bytes from `start`, if this kernel is checked."""
        if not self.checked:
            return
        first, extent = self.k.convert("ptrtoint", start, "i64"), self.k.constant("i64", size)
        bounds = self._require(first, extent, mask, access)
        self._note(first, extent, mask, access, bounds[2])

    def _check_run(self, start: Reg, size: int, mask: Reg, access: Access) -> None:
        if not self.checked:
            return
        width = mask.lanes
        lanes = self.k.iota("i32", width)
        low = self._reduce_int("umin", self.k.select(mask, lanes, self.k.splat(self.k.constant("i32", width), width)))
        high = self._reduce_int("smax", self.k.select(mask, lanes, self.k.splat(self.k.constant("i32", -1), width)))
        count = self.k.op("add", self.k.op("sub", high, low), self.k.constant("i32", 1))
        first = self.k.convert("ptrtoint", start, "i64")
        first = self.k.op(
            "add", first, self.k.op("mul", self.k.convert("sext", low, "i64"), self.k.constant("i64", size))
        )
        extent = self.k.op("mul", self.k.convert("sext", count, "i64"), self.k.constant("i64", size))
        bounds = self._require(first, extent, self._any(mask), access)
        start_address = self.k.convert("ptrtoint", start, "i64")
        self._note(start_address, self.k.constant("i64", size), mask, access, bounds[2])

    def _reduce_int(self, kind: str, value: Reg) -> Reg:
        name = f"llvm.vector.reduce.{kind}.v{value.lanes}i32"
        self.f.declare(name, f"declare i32 @{name}({value.type})")
        return self.k.call_exact(name, "i32", 0, value)

    def _check_each(self, pointers: Reg, size: int, mask: Reg | None, access: Access) -> None:
        if not self.checked:
            return
        for lane in range(pointers.lanes):
            first = self.k.convert("ptrtoint", self.k.extract(pointers, lane), "i64")
            guard = self.k.extract(mask, lane) if mask is not None else None
            bounds = self._require(first, self.k.constant("i64", size), guard, access)
            self._note(first, self.k.constant("i64", size), guard, access, bounds[2])

    def _require(self, first: Reg, size: Reg, mask: Reg | None, access: Access) -> tuple[Reg, Reg, Reg]:
        """Write the check of one stretch of memory; return start, end and writability of where it must lie."""
        low, high, writable = access.bounds or self.bounds_at(first)
        inside = self.k.op(
            "and",
            self.k.compare("icmp uge", first, low),
            self.k.compare("icmp ule", self.k.op("add", first, size), high),
        )
        if access.is_write:
            inside = self.k.op("and", inside, writable)
        if mask is not None:
            inside = self.k.op("or", inside, self.k.op("xor", mask, Reg("i1", 0, "true")))
        self.f.split(inside.level, inside, self._fault(first, size, access))
        return low, high, writable

    def _note(self, first: Reg, size: Reg, mask: Reg | None, access: Access, writable: Reg) -> None:
        """Write the call that notes `size` bytes for each lane of `mask` (one scalar, if None) in the trace.

        What nobody may write is not noted: reading it is never a race.
        """
        if not self.races:
            return
        lanes = Reg("i64", 0, "1")
        if mask is not None:
            bits, level = mask.text, mask.level
            if mask.lanes:
                bits = self.f.new_name("m")
                self.f.line(f"{bits} = bitcast {mask.typed} to i{mask.lanes}", level)
            lanes = self.f.emit("i64", 0, f"zext i{mask.lanes or 1} {bits} to i64", level)
        level = max(part.level for part in (first, size, lanes, writable))
        key = event_key(access.number, access.kind)
        arguments = f"ptr %trace, {first.typed}, {size.typed}, {lanes.typed}, i64 {key}, {writable.typed}"
        going = self.f.emit("i1", 0, f"call i1 @kw_note({arguments})", level)
        if self._leave is None:
            self._leave = self.f.new_block("stopped")
            self._leave.end = "ret i32 2"
        self.f.split(level, going, self._leave)

    def note_release(self, pointer: Reg, size: int, happened: Reg, access: Access) -> None:
        """Note that a compare-and-swap that `happened` also releases."""
        if not self.races:
            return
        first = self.k.convert("ptrtoint", pointer, "i64")
        writable = Reg("i1", 0, "true")
        released = Access(access.number, True, access.bounds, access.atomic | RELEASE)
        self._note(first, self.k.constant("i64", size), happened, released, writable)

    def bounds_at(self, address: Reg) -> tuple[Reg, Reg, Reg]:
        """Return start, end and writability of the registered range that holds `address`; an empty one if none does."""
        self.f.globals["find"] = FIND_RANGE
        table, count = Reg("ptr", 0, "%ranges"), Reg("i64", 0, "%range_count")
        row = self.k.call_exact("kw_range_of", "ptr", 0, table, count, address)
        low, high, flags = (
            self._plain_load(self.advance(row, Reg("i64", 0, str(word)), 8), "i64", 0, 8) for word in range(3)
        )
        return low, high, self.k.convert("trunc", flags, "i1")

    def _fault(self, first: Reg, size: Reg, access: Access) -> TextBlock:
        return self.report(2 if access.is_write else 1, first, size, access.number)

    def report(self, kind: int, address: Reg, size: Reg, number: int) -> TextBlock:
        """Return a block that records what went wrong in op `number`, unless another thread has, and leaves."""
        fault, record, leave = (self.f.new_block(hint) for hint in ("fault", "record", "leave"))
        pair, taken = self.f.new_name("f"), self.f.new_name("f")
        fault.lines.append(f"{pair} = cmpxchg ptr %fault_record, i64 0, i64 {kind} monotonic monotonic")
        fault.lines.append(f"{taken} = extractvalue {{ i64, i1 }} {pair}, 1")
        fault.end = f"br i1 {taken}, label %{record.name}, label %{leave.name}"
        for slot, text in enumerate((address.text, str(number), "%program", size.text), start=1):
            pointer = self.f.new_name("f")
            record.lines.append(f"{pointer} = getelementptr i64, ptr %fault_record, i64 {slot}")
            record.lines.append(f"store i64 {text}, ptr {pointer}")
        record.end = f"br label %{leave.name}"
        leave.end = "ret i32 1"
        return fault

    # --- scratch buffers

    def buffer_place(self, buffer: Buffer, index: tuple[Index, ...]) -> tuple[Reg, int | None]:
        """Return the pointer of the chunk at `index`, and the dimension that lanes run along."""
        pointer = Reg("ptr", 0, buffer.pointer, 0)
        known, lane_dim = 0, None
        moving: list[tuple[int, Reg, int]] = []
        for dim, item in enumerate(index):
            base = item.base if isinstance(item, Lane) else item
            if isinstance(item, Lane):
                lane_dim = dim
            if base.constant is not None:
                known += base.constant * buffer.strides[dim]
            else:
                moving.append((base.level, base, buffer.strides[dim]))
        for _, base, stride in sorted(moving, key=lambda item: item[0]):
            pointer = self.advance(pointer, base, stride)
        if known:
            pointer = self.advance(pointer, Reg("i64", 0, str(known)), 1)
        return pointer, lane_dim

    def clear(self, buffer: Buffer) -> None:
        """Set a whole buffer to zero bits."""
        self.f.declare("llvm.memset.p0.i64", "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        self.f.line(
            f"call void @llvm.memset.p0.i64(ptr align 64 {buffer.pointer}, i8 0, i64 {buffer.size_bytes}, i1 false)"
        )

    def buffer_load(self, buffer: Buffer, index: tuple[Index, ...]) -> Reg:
        """Return the chunk of a buffer at `index`."""
        pointer, lane_dim = self.buffer_place(buffer, index)
        element = "i8" if buffer.element == "i1" else buffer.element
        if lane_dim is None:
            value = self._plain_load(pointer, element, 0, storage_bytes(element))
        else:
            lanes = index[lane_dim].lanes
            if buffer.strides[lane_dim] == storage_bytes(element):
                value = self._plain_load(pointer, element, lanes, self._buffer_align(element, lanes))
            else:
                value = Reg(element, lanes, "poison")
                for lane in range(lanes):
                    place = self.advance(pointer, Reg("i64", 0, str(lane)), buffer.strides[lane_dim])
                    value = self.k.insert(value, self._plain_load(place, element, 0, storage_bytes(element)), lane)
        if buffer.element == "i1":
            return self.k.compare("icmp ne", value, self.k.constant("i8", 0))
        return value

    def buffer_store(self, buffer: Buffer, index: tuple[Index, ...], value: Reg) -> None:
        """Write a chunk of a buffer."""
        pointer, lane_dim = self.buffer_place(buffer, index)
        if buffer.element == "i1":
            value = self.k.convert("zext", value, "i8")
        size = storage_bytes(value.element)
        if lane_dim is None:
            self.f.line(f"store {value.typed}, ptr {pointer.text}, align {size}")
            return
        lanes = index[lane_dim].lanes
        value = self.k.splat(value, lanes)
        if buffer.strides[lane_dim] == size:
            self.f.line(f"store {value.typed}, ptr {pointer.text}, align {self._buffer_align(value.element, lanes)}")
            return
        for lane in range(lanes):
            place = self.advance(pointer, Reg("i64", 0, str(lane)), buffer.strides[lane_dim])
            one = self.k.extract(value, lane)
            self.f.line(f"store {one.typed}, ptr {place.text}, align {size}")

    def _buffer_align(self, element: str, lanes: int) -> int:
        return min(64, storage_bytes(element) * lanes)


FIND_RANGE = """
@kw_no_range = internal constant [3 x i64] zeroinitializer
define internal ptr @kw_range_of(ptr %table, i64 %count, i64 %address) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %step ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %test, label %none
test:
  %offset = mul i64 %i, 3
  %row = getelementptr i64, ptr %table, i64 %offset
  %low = load i64, ptr %row
  %high_place = getelementptr i64, ptr %row, i64 1
  %high = load i64, ptr %high_place
  %above = icmp uge i64 %address, %low
  %below = icmp ult i64 %address, %high
  %both = and i1 %above, %below
  %empty = icmp eq i64 %low, %high
  %same = icmp eq i64 %address, %low
  %nothing = and i1 %empty, %same
  %inside = or i1 %both, %nothing
  br i1 %inside, label %found, label %step
step:
  %next = add i64 %i, 1
  br label %head
found:
  ret ptr %row
none:
  ret ptr @kw_no_range
}
"""


def _is_zero(value: Reg) -> bool:
    """Return whether `value` is a literal of zero bits, as the dummy memory holds."""
    return value.text in ("zeroinitializer", "0", "0xH0000", "0xR0000", "0x0000000000000000", "null")


def _zero(element: str) -> str:
    if element == "ptr":
        return "null"
    return "zeroinitializer" if element in ("f16", "bf16", "f32", "f64") else "0"


def _suffix(element: str) -> str:
    return "p0" if element == "ptr" else "i8" if element in BYTE_FLOATS else element
