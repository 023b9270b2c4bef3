"""Sequences of launches over shared buffers, with cache priorities that each phase may set anew.

A phase is what a server does for a while: prefill-like launches, then decode-like ones. It marks buffers keep, stream
or normal. Marks hold until the next phase begins: what was kept becomes normal then, until touched under new marks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kernelwright.chips.emulated.engine.caches import release_kept
from kernelwright.chips.emulated.engine.events import CacheState, PriorityRange, time_launch
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.result import LaunchTime
from kernelwright.chips.emulated.tile_program import TileProgram
from kernelwright.chips.emulated.trace import Trace
from kernelwright.core.errors import UnknownNameError

Priority = Literal["keep", "normal", "stream"]
PRIORITY_NAMES: tuple[Priority, ...] = ("keep", "normal", "stream")


@dataclass(frozen=True)
class Region:
    """A buffer that launches share, in the virtual addresses of their traces."""

    name: str
    begin: int
    size_bytes: int

    @property
    def end(self) -> int:
        """Return the first address behind it."""
        return self.begin + self.size_bytes


@dataclass(frozen=True)
class Step:
    """One launch of a phase."""

    name: str
    program: TileProgram
    trace: Trace


@dataclass(frozen=True)
class Phase:
    """Launches in order, `repeats` times over; `marks` by name of region, normal where none is given."""

    name: str
    steps: tuple[Step, ...]
    repeats: int = 1
    marks: Mapping[str, Priority] = field(default_factory=dict)

    def marked(self, marks: Mapping[str, Priority]) -> "Phase":
        """Return the phase with other marks."""
        return Phase(self.name, self.steps, self.repeats, dict(marks))


@dataclass(frozen=True)
class PhaseTime:
    """One phase: emulated ns of all its launches, and each launch in order."""

    name: str
    launches: tuple[LaunchTime, ...]

    @property
    def time_ns(self) -> int:
        """Return the sum, launch floors included."""
        return sum(launch.time_ns for launch in self.launches)

    def moved_bytes(self, level: str) -> float:
        """Return the bytes of all launches at a level, such as memory."""
        return sum(launch.bytes.get(level, 0.0) for launch in self.launches)


def time_phases(machine: Machine, phases: Sequence[Phase], regions: Sequence[Region]) -> tuple[PhaseTime, ...]:
    """Return the time of each phase; caches are cold before the first and stay as they are between phases.

    Raises UnknownNameError where a phase marks a region that does not exist, or as something else than a priority.
    """
    state = CacheState.cold(machine)
    found = []
    for phase in phases:
        ranges = mark_ranges(phase.marks, regions)
        release_kept(state.caches)
        launches = [
            time_launch(machine, step.program, step.trace, state, ranges)
            for _ in range(phase.repeats)
            for step in phase.steps
        ]
        found.append(PhaseTime(phase.name, tuple(launches)))
    return tuple(found)


def mark_ranges(marks: Mapping[str, Priority], regions: Sequence[Region]) -> tuple[PriorityRange, ...]:
    """Return the marks as ranges of addresses."""
    known = {region.name for region in regions}
    for name, priority in marks.items():
        if name not in known:
            raise UnknownNameError("region", name, known)
        if priority not in PRIORITY_NAMES:
            raise UnknownNameError("priority", priority, PRIORITY_NAMES)
    return tuple(
        PriorityRange(region.begin, region.end, marks[region.name]) for region in regions if region.name in marks
    )
