"""A compiled kernel: packs arguments, runs a grid, tells where memory was misused.

The argument block that generated code reads is a row of 8-byte slots: the grid's x, y, z as i64; one slot for each
parameter of the IR function (address, integer sign-extended to i64, f64, or the bits of f32, f16, bf16 in the low
bytes); and in checked mode the address of the range table, the number of its rows, the address of the fault record.
A row of the range table is i64 start, i64 end, i64 flags (bit 0: writable). The fault record is i64 kind (0 none, 1
read, 2 write, 3 assertion), i64 address, i64 op number, i64 program, i64 size in bytes.
"""

import ctypes
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from kernelwright.compiler.ir import Location
from kernelwright.compiler.native import LinkedFunction
from kernelwright.compiler.threads import run_grid
from kernelwright.core.errors import HarnessError, KernelwrightError, RequestError

_INTEGER_BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64}
_SLOT_FORMATS = {"ptr": "Q", "f64": "d", "f32": "f4x", "f16": "e6x", "bf16": "H6x"}
_READ, _WRITE, _ASSERTION = 1, 2, 3
# An access this far from every buffer is not told as an offset: it would depend on where buffers lie.
_NEAR_BYTES = 1 << 20


@dataclass(frozen=True)
class MemoryRange:
    """Memory that a checked kernel may read, and write if `writable`; `name` is what a fault calls it."""

    start: int
    size_bytes: int
    writable: bool
    name: str = ""


class MemoryFault(KernelwrightError):
    """A checked kernel touched memory outside of its ranges, or wrote to one that is read-only.

    `line` of the kernel's source (0 unknown), `program` as (x, y, z), `buffer` nearest to the access ("" when none
    is near), `offset_bytes` of the access from that buffer's start, `is_write`.
    """

    exit_code = 1

    def __init__(
        self, text: str, line: int, program: tuple[int, int, int], buffer: str, offset_bytes: int, is_write: bool
    ) -> None:
        facts = {
            "line": line, "program": program, "buffer": buffer, "offset_bytes": offset_bytes, "is_write": is_write,
        }  # fmt: skip
        super().__init__(text, facts)
        self.line = line
        self.program = program
        self.buffer = buffer
        self.offset_bytes = offset_bytes
        self.is_write = is_write


class DeviceAssertError(KernelwrightError, RuntimeError):
    """A `tl.device_assert` did not hold; the text names kernel, line, program and message."""

    exit_code = 1


@dataclass(frozen=True, eq=False)
class NativeKernel:
    """Machine code of one kernel.

    `arg_types` are the IR function's parameters ("ptr", "i32", "f32", ...), `scratch_bytes` what a thread needs,
    `body` the function `i32 (ptr argument block, i64 first, i64 last, ptr scratch)`, `locations` the source
    place of each numbered op that can fault, `checked` whether accesses are, `assertions` the messages of asserts.
    """

    name: str
    arg_types: tuple[str, ...]
    scratch_bytes: int
    machine_sha256: str
    body: LinkedFunction
    locations: Mapping[int, Location] = field(default_factory=dict)
    checked: bool = False
    assertions: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def _packer(self) -> "_Packer":
        return _Packer(self.arg_types)

    def launch(
        self,
        grid: tuple[int, int, int],
        args: Sequence[int | float | bool],
        threads: int = 2,
        ranges: Sequence[MemoryRange] = (),
    ) -> None:
        """Run every program of `grid` on `threads` threads and wait; the interpreter lock is released meanwhile.

        `args` holds an address for a pointer, a number else, one for each of `arg_types`. `ranges` lists what a
        checked kernel may touch. Raises MemoryFault for a misuse of memory, RequestError for a wrong launch.
        """
        packed = self._packed(grid, args)
        programs = grid[0] * grid[1] * grid[2]
        if not self.checked and not self.assertions:
            block = ctypes.create_string_buffer(packed, len(packed))
            result = run_grid(self.body.address, ctypes.addressof(block), programs, threads, self.scratch_bytes)
            if result != 0:
                raise HarnessError(f"unchecked kernel {self.name} must end with result 0, it ended with {result}")
            return
        rows = [word for r in ranges for word in (r.start, r.start + r.size_bytes, int(r.writable))]
        table = (ctypes.c_int64 * max(1, len(rows)))(*rows)
        fault = (ctypes.c_int64 * 5)()
        if self.checked:
            packed += struct.pack("<Qq", ctypes.addressof(table), len(ranges))
        packed += struct.pack("<Q", ctypes.addressof(fault))
        block = ctypes.create_string_buffer(packed, len(packed))
        result = run_grid(self.body.address, ctypes.addressof(block), programs, threads, self.scratch_bytes)
        if fault[0] in (_READ, _WRITE):
            raise self._fault(tuple(fault), grid, ranges)
        if fault[0] == _ASSERTION:
            raise self._failed(fault[2], fault[3], grid)
        if result != 0:
            raise HarnessError(f"kernel {self.name} must end with result 0 or a fault, it ended with {result}")

    def _packed(self, grid: tuple[int, int, int], args: Sequence[int | float | bool]) -> bytes:
        if len(grid) != 3 or min(grid) < 0:
            raise RequestError(f"a grid must be three numbers that are not negative, got {tuple(grid)}")
        if len(args) != len(self.arg_types):
            raise RequestError(f"kernel {self.name} must get {len(self.arg_types)} arguments, got {len(args)}")
        return self._packer.pack(self.name, grid, args)

    def _failed(self, number: int, linear: int, grid: tuple[int, int, int]) -> DeviceAssertError:
        line, message = self.locations.get(number, Location()).line, self.assertions.get(number, "")
        program = _program(linear, grid)
        return DeviceAssertError(
            f"line {line} of {self.name} asserts '{message}', which does not hold in program {program}",
            {"line": line, "program": program, "message": message},
        )

    def _fault(self, record: tuple[int, ...], grid: tuple[int, int, int], ranges: Sequence[MemoryRange]) -> MemoryFault:
        kind, address, number, linear, size = record
        line = self.locations.get(number, Location()).line
        program = _program(linear, grid)
        near = min(ranges, key=lambda r: _distance(r, address, size), default=None)
        where = f"line {line} of {self.name}" if line else f"an access of {self.name} without a source line"
        verb = "writes" if kind == _WRITE else "reads"
        buffer, offset = "", 0
        hint = "Mask the access or check its index."
        if near is None or _distance(near, address, size) > _NEAR_BYTES:
            rule, found = "stay inside its buffers", f"{verb} {size} bytes far from all of them"
        else:
            buffer, offset = near.name, address - near.start
            found = f"{verb} {size} bytes at byte {offset} of {buffer}, which has {near.size_bytes}"
            rule = "stay inside its buffers"
            if offset >= 0 and offset + size <= near.size_bytes:
                rule, hint = f"not write to {buffer}", "Write to an output or to scratch memory."
        text = f"{where} must {rule}, it {found}. {hint}"
        return MemoryFault(text, line, program, buffer, offset, kind == _WRITE)


def _program(linear: int, grid: tuple[int, int, int]) -> tuple[int, int, int]:
    return linear % grid[0], linear // grid[0] % grid[1], linear // (grid[0] * grid[1])


def _distance(place: MemoryRange, address: int, size: int) -> int:
    """Return how many bytes lie between an access and a range; 0 when they touch."""
    return max(0, place.start - (address + size), address - (place.start + place.size_bytes))


class _Packer:
    """Packs grid and arguments into the slots of the argument block."""

    def __init__(self, arg_types: tuple[str, ...]) -> None:
        unknown = sorted(set(arg_types) - set(_SLOT_FORMATS) - set(_INTEGER_BITS))
        if unknown:
            raise RequestError(f"a kernel's parameters must be pointers or numbers, got {', '.join(unknown)}")
        self._types = arg_types
        self._format = struct.Struct("<qqq" + "".join(_SLOT_FORMATS.get(kind, "q") for kind in arg_types))
        # Pointers, f64 and plain numbers in range need no conversion.
        self._plain = tuple(kind in ("ptr", "f64") for kind in arg_types)

    def pack(self, name: str, grid: tuple[int, int, int], args: Sequence[int | float | bool]) -> bytes:
        """Return the bytes of the block; raise RequestError for a value of the wrong kind."""
        try:
            converted = [
                value if plain else _converted(kind, value)
                for kind, value, plain in zip(self._types, args, self._plain, strict=True)
            ]
            return self._format.pack(*grid, *converted)
        except (struct.error, TypeError, ValueError) as error:
            shown = ", ".join(f"{kind} {value!r}" for kind, value in zip(self._types, args, strict=True))
            raise RequestError(f"arguments of kernel {name} must fit their types, got {shown}: {error}") from None


def _converted(kind: str, value: int | float | bool) -> int | float:
    bits = _INTEGER_BITS.get(kind)
    if bits is not None:
        if isinstance(value, float):
            raise TypeError(f"{kind} takes integers")
        if bits == 1:
            return int(bool(value))
        half = 1 << (bits - 1)
        return ((int(value) + half) & ((1 << bits) - 1)) - half
    if kind == "bf16":
        return _bf16_bits(_in_range("f32", float(value)))
    return _in_range(kind, float(value))


def _in_range(kind: str, value: float) -> float:
    """Return `value`, or the infinity of its sign when type `kind` has no number as large."""
    limit = 65520.0 if kind == "f16" else 3.4028235677973366e38
    return math.copysign(math.inf, value) if abs(value) >= limit else value


def _bf16_bits(value: float) -> int:
    """Return the bf16 nearest to `value`, ties to even, as bits."""
    bits = int.from_bytes(struct.pack("<f", value), "little")
    if math.isnan(value):
        return (bits >> 16) | 0x40
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
