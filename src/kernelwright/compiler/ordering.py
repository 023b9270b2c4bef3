"""What happens before what among the programs of a launch: clocks that travel through atomics.

The clock of a program says, for each other program, up to which event (its number in the trace) it knows that
program's accesses to be over. Only the running program's clock is kept whole; an atomic that releases leaves a copy
of it, without zeros, at its place.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelwright.compiler.codegen.tracing import ACQUIRE, RELEASE
from kernelwright.compiler.trace import Events, Flags, Numbers
from kernelwright.core.errors import OverLimitError

_MOST_KNOWN = 1 << 26
# A clock with fewer entries than one in this many programs is kept as a list: joining a list costs as much more.
_SPARSE = 16

# Event numbers fit 32 bits.
Clock = NDArray[np.int32]


@dataclass(frozen=True)
class Pairs:
    """Accesses of different programs that must be ordered, as event numbers, sorted by the later, then the earlier."""

    earlier: Numbers
    later: Numbers

    def __len__(self) -> int:
        return len(self.later)

    @staticmethod
    def none() -> "Pairs":
        """Return no pairs."""
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))

    @staticmethod
    def of(earlier: Numbers, later: Numbers, events: Events) -> "Pairs":
        """Return each pair once, those of one program left out."""
        foreign = events.programs[earlier] != events.programs[later]
        both = np.unique(later[foreign] * len(events) + earlier[foreign])
        return Pairs(both % len(events), both // len(events))


@dataclass(frozen=True)
class _Published:
    """The clock that an atomic released: of `programs`, or of all when None."""

    programs: Numbers | None
    times: Clock

    def join(self, clock: Clock) -> None:
        """Add what was released to a clock."""
        if self.programs is None:
            np.maximum(clock, self.times, out=clock)
        else:
            clock[self.programs] = np.maximum(clock[self.programs], self.times)

    @staticmethod
    def of(clock: Clock) -> "_Published":
        """Return a copy of a clock."""
        known = clock >= 0
        if np.count_nonzero(known) * _SPARSE > len(clock):
            return _Published(None, clock.copy())
        programs = np.flatnonzero(known)
        return _Published(programs, clock[programs])


class _Clocks:
    """The running program's clock, and what was released at each cell."""

    def __init__(self, programs: int) -> None:
        self.now: Clock = np.full(programs, -1, np.int32)
        self._program = -1
        self._released: dict[int, _Published] = {}
        self._size = 0

    def turn_to(self, program: int) -> None:
        """Start from nothing unless `program` is the one that runs."""
        if program != self._program:
            self.now.fill(-1)
            self._program = program

    def synchronise(self, cell: int, time: int, kind: int) -> None:
        """Take over what was released at `cell`, leave what is known there, as `kind` says."""
        known = self.now if kind & ACQUIRE else self.now.copy()
        held = self._released.get(cell)
        if held is not None:
            held.join(known)
        if kind & RELEASE:
            known[self._program] = time
            self._released[cell] = new = _Published.of(known)
            self._size += len(new.times) - (len(held.times) if held is not None else 0)
        if self._size > _MOST_KNOWN:
            raise OverLimitError(
                f"atomics that order programs must hold at most {_MOST_KNOWN} clocks for races to be found, they hold "
                f"{self._size}. Use fewer locks or counters, or relaxed atomics where nothing is to be ordered.",
                {"count": self._size, "limit": _MOST_KNOWN},
            )


def first_unordered(
    pairs: Pairs, events: Events, first_cells: Numbers, counts: Numbers, is_shared: Flags
) -> tuple[int, int] | None:
    """Return (earlier, later) of the first pair that no atomics order, None when all are ordered.

    Event i touches `counts[i]` cells from `first_cells[i]`; atomics on cells that are not shared order nothing.
    """
    times, cells = _synchronising(events, first_cells, counts, is_shared)
    # The last synchronisation before each later access, if it is one of the same program.
    last = np.searchsorted(times, pairs.later, "left") - 1
    found = (last >= 0) & (len(times) > 0)
    if len(times):
        found &= events.programs[times[last]] == events.programs[pairs.later]
    wrong = [int(np.argmin(found))] if not found.all() else []
    clocks = _Clocks(int(events.programs.max()) + 1)
    end = wrong[0] if wrong else len(pairs)
    waiting, begin = last[:end], 0
    for place, (time, cell) in enumerate(zip(times.tolist(), cells.tolist(), strict=True)):
        if begin >= end:
            break
        clocks.turn_to(int(events.programs[time]))
        clocks.synchronise(cell, time, int(events.kinds[time]))
        if waiting[begin] > place:
            continue
        stop = int(np.searchsorted(waiting, place, "right"))
        earlier = pairs.earlier[begin:stop]
        late = clocks.now[events.programs[earlier]] < earlier
        if late.any():
            return _pair(pairs, begin + int(np.argmax(late)))
        begin = stop
    return _pair(pairs, wrong[0]) if wrong else None


def _pair(pairs: Pairs, index: int) -> tuple[int, int]:
    return int(pairs.earlier[index]), int(pairs.later[index])


def _synchronising(events: Events, first_cells: Numbers, counts: Numbers, is_shared: Flags) -> tuple[Numbers, Numbers]:
    """Return (event, cell) of each cell that an ordering atomic touches and another program does too, in order."""
    chosen = np.flatnonzero((events.kinds & (ACQUIRE | RELEASE)) != 0)
    sizes = counts[chosen]
    ends = np.cumsum(sizes)
    offsets = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - sizes, sizes)
    cells = np.repeat(first_cells[chosen], sizes) + offsets
    times = np.repeat(chosen, sizes)
    kept = is_shared[cells]
    return times[kept], cells[kept]
