"""Loads and stores of chunks: contiguous, gathered, masked, of global memory and of scratch buffers."""

from kernelwright.compiler.codegen.checks import Access, Checks
from kernelwright.compiler.codegen.floats import BYTE_FLOATS, Floats
from kernelwright.compiler.codegen.text import Reg, llvm_type
from kernelwright.compiler.codegen.values import Address, Affine, Buffer, Index, Lane, storage_bytes
from kernelwright.compiler.features import LINE_BYTES

ZEROS_BYTES = 1024
# Narrower stores past the caches do not exist.
LEAST_STREAMED_BYTES = 16
MIN_GATHER_BYTES = 4


class Memory(Checks):
    """Writes memory instructions; with `checked`, each behind a bounds check, with `races` noted in the trace too."""

    def __init__(self, lanes: Floats, checked: bool, races: bool = False) -> None:
        super().__init__(lanes, checked, races)
        self.f.globals["zeros"] = f"@kw_zeros = internal constant [{ZEROS_BYTES} x i8] zeroinitializer, align 64"

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


def _is_zero(value: Reg) -> bool:
    """Return whether `value` is a literal of zero bits, as the dummy memory holds."""
    return value.text in ("zeroinitializer", "0", "0xH0000", "0xR0000", "0x0000000000000000", "null")


def _zero(element: str) -> str:
    if element == "ptr":
        return "null"
    return "zeroinitializer" if element in ("f16", "bf16", "f32", "f64") else "0"


def _suffix(element: str) -> str:
    return "p0" if element == "ptr" else "i8" if element in BYTE_FLOATS else element
