"""What an emulated chip times: workloads as served, from integers alone, each with inputs that never change."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Suite, Workload
from kernelwright.core.protocols import ChipSession
from kernelwright.judge.seeds import derive_seed
from kernelwright.problems.contract import Inputs, LoadedProblem

# Emulation bounds its own work; this is only what the protocol asks for.
_LIMIT_S = 60.0
# Public timing inputs follow from the suite, which is fixed: everybody times the same integers.
_PUBLIC = 0


@dataclass(frozen=True)
class TimedCase:
    """One workload with the integers that its time depends on; `key` is their name on the chip."""

    workload: Workload
    key: str
    inputs: Inputs


@dataclass(frozen=True)
class TimedSuite:
    """The timed workloads, public ones first; `left_out` says, one line each, which the chip cannot run, and why."""

    name: str
    cases: tuple[TimedCase, ...]
    left_out: tuple[str, ...] = ()

    def without(self, reasons: "dict[int, str]") -> "TimedSuite":
        """Return the suite without the cases whose numbers `reasons` has."""
        kept = tuple(case for number, case in enumerate(self.cases) if number not in reasons)
        lines = tuple(_left_out(self.cases[number].workload, reason) for number, reason in sorted(reasons.items()))
        return TimedSuite(self.name, kept, self.left_out + lines)


def timed_suite(problem: LoadedProblem, suite: Suite, secret: int) -> TimedSuite:
    """Return the timed suite: integers of public workloads follow from the suite, of hidden ones from `secret`."""
    cases = []
    for workload in sorted(suite.workloads, key=lambda workload: workload.hidden):
        seed = derive_seed(secret if workload.hidden else _PUBLIC, "timing inputs", workload.name)
        kind = "hidden" if workload.hidden else "public"
        cases.append(TimedCase(workload, f"timed/{workload.name}/{kind}", problem.timing_inputs(workload, seed)))
    return TimedSuite(suite.name, tuple(cases))


def put_timed(session: ChipSession, suite: TimedSuite) -> None:
    """Give the integers of all cases to the chip."""
    for case in suite.cases:
        session.put(case.key, case.inputs.arrays())


def emulated_times(
    session: ChipSession, plans: Sequence[LaunchPlan], keys: Sequence[str], threads: int
) -> list[int | Fault]:
    """Return the emulated time in ns of each plan on the inputs called `keys`, or why there is none."""
    with ThreadPoolExecutor(threads, thread_name_prefix="emulation") as pool:
        return list(pool.map(lambda plan, key: _time(session, plan, key), plans, keys))


def fastest_emulated(
    session: ChipSession, plans: Sequence[LaunchPlan], keys: Sequence[str], threads: int
) -> list[LaunchPlan | Fault]:
    """Return each plan with its fastest option at every launch, launch by launch; options that fail are passed over.

    Where every option of a launch fails the first one's fault stands for the plan.
    """
    return [_fastest(session, plan, key, threads) for plan, key in zip(plans, keys, strict=True)]


def _fastest(session: ChipSession, plan: LaunchPlan, key: str, threads: int) -> LaunchPlan | Fault:
    picks = [0] * len(plan.launches)
    for place, launch in enumerate(plan.launches):
        count = len(launch.options)
        if count == 1:
            continue
        # The other launches with choices left keep their first option, which need not fit: this launch goes alone.
        ways = [_alone(plan.choose((*picks[:place], option, *picks[place + 1 :])), place) for option in range(count)]
        found = emulated_times(session, ways, [key] * count, threads)
        times = {number: time for number, time in enumerate(found) if isinstance(time, int)}
        if not times:
            return next(fault for fault in found if isinstance(fault, Fault))
        picks[place] = min(times, key=lambda number: (times[number], number))
    return plan.choose(tuple(picks))


def _alone(plan: LaunchPlan, place: int) -> LaunchPlan:
    return LaunchPlan(plan.kernels, plan.buffers, plan.launches[place : place + 1])


def _time(session: ChipSession, plan: LaunchPlan, key: str) -> int | Fault:
    timing = session.time([plan], [key], [0], _LIMIT_S)
    return timing if isinstance(timing, Fault) else timing.times_ns[0]


def _left_out(workload: Workload, reason: str) -> str:
    name = f"a hidden workload of regime '{workload.regime}'" if workload.hidden else f"workload '{workload.name}'"
    return f"not timed: {name}, the reference does not run on this chip: {reason}"


def kernels_of(plans: Collection[LaunchPlan]) -> dict[str, str]:
    """Return the names of all kernels that `plans` launch, by the hash of their IR."""
    used = {}
    for plan in plans:
        for launch in plan.launches:
            for option in launch.options:
                kernel = plan.kernels[option.kernel]
                used[kernel.sha256] = kernel.name
    return used
