"""A launch plan worked out up to what machines of equal capability share: lowered once, traced once, timed on many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated import clockwork
from kernelwright.chips.emulated.engine.events import CacheState, PriorityRange, time_launch
from kernelwright.chips.emulated.engine.summary import TraceSummary, summarise_trace
from kernelwright.chips.emulated.engine.wave import wave_launch
from kernelwright.chips.emulated.insight.counters import TimedLaunch
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.plan_time import fill_ns
from kernelwright.chips.emulated.tile_program import TileProgram
from kernelwright.chips.emulated.trace import Trace
from kernelwright.core.errors import OverLimitError, UnsupportedOpError
from kernelwright.core.plan import Buffer, LaunchPlan

Tier = Literal["wave", "event"]


@dataclass(frozen=True)
class TracedLaunch:
    """One launch: its kernel lowered, and what each of its blocks does."""

    kernel: str
    grid: tuple[int, int, int]
    program: TileProgram
    trace: Trace

    @cached_property
    def summary(self) -> TraceSummary:
        """Return what the wave tier needs of the trace, worked out once."""
        return summarise_trace(self.program, self.trace)


@dataclass(frozen=True)
class TracedPlan:
    """All launches of a plan, in order, options of an autotuned launch beside each other; and buffers to be filled."""

    launches: tuple[tuple[TracedLaunch, ...], ...]
    buffers: tuple[Buffer, ...]


@dataclass(frozen=True)
class TimedPlan:
    """One call of a plan: emulated ns of filling buffers, and each launch with the option that was best."""

    fills_ns: int
    launches: tuple[TimedLaunch, ...]

    @property
    def time_ns(self) -> int:
        """Return the whole, launch floors included."""
        return self.fills_ns + sum(launch.time.time_ns for launch in self.launches)


def trace_plan(plan: LaunchPlan, contents: Mapping[int, NDArray[np.generic]], capability: int) -> TracedPlan:
    """Return the plan lowered and traced; `contents` are the integers of its buffers, by number.

    Raises CompileError for a kernel that chips of `capability` do not take, or whose time floats decide.
    """
    memory = clockwork.memory_of(plan.buffers, contents)
    launches = []
    for launch in plan.launches:
        options = []
        for option in launch.options:
            kernel = clockwork.compiled(plan.kernels[option.kernel], capability)
            trace = clockwork.traced(kernel, option, memory)
            options.append(TracedLaunch(plan.kernels[option.kernel].name, option.grid, kernel.program, trace))
        launches.append(tuple(options))
    return TracedPlan(tuple(launches), plan.buffers)


def time_traced(
    machine: Machine,
    plan: TracedPlan,
    tier: Tier = "event",
    timeline: bool = False,
    priorities: Sequence[PriorityRange] = (),
) -> TimedPlan:
    """Return the times of one call, caches cold at its start; of several options the fastest in the wave tier.

    Raises OverLimitError where no option of a launch fits on the machine, UnsupportedOpError for an op without a rate.
    """
    fills_ns = sum(fill_ns(machine, buffer) for buffer in plan.buffers)
    state = CacheState.cold(machine)
    launches = []
    for options in plan.launches:
        chosen = options[0] if len(options) == 1 else fastest_option(machine, options)
        if tier == "wave":
            time = wave_launch(machine, chosen.program, chosen.summary)
        else:
            time = time_launch(machine, chosen.program, chosen.trace, state, priorities, timeline)
        launches.append(TimedLaunch(chosen.kernel, chosen.grid, chosen.program, time))
    return TimedPlan(fills_ns, tuple(launches))


def fastest_option(machine: Machine, options: Sequence[TracedLaunch]) -> TracedLaunch:
    """Return the option with the smallest wave time, the first of equals; options that do not fit are passed over."""
    times: list[tuple[int, int]] = []
    refused: Exception | None = None
    for place, option in enumerate(options):
        try:
            times.append((wave_launch(machine, option.program, option.summary).time_ns, place))
        except (OverLimitError, UnsupportedOpError) as error:
            refused = refused or error
    if not times:
        assert refused is not None
        raise refused
    return options[min(times)[1]]
