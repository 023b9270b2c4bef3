"""Timing on a chip: candidate and baseline in turn, on inputs that are not in the cache."""

from dataclasses import dataclass

from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.protocols import ChipSession
from kernelwright.core.timing import Conditions, Timing
from kernelwright.judge.statistics import Paired, abba_schedule, paired_of_schedule

# Blocks of A B B A for each workload; fixed, the same for every candidate. More for the figures that a run ends with.
BLOCKS, FINAL_BLOCKS = 5, 8
# A call that lost more than this share of its time, and more than any thread may wait to wake, is polluted.
POLLUTED_SHARE, _WAKING_NS = 0.02, 50_000
_WARM_UP = (0, 1)
_OPTION_ROUNDS = 2


@dataclass(frozen=True)
class Block:
    """One block of A B B A: its times, whether the machine was busy with something else, and its conditions."""

    pair: Paired
    is_polluted: bool
    conditions: Conditions | None


def is_polluted(timing: Timing) -> bool:
    """Return whether any call lost a share of its time that counts; which kernel it was plays no part."""
    return any(
        lost is not None and lost > max(POLLUTED_SHARE * time, _WAKING_NS)
        for time, lost in zip(timing.times_ns, timing.lost_ns, strict=True)
    )


def time_block(
    session: ChipSession, baseline: LaunchPlan, candidate: LaunchPlan, inputs: str, limit_s: float
) -> Block | Fault:
    """Return one block of A B B A on the inputs called `inputs`.

    A call of each goes before and is not counted: it brings the code, but no input, back into the caches.
    """
    schedule = (*_WARM_UP, *abba_schedule(1))
    timing = session.time([baseline, candidate], [inputs, inputs], schedule, limit_s)
    if isinstance(timing, Fault):
        return timing
    skip = len(_WARM_UP)
    counted = Timing(timing.times_ns[skip:], timing.lost_ns[skip:])
    return Block(paired_of_schedule(counted.times_ns), is_polluted(counted), timing.conditions)


def fastest_options(session: ChipSession, plan: LaunchPlan, inputs: str, limit_s: float) -> LaunchPlan | Fault:
    """Return `plan` with its fastest option at every autotuned launch, launch by launch; a fixed number of calls."""
    if all(len(launch.options) == 1 for launch in plan.launches):
        return plan
    picks = [0] * len(plan.launches)
    for place, launch in enumerate(plan.launches):
        count = len(launch.options)
        if count == 1:
            continue
        ways = [plan.choose((*picks[:place], option, *picks[place + 1 :])) for option in range(count)]
        schedule = tuple(range(count)) * _OPTION_ROUNDS
        timing = session.time(ways, [inputs] * count, schedule, limit_s)
        if isinstance(timing, Fault):
            return timing
        times = timing.times_ns
        picks[place] = min(range(count), key=lambda option: min(times[option::count]))
    return plan.choose(tuple(picks))
