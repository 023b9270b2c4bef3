"""A stand-in for the emulator where tests are about the judge: times follow from grids, warps and stages."""

import math

import pytest

from kernelwright.chips.emulated import clockwork, plan_time
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.result import LaunchTime, Occupancy
from kernelwright.core.plan import KernelIR, LaunchOption


def install(patch: pytest.MonkeyPatch) -> None:
    """Put the stand-in in the emulator's place."""
    # Real times must not be taken for modelled ones, nor the other way round.
    patch.setattr(plan_time, "_KNOWN", plan_time._Known())
    patch.setattr(clockwork, "compiled", _compiled)
    patch.setattr(clockwork, "estimated", _estimated)
    patch.setattr(clockwork, "cold_state", lambda machine: None)
    patch.setattr(clockwork, "memory_of", lambda buffers, contents: None)
    patch.setattr(clockwork, "traced", _traced)
    patch.setattr(clockwork, "timed", _timed)


def _compiled(kernel: KernelIR, capability: int) -> KernelIR:
    return kernel


def _traced(kernel: KernelIR, option: LaunchOption, memory: object) -> int:
    return math.prod(option.grid)


def _timed(machine: Machine, kernel: KernelIR, trace: int, state: object, timeline: bool = False) -> LaunchTime:
    time_ns = machine.launch_floor_ns + 50_000_000 + trace * 1000 // kernel.num_warps
    return LaunchTime(time_ns, 0.0, Occupancy(1, "grid", 1.0), {}, {}, {}, {}, "memory", machine.clock_hz)


def _estimated(machine: Machine, kernel: KernelIR, trace: int) -> LaunchTime:
    return _timed(machine, kernel, trace, None)
