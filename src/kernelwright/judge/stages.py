"""The stages of a judgement, each on all workloads, each ending at the first failure."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TypeVar

from kernelwright.chips.stores import store_lines
from kernelwright.core.candidate import Candidate
from kernelwright.core.fault import Fault
from kernelwright.core.ir_text import architecture_fingerprint
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Argument, Workload
from kernelwright.core.protocols import Capture, ChipSession
from kernelwright.judge.cases import Case
from kernelwright.judge.plan_check import check_plan
from kernelwright.judge.timing import fastest_options
from kernelwright.problems.contract import ErrorReport, LoadedProblem

T = TypeVar("T")

# Even seeds poison with NaN, odd ones with garbage.
NAN_POISON, GARBAGE_POISON = 0, 1


@dataclass(frozen=True)
class Limits:
    """Seconds that one launch, one compilation and one whole judgement may take."""

    launch_s: float = 20.0
    compile_s: float = 30.0
    judgement_s: float = 300.0


@dataclass(frozen=True)
class Station:
    """A session of a chip and the limits that hold on it."""

    session: ChipSession
    limits: Limits


class FirstFailure(Exception):
    """Ends a judgement: the fault and the workload it came up on, None when it concerns the source."""

    def __init__(self, fault: Fault, workload: Workload | None = None) -> None:
        super().__init__(fault.reason)
        self.fault = fault
        self.workload = workload


def require(found: T | Fault, workload: Workload | None = None) -> T:
    """Return `found`; raises FirstFailure when it is a fault."""
    if isinstance(found, Fault):
        raise FirstFailure(found, workload)
    return found


@dataclass
class Stopwatch:
    """Wall time by phase, and the limit on their sum."""

    limits: Limits = field(default_factory=Limits)
    seconds: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=perf_counter)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block to phase `name`."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - start

    @property
    def total_s(self) -> float:
        """Return the wall time since the start."""
        return perf_counter() - self.begun

    def require_time(self, workload: Workload) -> None:
        """Raise FirstFailure when the judgement has taken too long as a whole."""
        limit_s = self.limits.judgement_s
        if perf_counter() - self.begun > limit_s:
            reason = f"the whole judgement must end within {limit_s:g} s, launches are too slow for that"
            raise FirstFailure(Fault("timeout", reason, {"limit_s": limit_s}), workload)


def captured_plans(
    capture: Capture,
    candidate: Candidate,
    entry: str,
    workloads: Sequence[Workload],
    calls: Sequence[Sequence[Argument]],
) -> tuple[LaunchPlan, ...]:
    """Return one checked plan per workload."""
    found = capture(candidate, entry, calls)
    if isinstance(found, Fault):
        call = found.facts.get("call")
        raise FirstFailure(found, workloads[call] if isinstance(call, int) and call >= 0 else None)
    for workload, plan, arguments in zip(workloads, found, calls, strict=True):
        fault = check_plan(plan, arguments)
        if fault is not None:
            raise FirstFailure(fault, workload)
    return found


def compile_plans(station: Station, plans: Sequence[LaunchPlan], workloads: Sequence[Workload]) -> str:
    """Return the hash of the machine code of all plans."""
    hashes = [
        require(station.session.load(plan, False, station.limits.compile_s), workload).machine_sha256
        for plan, workload in zip(plans, workloads, strict=True)
    ]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def choose_options(station: Station, plans: Sequence[LaunchPlan], cases: Sequence[Case]) -> tuple[LaunchPlan, ...]:
    """Return the plans with one option left at each launch, the fastest of those that autotuning named."""
    return tuple(
        require(fastest_options(station.session, plan, case.key, station.limits.launch_s), case.workload)
        for plan, case in zip(plans, cases, strict=True)
    )


def load_checked(station: Station, plan: LaunchPlan, workload: Workload) -> None:
    """Compile the plan with every access checked."""
    require(station.session.load(plan, True, station.limits.compile_s), workload)


def run_checked(station: Station, plan: LaunchPlan, case: Case) -> None:
    """Run the plan with every access checked."""
    load_checked(station, plan, case.workload)
    require(station.session.run(plan, case.key, True, NAN_POISON, station.limits.launch_s), case.workload)


def check_answers(
    station: Station, plan: LaunchPlan, case: Case, problem: LoadedProblem, baseline: ErrorReport | None
) -> ErrorReport:
    """Return the largest error of runs with NaN, with garbage and with what an earlier call left in scratch."""
    reports = []
    has_scratch = any(buffer.role == "scratch" for buffer in plan.buffers)
    ways = ((NAN_POISON, False), (GARBAGE_POISON, False), *(((GARBAGE_POISON, True),) if has_scratch else ()))
    for poison, stale in ways:
        found = station.session.run(plan, case.key, False, poison, station.limits.launch_s, stale)
        execution = require(found, case.workload)
        missing = [name for name in case.inputs.answers if name not in execution.outputs]
        if missing and case.inputs.tensor(missing[0]).numel():
            reason = f"output '{missing[0]}' must be written, no launch has it as an argument"
            raise FirstFailure(Fault("incorrect", reason), case.workload)
        outputs = {name: execution.outputs.get(name, b"") for name in case.inputs.answers}
        report = problem.check(outputs, case.inputs, case.expected, baseline)
        if not report.passed:
            raise FirstFailure(_wrong_answer(report, plan), case.workload)
        reports.append(report)
    return max(reports, key=lambda report: report.rel_l2)


def check_options(
    station: Station, plans: Sequence[LaunchPlan], cases: Sequence[Case], problem: LoadedProblem
) -> set[str]:
    """Return the hashes of the kernels executed; raise FirstFailure unless each configuration is right.

    Each configuration of each autotuned kernel runs on the first workload that has it.

    Which of them is fastest is decided anew in every judgement: a wrong one that lost today may win tomorrow.
    """
    seen: set[tuple[str, str]] = set()
    executed: set[str] = set()
    for plan, case in zip(plans, cases, strict=True):
        for place, launch in enumerate(plan.launches):
            for number, option in enumerate(launch.options if len(launch.options) > 1 else ()):
                key = (plan.kernels[option.kernel].name, option.label)
                if key in seen:
                    continue
                seen.add(key)
                executed.add(plan.kernels[option.kernel].sha256)
                picks = tuple(number if other == place else 0 for other in range(len(plan.launches)))
                try:
                    check_answers(station, plan.choose(picks), case, problem, None)
                except FirstFailure as failure:
                    reason = f"every configuration must be right, ({option.label}) of {key[0]}: {failure.fault.reason}"
                    raise FirstFailure(replace(failure.fault, reason=reason), case.workload) from None
    return executed


def _wrong_answer(report: ErrorReport, plan: LaunchPlan) -> Fault:
    facts: dict[str, object] = {"rel_l2": report.rel_l2, "rel_l2_gate": report.rel_l2_gate}
    if report.wrong is not None:
        facts |= {"output": report.wrong.output, **dict(report.wrong.place)}
        facts |= {"expected": report.wrong.expected, "got": report.wrong.got}
        facts["store_lines"] = list(store_lines(plan, report.wrong.output))
    if report.by_spread:
        facts["rel_l2_by_spread"] = dict(report.by_spread)
    if len(report.by_output) > 1:
        facts["rel_l2_by_output"] = dict(report.by_output)
    return Fault("incorrect", report.reason, facts)


def check_witnesses(
    station: Station,
    plans: Sequence[LaunchPlan],
    cases: Sequence[Case],
    problem: LoadedProblem,
    baselines: Sequence[ErrorReport],
) -> None:
    """Raise FirstFailure unless timed calls, one drawn at random for each workload, gave right answers as well."""
    for plan, case, baseline in zip(plans, cases, baselines, strict=True):
        found = station.session.witness(plan, case.key)
        outputs = {name: found.get(name, b"") for name in case.inputs.answers}
        report = problem.check(outputs, case.inputs, case.expected, baseline)
        if not report.passed:
            reason = f"timed calls must give the answers of checked calls: {report.reason}"
            raise FirstFailure(replace(_wrong_answer(report, plan), reason=reason), case.workload)


def plans_sha256(plans: Sequence[LaunchPlan]) -> str:
    """Return one hash over the plans of all workloads."""
    return hashlib.sha256(" ".join(plan.sha256() for plan in plans).encode()).hexdigest()


def plans_architecture(plans: Sequence[LaunchPlan]) -> str:
    """Return one fingerprint over the kernels that each workload's plan launches, tile sizes left out."""
    prints = []
    for plan in plans:
        used = sorted({option.kernel for launch in plan.launches for option in launch.options})
        prints.append(architecture_fingerprint([plan.kernels[index].ttir for index in used]))
    return hashlib.sha256(" ".join(prints).encode()).hexdigest()
