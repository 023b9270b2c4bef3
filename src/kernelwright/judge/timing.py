"""Timing on a chip: candidate and baseline in turn, on inputs that are not in the cache."""

import statistics
from collections.abc import Sequence

from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.protocols import ChipSession
from kernelwright.judge.statistics import Paired, abba_schedule, paired_of_schedule

# Blocks of A B B A for each workload; fixed, the same for every candidate. More where two kernels that are
# nearly equal are told apart, and for the figures that a run ends with.
BLOCKS, DECIDING_BLOCKS = 5, 8
_WARM_UP = (0, 1)
_OPTION_ROUNDS = 2


def time_block(
    session: ChipSession, baseline: LaunchPlan, candidate: LaunchPlan, inputs: str, limit_s: float
) -> Paired | Fault:
    """Return the times of one block of A B B A on the inputs called `inputs`.

    A call of each goes before and is not counted: it brings the code, but no input, back into the caches.
    """
    schedule = (*_WARM_UP, *abba_schedule(1))
    times = session.time([baseline, candidate], [inputs, inputs], schedule, limit_s)
    return times if isinstance(times, Fault) else paired_of_schedule(times[len(_WARM_UP) :])


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
        times = session.time(ways, [inputs] * count, schedule, limit_s)
        if isinstance(times, Fault):
            return times
        picks[place] = min(range(count), key=lambda option: min(times[option::count]))
    return plan.choose(tuple(picks))


def median_ns(times_ns: Sequence[int]) -> float:
    """Return the median, in ns."""
    return float(statistics.median(times_ns))
