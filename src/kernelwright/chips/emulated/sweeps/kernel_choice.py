"""The best of a few kernels on each workload of a machine."""

from collections.abc import Sequence
from dataclasses import dataclass

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.sweeps.design_space import WorkloadTime
from kernelwright.chips.emulated.sweeps.traced_plan import Tier, TracedPlan, time_traced
from kernelwright.core.errors import CompileError


@dataclass(frozen=True)
class KernelChoice:
    """One workload and the kernels to choose from, as (label, traced plan); `reason` says why there is none."""

    workload: str
    regime: str
    plans: tuple[tuple[str, TracedPlan], ...]
    reason: str = ""


def best_times(machine: Machine, choices: Sequence[KernelChoice], tier: Tier) -> tuple[WorkloadTime, ...]:
    """Return the time of the fastest kernel of each workload, the first of equals; kernels that do not fit are left.

    The wave tier picks the kernel; in tier event that one alone is timed by events.
    """
    return tuple(_best(machine, choice, tier) for choice in choices)


def _best(machine: Machine, choice: KernelChoice, tier: Tier) -> WorkloadTime:
    times: list[tuple[int, int, str]] = []
    reason = choice.reason
    for place, (label, plan) in enumerate(choice.plans):
        try:
            times.append((time_traced(machine, plan, "wave").time_ns, place, label))
        except CompileError as error:
            reason = reason or f"{label}: {error}"
    if not times:
        return WorkloadTime(choice.workload, choice.regime, None, "", reason)
    time_ns, place, label = min(times)
    if tier == "event":
        time_ns = time_traced(machine, choice.plans[place][1], tier).time_ns
    return WorkloadTime(choice.workload, choice.regime, time_ns, label)
