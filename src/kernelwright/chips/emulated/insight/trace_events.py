"""The stays of ops on resources as trace events, for Perfetto and chrome://tracing.

Format: "Trace Event Format", JSON object form: complete events ("ph": "X") with `ts` and `dur` in microseconds,
metadata events ("ph": "M") that name processes and threads. Events of one thread must nest or lie apart, here all lie
apart.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kernelwright.chips.emulated.insight.counters import TimedLaunch
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.result import Slice

# Units whose own tracks are drawn; the others would only repeat them and make the file large.
DRAWN_UNITS = 4
# Emulated time between two launches, so that they are told apart.
_GAP_NS = 1000


@dataclass(frozen=True, order=True)
class Track:
    """A thread of the trace: process 1 is the whole chip, 2 + u unit u; `lane` counts stays that overlap."""

    process: int
    name: str
    lane: int

    @property
    def label(self) -> str:
        """Return what the viewer shows."""
        return f"{self.name} {self.lane + 1}" if self.lane else self.name


@dataclass(frozen=True)
class Stay:
    """A slice on its track, in whole nanoseconds since the first launch."""

    track: Track
    name: str
    begin_ns: int
    end_ns: int
    arguments: dict[str, object]


def trace_object(
    machine: Machine, launches: Sequence[TimedLaunch], title: str, units: int = DRAWN_UNITS
) -> dict[str, object]:
    """Return the JSON object that Perfetto opens; launches follow each other, each begins with its launch floor.

    Times are emulated. Stays on units from `units` on are left out; `otherData` says how many. Whole nanoseconds:
    viewers keep no less, and stays that lie apart must not overlap after rounding.
    """
    stays: list[Stay] = []
    begin_ns = left_out = 0
    for number, launch in enumerate(launches):
        end_ns = begin_ns + launch.time.time_ns
        arguments: dict[str, object] = {"grid": list(launch.grid), "bound by": launch.time.bound}
        stays.append(Stay(Track(1, "launches", 0), f"{launch.kernel} (emulated)", begin_ns, end_ns, arguments))
        drawn = [one for one in launch.time.slices if one.unit < units]
        left_out += len(launch.time.slices) - len(drawn)
        stays += _stays(drawn, launch, number, begin_ns)
        begin_ns = end_ns + _GAP_NS
    stays.sort(key=lambda stay: (stay.begin_ns, stay.track, stay.end_ns))
    threads = {track: number for number, track in enumerate(sorted({stay.track for stay in stays}), start=1)}
    return {
        "displayTimeUnit": "ns",
        "otherData": {
            "emulated": "every time in this file is emulated, none was measured",
            "chip": machine.name,
            "chip title": machine.title,
            "what": title,
            "left out": f"{left_out} stays on units from number {units} on",
        },
        "traceEvents": [*_names(machine, threads), *(_event(stay, threads[stay.track]) for stay in stays)],
    }


def _stays(slices: Sequence[Slice], launch: TimedLaunch, number: int, begin_ns: int) -> Iterator[Stay]:
    """Yield slices on lanes: one that begins before its predecessor ends gets the first free lane beside it."""
    ns_per_cycle = 1e9 / launch.time.clock_hz
    body_ns = begin_ns + max(0, launch.time.time_ns - round(launch.time.cycles * ns_per_cycle))
    free: dict[tuple[int, str], list[int]] = {}
    open_lanes: dict[tuple[int, str], list[tuple[int, int]]] = {}
    placed = sorted((_process(one), _track(one), one.begin, one.end, one.block, one.name) for one in slices)
    for process, track, begin, end, block, name in placed:
        first, last = body_ns + round(begin * ns_per_cycle), body_ns + round(end * ns_per_cycle)
        idle, working = free.setdefault((process, track), []), open_lanes.setdefault((process, track), [])
        while working and working[0][0] <= first:
            heapq.heappush(idle, heapq.heappop(working)[1])
        lane = heapq.heappop(idle) if idle else len(working)
        heapq.heappush(working, (last, lane))
        yield Stay(Track(process, track, lane), name, first, last, {"block": block, "launch": number})


def _track(stay: Slice) -> str:
    """Return the resource; the engine's tracks say the unit first, which the process says here."""
    return stay.track.removeprefix(f"unit {stay.unit} ")


def _process(stay: Slice) -> int:
    return 1 if stay.unit < 0 else 2 + stay.unit


def _event(stay: Stay, thread: int) -> dict[str, object]:
    return {
        "name": stay.name,
        "cat": "emulated",
        "ph": "X",
        "ts": stay.begin_ns / 1000,
        "dur": (stay.end_ns - stay.begin_ns) / 1000,
        "pid": stay.track.process,
        "tid": thread,
        "args": stay.arguments,
    }


def _names(machine: Machine, threads: dict[Track, int]) -> Iterator[dict[str, object]]:
    """Yield the metadata that names processes and threads, and keeps them in order."""
    for process in sorted({track.process for track in threads}):
        name = f"{machine.name} (emulated)" if process == 1 else f"unit {process - 2} (emulated)"
        yield {"name": "process_name", "ph": "M", "pid": process, "tid": 0, "args": {"name": name}}
        yield {"name": "process_sort_index", "ph": "M", "pid": process, "tid": 0, "args": {"sort_index": process}}
    for track, thread in threads.items():
        yield {"name": "thread_name", "ph": "M", "pid": track.process, "tid": thread, "args": {"name": track.label}}
        yield {
            "name": "thread_sort_index", "ph": "M", "pid": track.process, "tid": thread, "args": {"sort_index": thread},
        }  # fmt: skip
