"""Misuse of memory by checked kernels: what a fault says, and the words for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernelwright.compiler.ir import Location
from kernelwright.core.errors import KernelwrightError

# An access this far from every buffer is not told as an offset, unless it is known which buffer was meant:
# it would depend on where buffers lie.
_NEAR_BYTES = 1 << 20

Program = tuple[int, int, int]


@dataclass(frozen=True)
class MemoryRange:
    """Memory that a checked kernel may read, and write if `writable`; `name` is what a fault calls it."""

    start: int
    size_bytes: int
    writable: bool
    name: str = ""


class MemoryFault(KernelwrightError):
    """A checked kernel touched memory outside of its ranges, or wrote to one that is read-only.

    `line` of the kernel's source (0 unknown), `program` as (x, y, z), `buffer` that was meant, or is nearest to the
    access ("" when none is near), `offset_bytes` of the access from that buffer's start, `is_write`.
    """

    exit_code = 1

    def __init__(self, text: str, line: int, program: Program, buffer: str, offset_bytes: int, is_write: bool) -> None:
        facts = {
            "line": line, "program": program, "buffer": buffer, "offset_bytes": offset_bytes, "is_write": is_write,
        }  # fmt: skip
        super().__init__(text, facts)
        self.line = line
        self.program = program
        self.buffer = buffer
        self.offset_bytes = offset_bytes
        self.is_write = is_write


class RaceFault(MemoryFault):
    """Two programs of one launch touched the same bytes, not both only reading, and nothing orders them.

    The fields of a MemoryFault tell the later of the two accesses in the order the programs ran; `other_line` and
    `other_program` tell the earlier one.
    """

    other_line = 0
    other_program: Program = (0, 0, 0)


class UnwrittenFault(MemoryFault):
    """A program read bytes that were said to hold nothing, before any program wrote them."""


class EndlessWaitFault(MemoryFault):
    """A program repeated one access without end: it waits for a program that has not run yet."""


@dataclass(frozen=True)
class Touch:
    """One access: number of its op and of its program (linear), address, size in bytes, and what it does."""

    number: int
    program: int
    address: int
    size_bytes: int
    is_write: bool
    is_atomic: bool = False


@dataclass(frozen=True)
class LaunchSite:
    """A launch as faults tell it; `locations` and `arguments` (indices into `args`) are by op number."""

    kernel: str
    grid: Program
    args: Sequence[int | float | bool]
    ranges: Sequence[MemoryRange]
    locations: Mapping[int, Location]
    arguments: Mapping[int, int]

    def bounds_fault(self, touch: Touch) -> MemoryFault:
        """Return the fault of an access outside of what it may touch."""
        verb = "writes" if touch.is_write else "reads"
        found = f"{self._program_text(touch)} {verb} {touch.size_bytes} bytes"
        meant = self._meant(touch)
        if meant is None:
            text = f"{self._place(touch)} must stay inside its buffers: {found} far from all of them. {_MASK_HINT}"
            return MemoryFault(text, self._line(touch), self._program(touch), "", 0, touch.is_write)
        offset = touch.address - meant.start
        found += f" at byte {offset} of {meant.name}"
        if offset >= 0 and offset + touch.size_bytes <= meant.size_bytes:
            text = f"must not write to {meant.name}: {found}, which may only be read. Write to an output or to scratch."
        else:
            text = f"must stay inside {meant.name}: {found}, {_allowed(meant)}. {_MASK_HINT}"
        fault = MemoryFault(f"{self._place(touch)} {text}", *self._facts(touch, meant))
        fault.facts |= {"size_bytes": touch.size_bytes, "buffer_bytes": meant.size_bytes}
        return fault

    def race_fault(self, first: Touch, second: Touch, shared_address: int, shared_bytes: int) -> RaceFault:
        """Return the fault of two accesses that nothing orders; they meet in the bytes from `shared_address`."""
        meant = self._holding(second, shared_address)
        offset = shared_address - meant.start
        text = (
            f"{self._place(second)} must not race: {self._program_text(second)} {_verb(second)} {shared_bytes} bytes "
            f"at byte {offset} of {meant.name}, which {self._program_text(first)} {_verb(first)} "
            f"at {self._line_text(first)}, and nothing orders the two. {_race_hint(first, second)}"
        )
        fault = RaceFault(text, self._line(second), self._program(second), meant.name, offset, second.is_write)
        fault.other_line, fault.other_program = self._line(first), self._program(first)
        fault.facts |= {"other_line": fault.other_line, "other_program": fault.other_program}
        return fault

    def unwritten_fault(self, touch: Touch) -> UnwrittenFault:
        """Return the fault of reading what nobody has written."""
        meant = self._holding(touch, touch.address)
        text = (
            f"{self._place(touch)} must read what was written: {self._program_text(touch)} reads {touch.size_bytes} "
            f"bytes at byte {touch.address - meant.start} of {meant.name}, which nothing has written. "
            "Write them first, mask the load, or ask for zeros."
        )
        return UnwrittenFault(text, *self._facts(touch, meant))

    def endless_fault(self, touch: Touch) -> EndlessWaitFault:
        """Return the fault of waiting for a program that comes later."""
        meant = self._holding(touch, touch.address)
        text = (
            f"{self._place(touch)} must not wait for a program that may not have begun: {self._program_text(touch)} "
            f"repeats its access to byte {touch.address - meant.start} of {meant.name} without end when programs run "
            "one after the other. Let the last program that arrives do the rest."
        )
        return EndlessWaitFault(text, *self._facts(touch, meant))

    # --- parts of sentences

    def _facts(self, touch: Touch, meant: MemoryRange) -> tuple[int, Program, str, int, bool]:
        return self._line(touch), self._program(touch), meant.name, touch.address - meant.start, touch.is_write

    def _line(self, touch: Touch) -> int:
        return self.locations.get(touch.number, Location()).line

    def _line_text(self, touch: Touch) -> str:
        line = self._line(touch)
        return f"line {line}" if line else "an unknown line"

    def _place(self, touch: Touch) -> str:
        line = self._line(touch)
        return f"line {line} of {self.kernel}" if line else f"an access of {self.kernel} without a source line"

    def _program(self, touch: Touch) -> Program:
        return program_of(touch.program, self.grid)

    def _program_text(self, touch: Touch) -> str:
        return f"program ({', '.join(str(part) for part in self._program(touch))})"

    def _meant(self, touch: Touch) -> MemoryRange | None:
        """Return the range that the access was meant for: that of its argument, else the nearest, None if far."""
        index = self.arguments.get(touch.number)
        if index is not None:
            base = int(self.args[index])
            found = [r for r in self.ranges if r.start <= base < r.start + r.size_bytes or r.start == base]
            if found:
                return max(found, key=lambda r: r.size_bytes)
        near = min(self.ranges, key=lambda r: _distance(r, touch), default=None)
        return None if near is None or _distance(near, touch) > _NEAR_BYTES else near

    def _holding(self, touch: Touch, address: int) -> MemoryRange:
        """Return the range that holds `address`, if there are several that which the access was meant for."""
        meant = self._meant(touch)
        if meant is not None and meant.start <= address < meant.start + meant.size_bytes:
            return meant
        return next(r for r in self.ranges if r.start <= address < r.start + r.size_bytes)


def program_of(linear: int, grid: Program) -> Program:
    """Return the x, y, z of the program with that number."""
    return linear % grid[0], linear // grid[0] % grid[1], linear // (grid[0] * grid[1])


_MASK_HINT = "Mask the access or check its index."


def _allowed(place: MemoryRange) -> str:
    size = place.size_bytes
    return f"which has {size} (allowed: 0 to {size - 1})" if size else "which has none"


def _verb(touch: Touch) -> str:
    return "updates atomically" if touch.is_atomic else "writes" if touch.is_write else "reads"


def _race_hint(first: Touch, second: Touch) -> str:
    if first.is_atomic or second.is_atomic:
        return "Make both atomic."
    if first.is_write and second.is_write:
        return "Give each program bytes of its own, or use atomics."
    return "Order them by atomics that release and acquire, or use two launches."


def _distance(place: MemoryRange, touch: Touch) -> int:
    """Return how many bytes lie between an access and a range; 0 when they touch."""
    end = touch.address + touch.size_bytes
    return max(0, place.start - end, touch.address - (place.start + place.size_bytes))
