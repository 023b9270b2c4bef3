"""A compiled kernel: packs arguments, runs a grid, tells where memory was misused.

The argument block that generated code reads is a row of 8-byte slots: the grid's x, y, z as i64; one slot for each
parameter of the IR function (address, integer sign-extended to i64, f64, or the bits of f32, f16, bf16 in the low
bytes); and in checked mode the address of the range table, the number of its rows, the address of the fault record,
the address of the trace (0 for none, layout in `codegen.tracing`). A row of the range table is i64 start, i64 end, i64
flags (bit 0: writable). The fault record is i64 kind (0 none, 1 read, 2 write, 3 assertion), i64 address, i64 op
number, i64 program, i64 size in bytes.
"""

import ctypes
import math
import struct
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from kernelwright.compiler.faults import LaunchSite, MemoryFault, MemoryRange, Touch, program_of
from kernelwright.compiler.ir import Location
from kernelwright.compiler.native import LinkedFunction
from kernelwright.compiler.threads import run_grid
from kernelwright.core.errors import HarnessError, KernelwrightError, RequestError

if TYPE_CHECKING:
    from kernelwright.compiler.races import Shadow

__all__ = ["DeviceAssertError", "MemoryFault", "MemoryRange", "NativeKernel"]

_INTEGER_BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64}
_SLOT_FORMATS = {"ptr": "Q", "f64": "d", "f32": "f4x", "f16": "e6x", "bf16": "H6x"}
_READ, _WRITE, _ASSERTION = 1, 2, 3
# What the body returns when the trace told it to stop.
_STOPPED = 2


class DeviceAssertError(KernelwrightError, RuntimeError):
    """A `tl.device_assert` did not hold; the text names kernel, line, program and message."""

    exit_code = 1


@dataclass(frozen=True, eq=False)
class NativeKernel:
    """Machine code of one kernel.

    `arg_types` are the IR function's parameters ("ptr", "i32", "f32", ...), `scratch_bytes` what a thread needs,
    `body` the function `i32 (ptr argument block, i64 first, i64 last, ptr scratch)`, `locations` the source
    place of each numbered op that can fault, `checked` whether accesses are, `assertions` the messages of asserts,
    `arguments` the parameter that each op's pointer comes from, if that is known, `races` whether a launch can be
    traced.
    """

    name: str
    arg_types: tuple[str, ...]
    scratch_bytes: int
    machine_sha256: str
    body: LinkedFunction
    locations: Mapping[int, Location] = field(default_factory=dict)
    checked: bool = False
    assertions: Mapping[int, str] = field(default_factory=dict)
    arguments: Mapping[int, int] = field(default_factory=dict)
    races: bool = False

    @cached_property
    def _packer(self) -> "_Packer":
        return _Packer(self.arg_types)

    def launch(
        self,
        grid: tuple[int, int, int],
        args: Sequence[int | float | bool],
        threads: int = 2,
        ranges: Sequence[MemoryRange] = (),
        shadow: "Shadow | None" = None,
    ) -> None:
        """Run every program of `grid` on `threads` threads and wait; the interpreter lock is released meanwhile.

        `args` holds an address for a pointer, a number else, one for each of `arg_types`. `ranges` lists what a
        checked kernel may touch. With `shadow`, which takes a kernel compiled with `races`, programs run one after
        the other and the launch is searched for races. Raises MemoryFault for a misuse of memory (RaceFault,
        UnwrittenFault and EndlessWaitFault only with `shadow`), RequestError for a wrong launch.
        """
        if shadow is not None and not self.races:
            raise RequestError(f"kernel {self.name} must be compiled with races=True to be launched with a shadow")
        packed = self._packed(grid, args)
        programs = grid[0] * grid[1] * grid[2]
        if not self.checked and not self.assertions:
            block = ctypes.create_string_buffer(packed, len(packed))
            result = run_grid(self.body.address, ctypes.addressof(block), programs, threads, self.scratch_bytes)
            if result != 0:
                raise HarnessError(f"unchecked kernel {self.name} must end with result 0, it ended with {result}")
            return
        site = LaunchSite(self.name, grid, args, ranges, self.locations, self.arguments)
        if shadow is None:
            self._run_reporting(packed, site, threads, 0)
            return
        with closing(shadow.trace(programs)) as trace:
            self._run_reporting(packed, site, 1, trace.address)
            shadow.check(trace, site)

    def _run_reporting(self, packed: bytes, site: LaunchSite, threads: int, trace: int) -> None:
        ranges = site.ranges
        rows = [word for r in ranges for word in (r.start, r.start + r.size_bytes, int(r.writable))]
        table = (ctypes.c_int64 * max(1, len(rows)))(*rows)
        fault = (ctypes.c_int64 * 5)()
        if self.checked:
            packed += struct.pack("<Qq", ctypes.addressof(table), len(ranges))
        packed += struct.pack("<QQ", ctypes.addressof(fault), trace)
        block = ctypes.create_string_buffer(packed, len(packed))
        programs = site.grid[0] * site.grid[1] * site.grid[2]
        result = run_grid(self.body.address, ctypes.addressof(block), programs, threads, self.scratch_bytes)
        kind, address, number, program, size = fault
        if kind in (_READ, _WRITE):
            raise site.bounds_fault(Touch(number, program, address, size, kind == _WRITE))
        if kind == _ASSERTION:
            raise self._failed(number, program, site.grid)
        if result not in ((0, _STOPPED) if trace else (0,)):
            raise HarnessError(f"kernel {self.name} must end with result 0 or a fault, it ended with {result}")

    def _packed(self, grid: tuple[int, int, int], args: Sequence[int | float | bool]) -> bytes:
        if len(grid) != 3 or min(grid) < 0:
            raise RequestError(f"a grid must be three numbers that are not negative, got {tuple(grid)}")
        if len(args) != len(self.arg_types):
            raise RequestError(f"kernel {self.name} must get {len(self.arg_types)} arguments, got {len(args)}")
        return self._packer.pack(self.name, grid, args)

    def _failed(self, number: int, linear: int, grid: tuple[int, int, int]) -> DeviceAssertError:
        line, message = self.locations.get(number, Location()).line, self.assertions.get(number, "")
        program = program_of(linear, grid)
        return DeviceAssertError(
            f"line {line} of {self.name} asserts '{message}', which does not hold in program {program}",
            {"line": line, "program": program, "message": message},
        )


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
