"""The stages after capture on an emulated chip: compile, emulate, execute what is not yet known as right, figures."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Argument, Workload
from kernelwright.core.verdict import Verdict
from kernelwright.judge import stages
from kernelwright.judge.cases import Case, CaseMaker
from kernelwright.judge.course import Course, Plans, fresh_cases, put_cases, with_figures
from kernelwright.judge.exact import exact_figures
from kernelwright.judge.figures import beyond_physics, physics_fault
from kernelwright.judge.full_size import FullSize
from kernelwright.judge.seeds import derive_seed
from kernelwright.judge.timed_suite import TimedSuite, fastest_emulated, kernels_of
from kernelwright.problems.contract import ErrorReport

T = TypeVar("T")


@dataclass(frozen=True)
class BothPlans:
    """A candidate's plans on the executed and on the timed workloads."""

    executed: Plans
    timed: Plans

    def sha256(self) -> str:
        """Return the identity of all plans; warps and pipeline stages count, they change times."""
        text = " ".join(plan.schedule_sha256() for plan in (*self.executed, *self.timed))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Known:
    """What earlier judgements of one judge showed to be right.

    `answers` are the reports of executed plans, by workload and plan; `kernels` hashes of the IR of executed kernels;
    `confirmed` the (workload, plan) pairs of candidates that full-size workloads confirmed.
    """

    answers: dict[tuple[str, str], ErrorReport] = field(default_factory=dict)
    kernels: set[str] = field(default_factory=set)
    confirmed: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True)
class Emulation:
    """The emulator as the stages see it: the timed workloads, the reference's times, and how plans are timed."""

    suite: TimedSuite
    base_ns: tuple[int, ...]
    chosen: Callable[[Sequence[LaunchPlan]], list[LaunchPlan | Fault]]
    times_of: Callable[[Sequence[LaunchPlan]], list[int | Fault]]


@dataclass(frozen=True)
class Outcome:
    """The verdict, the plans with options chosen, and their times in ns."""

    verdict: Verdict
    plans: BothPlans
    times_ns: tuple[int, ...]


@dataclass(frozen=True)
class EmulatedCourse:
    """What one judgement on an emulated chip works with; `course` executes."""

    course: Course
    emulation: Emulation
    calls: Sequence[Sequence[Argument]]
    workloads: tuple[Workload, ...]
    secret: int
    seed: int
    known: Known

    def follow(self, verdict: Verdict, plans: BothPlans, timed: bool) -> Outcome:
        """Return the outcome, with figures when `timed`; raises FirstFailure."""
        watch = self.course.watch
        self.course.progress(f"compile: {len(kernels_of((*plans.executed, *plans.timed)))} kernels")
        with watch.phase("compile"):
            machine = stages.compile_plans(self.course.sessions.timing, plans.executed, self.workloads)
        with watch.phase("emulation"):
            self.course.progress(f"emulation: {len(plans.timed)} workloads")
            cases = self.emulation.suite.cases
            chosen = [self._require(plan, n) for n, plan in enumerate(self.emulation.chosen(plans.timed))]
            times = tuple(self._require(time, n) for n, time in enumerate(self.emulation.times_of(chosen)))
        executed, reports = self._answers(plans.executed)
        with watch.phase("full size"):
            full = FullSize(self.course.problem, self.course.sessions.timing)
            full.cover(chosen, cases, self.known.kernels, self._seed("cover"), self.course.progress)
        both = BothPlans(executed, tuple(chosen))
        text = " ".join((machine, *(plan.schedule_sha256() for plan in both.timed)))
        verdict = replace(
            verdict,
            machine_sha256=hashlib.sha256(text.encode()).hexdigest(),
            architecture=stages.plans_architecture(both.timed),
        )
        if timed:
            verdict = self._with_figures(verdict, times, reports)
        return Outcome(verdict, both, times)

    def _with_figures(self, verdict: Verdict, times: tuple[int, ...], reports: Sequence[ErrorReport]) -> Verdict:
        suite, worst = self.emulation.suite, _worst_by_regime(self.workloads, reports)
        pair = (self.emulation.base_ns, times)
        figures = exact_figures(self.course.problem, suite, self.course.chip.peaks(), pair, worst)
        suspect = beyond_physics(figures)
        if suspect is not None:
            raise stages.FirstFailure(physics_fault(figures.workloads[suspect]), suite.cases[suspect].workload)
        return with_figures(verdict, replace(figures, flags=(*figures.flags, *suite.left_out)))

    def _answers(self, plans: Plans) -> tuple[Plans, list[ErrorReport]]:
        """Return executed plans with options chosen, and their errors; raises FirstFailure.

        A workload is not executed when an earlier judgement found the same plan right on it.
        """
        has_options = any(len(launch.options) > 1 for plan in plans for launch in plan.launches)
        names = [_name(workload) for workload in self.workloads]
        known = [self.known.answers.get((n, plan.sha256())) for n, plan in zip(names, plans, strict=True)]
        left = [n for n, report in enumerate(known) if report is None or has_options]
        if left:
            maker = CaseMaker(self.course.problem, [self.workloads[n] for n in left], self.secret, self.seed)
            try:
                some = self._executed(tuple(plans[n] for n in left), left, maker, has_options)
            finally:
                maker.close()
            for n, (plan, report) in zip(left, some, strict=True):
                plans = (*plans[:n], plan, *plans[n + 1 :])
                known[n] = report
                self.known.answers[names[n], plan.sha256()] = report
            self.known.kernels |= set(kernels_of(plans))
        return plans, [report for report in known if report is not None]

    def _executed(
        self, plans: Plans, numbers: Sequence[int], maker: CaseMaker, has_options: bool
    ) -> list[tuple[LaunchPlan, ErrorReport]]:
        calls = [self.calls[n] for n in numbers]
        baseline = self.course.baseline
        part = replace(
            baseline,
            plans=tuple(baseline.plans[n] for n in numbers),
            errors=tuple(baseline.errors[n] for n in numbers),
        )
        if has_options:
            with self.course.watch.phase("choice"):
                plans = self._chosen(plans, maker, calls)
        _, _, reports = replace(self.course, baseline=part).checked(plans, maker, calls)
        return list(zip(plans, reports, strict=True))

    def _chosen(self, plans: Plans, maker: CaseMaker, calls: Sequence[Sequence[Argument]]) -> Plans:
        """Return executed plans with the fastest options, each configuration having been right on some workload."""
        station = self.course.sessions.timing
        cases: tuple[Case, ...] = fresh_cases(maker, calls)
        put_cases(station.session, cases)
        threads = self.course.chip.spec.threads
        fastest = fastest_emulated(station.session, plans, [case.key for case in cases], threads)
        first = [plan.choose((0,) * len(plan.launches)) for plan in plans]
        chosen = tuple(one if isinstance(one, LaunchPlan) else other for one, other in zip(fastest, first, strict=True))
        self.known.kernels |= stages.check_options(station, plans, cases, self.course.problem)
        return chosen

    def _require(self, found: T | Fault, number: int) -> T:
        return stages.require(found, self.emulation.suite.cases[number].workload)

    def _seed(self, use: str) -> int:
        return derive_seed(self.secret, use, self.seed)


def _worst_by_regime(workloads: Sequence[Workload], reports: Sequence[ErrorReport]) -> Mapping[str, ErrorReport]:
    """Return the report with the largest error of each regime."""
    worst: dict[str, ErrorReport] = {}
    for workload, report in zip(workloads, reports, strict=True):
        known = worst.get(workload.regime)
        if known is None or report.rel_l2 > known.rel_l2:
            worst[workload.regime] = report
    return worst


def _name(workload: Workload) -> str:
    return f"{workload.name}/{'hidden' if workload.hidden else 'public'}"
