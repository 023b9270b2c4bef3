"""Judging on an emulated chip: answers by executing one suite natively, times of another from integers alone.

Timed calls are never executed, so no outputs of theirs can be asked for; instead every kernel that is timed must
have been executed and right, and before a kernel becomes the best workloads as served are executed as well.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import cast

from kernelwright.chips.emulated.session import EmulatedSession
from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import HarnessError
from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Argument, Suite, Workload
from kernelwright.core.protocols import Capture, Chip, ChipSession
from kernelwright.core.verdict import Direct, Verdict
from kernelwright.judge import stages
from kernelwright.judge.course import Course
from kernelwright.judge.emulated_course import BothPlans, EmulatedCourse, Emulation, Known
from kernelwright.judge.full_size import FullSize, hidden_choice
from kernelwright.judge.judgement import CandidateJudge, Judged, Progress
from kernelwright.judge.timed_suite import (
    TimedCase,
    TimedSuite,
    emulated_times,
    fastest_emulated,
    put_timed,
    timed_suite,
)
from kernelwright.judge.verdict_form import failed_verdict
from kernelwright.problems.contract import LoadedProblem
from kernelwright.sandbox import advise, check_source


@dataclass(frozen=True)
class EmulatedBaseline:
    """The reference on the timed workloads: its plans with options chosen, and their times in ns."""

    plans: tuple[LaunchPlan, ...]
    times_ns: tuple[int, ...]


@dataclass(frozen=True)
class EmulatedJudged(Judged):
    """What a judgement on an emulated chip found: besides the executed plans the timed ones, and their times in ns."""

    timed: tuple[LaunchPlan, ...] = ()
    times_ns: tuple[int, ...] = field(default=())


class EmulatedJudge(CandidateJudge):
    """A judge of one problem on an emulated chip, see `CandidateJudge`: `suites` are the executed and the timed one.

    Of `secrets` the first gives hidden lengths and timing inputs, so that times can be verified, the second fresh
    floats.

    Plans that were right stay known: a workload whose plan a candidate shares with an earlier one is not executed
    again, unless a judgement is asked to be fresh.
    """

    def __init__(
        self,
        problem: LoadedProblem,
        suites: tuple[Suite, Suite],
        chip: Chip,
        capture: Capture,
        secrets: tuple[int, int],
        limits: stages.Limits | None = None,
    ) -> None:
        (executed, timed), (suite_secret, secret) = suites, secrets
        super().__init__(problem, executed, chip, capture, secret, limits)
        self._suite_timed = timed_suite(problem, timed, suite_secret)
        self._is_full = timed.name != executed.name
        self._emulation: ChipSession | None = None
        self._times: EmulatedBaseline | None = None
        self._known = Known()
        self._ours: tuple[str, BothPlans] | None = None

    @property
    def timing(self) -> TimedSuite:
        """Return the timed workloads that the reference runs on."""
        return self._suite_timed

    def against(self, best: Candidate, seed: int, progress: Progress) -> Direct | None:
        """Return None: exact times over the reference say all that a direct comparison could."""
        return None

    def confirm(self, seed: int, progress: Progress) -> Verdict | None:
        """Execute full-size workloads of the candidate judged last; return a failed verdict, or None if all is right.

        One of each regime, chosen by `seed`, unless all plans of the regime were confirmed with an earlier candidate.
        """
        if self._last is None or not isinstance(self._last[1], EmulatedJudged):
            raise ValueError("a candidate must be judged and accepted before it is confirmed")
        judged = self._last[1]
        try:
            try:
                self.confirm_plans(judged.timed, seed, progress, self._known)
            except HarnessError as error:
                progress(f"again after a fault of the harness: {error}")
                self.close()
                self.confirm_plans(judged.timed, seed, progress, self._known)
        except stages.FirstFailure as failure:
            return replace(
                failed_verdict(failure.fault, failure.workload),
                advice=judged.verdict.advice, plan_sha256=judged.verdict.plan_sha256,
                machine_sha256=judged.verdict.machine_sha256, baseline=judged.verdict.baseline, emulated=True,
                seconds=judged.verdict.seconds,
            )  # fmt: skip
        return None

    def confirm_plans(self, timed: Sequence[LaunchPlan], seed: int, progress: Progress, known: Known) -> None:
        """Execute one full-size workload of each regime not yet known as confirmed; raises FirstFailure."""
        if not self._is_full:
            return
        progress("confirming: one full-size workload of each regime")
        try:
            FullSize(self._problem, self.station()).confirm(timed, self._suite_timed.cases, known.confirmed, seed)
        except stages.FirstFailure as failure:
            raise hidden_choice(failure) from None

    def judged(self, candidate: Candidate, seed: int, progress: Progress, timed: bool, fresh: bool = False) -> Judged:
        """Return the verdict with plans; `fresh` executes everything, whatever is known from earlier candidates."""
        kept = self._known
        try:
            self._known = Known() if fresh else kept
            return super().judged(candidate, seed, progress, timed)
        finally:
            self._known = kept

    def plans_of(self, source: str) -> tuple[LaunchPlan, ...]:
        """Return the executed plans of a file of ours."""
        return self.both_plans_of(source).executed

    def both_plans_of(self, source: str) -> BothPlans:
        """Return executed and timed plans of a file of ours; raises HarnessError when it does not come through."""
        if self._ours is not None and self._ours[0] == source:
            return self._ours[1]
        try:
            self._ours = (source, self._captured(Candidate(source)))
            return self._ours[1]
        except stages.FirstFailure as failure:
            raise HarnessError(f"a baseline must be capturable: {failure.fault.reason}") from None

    def timed_plans_of(self, source: str, cases: Sequence[TimedCase] | None = None) -> tuple[LaunchPlan, ...]:
        """Return the plans of a file of ours on timed workloads, `cases` or all; nothing else is captured."""
        try:
            return self._captured_on(Candidate(source), (), self._suite_timed.cases if cases is None else cases).timed
        except stages.FirstFailure as failure:
            raise HarnessError(f"a baseline must be capturable: {failure.fault.reason}") from None

    def times_of(self, plans: Sequence[LaunchPlan]) -> list[int | Fault]:
        """Return the emulated time in ns of one plan a timed workload, or why there is none."""
        keys = [case.key for case in self._suite_timed.cases]
        return self._at_least_a_launch(emulated_times(self._emulator(), plans, keys, self._chip.spec.threads))

    def estimates_of(self, plans: Sequence[LaunchPlan]) -> list[int | Fault]:
        """Return about what `times_of` would, by the wave tier."""
        session = cast(EmulatedSession, self._emulator())
        with ThreadPoolExecutor(self._chip.spec.threads, thread_name_prefix="estimates") as pool:
            times = pool.map(session.estimate_ns, plans, [case.key for case in self._suite_timed.cases])
            return self._at_least_a_launch(list(times))

    def _at_least_a_launch(self, times: Sequence[int | Fault]) -> list[int | Fault]:
        """Return the times, that of a call without launches as that of an empty one: a ratio to it says nothing."""
        floor_ns = round(self._chip.peaks().launch_ns)
        return [time if isinstance(time, Fault) else max(time, floor_ns) for time in times]

    def chosen(self, plans: Sequence[LaunchPlan]) -> list[LaunchPlan | Fault]:
        """Return the timed plans with the option of each launch that is fastest on the chip."""
        keys = [case.key for case in self._suite_timed.cases]
        return fastest_emulated(self._emulator(), plans, keys, self._chip.spec.threads)

    def emulated_baseline(self) -> EmulatedBaseline:
        """Return the reference on the timed workloads; those it cannot run on this chip are left out from then on."""
        if self._times is None:
            plans = self.both_plans_of(self._problem.baselines.reference()).timed
            chosen = self.chosen(plans)
            runnable = [plan if isinstance(plan, LaunchPlan) else plans[i] for i, plan in enumerate(chosen)]
            times = self.times_of(runnable)
            faults = {i: fault for i, fault in enumerate(times) if isinstance(fault, Fault)}
            faults |= {i: fault for i, fault in enumerate(chosen) if isinstance(fault, Fault)}
            kept = [i for i in range(len(plans)) if i not in faults]
            if not kept:
                reason = faults[0].reason
                raise HarnessError(f"the reference must run on chip {self._chip.spec.name}, it does not: {reason}")
            self._suite_timed = self._suite_timed.without({i: fault.reason for i, fault in faults.items()})
            exact = tuple(time for time in times if isinstance(time, int))
            self._times = EmulatedBaseline(tuple(runnable[i] for i in kept), exact)
        return self._times

    def close(self) -> None:
        """End the chip sessions; safe to call twice."""
        super().close()
        if self._emulation is not None:
            self._emulation.close()
        self._emulation = None

    def _emulator(self) -> ChipSession:
        if self._emulation is None:
            self._emulation = self._chip.open()
            put_timed(self._emulation, self._suite_timed)
        return self._emulation

    def _captured(self, candidate: Candidate) -> BothPlans:
        """Return the plans of both suites."""
        self._require_calls()
        return self._captured_on(
            candidate, tuple(zip(self._workloads, self._calls, strict=True)), self._suite_timed.cases
        )

    def _captured_on(
        self,
        candidate: Candidate,
        executed: Sequence[tuple[Workload, Sequence[Argument]]],
        cases: Sequence[TimedCase],
    ) -> BothPlans:
        """Return plans on executed workloads and on timed cases; equal calls are captured once."""
        timed = [(case.workload, case.inputs.arguments()) for case in cases]
        workloads, calls = zip(*executed, *timed, strict=True)
        first: dict[tuple[Argument, ...], int] = {}
        for number, call in enumerate(calls):
            first.setdefault(call, number)
        distinct = tuple(first.values())
        plans = stages.captured_plans(
            self._capture, candidate, self._problem.entry,
            [workloads[number] for number in distinct], [calls[number] for number in distinct],
        )  # fmt: skip
        by_call = dict(zip(first, plans, strict=True))
        every = tuple(by_call[call] for call in calls)
        return BothPlans(every[: len(executed)], every[len(executed) :])

    def _judged(self, candidate: Candidate, seed: int, progress: Progress, timed: bool) -> Judged:
        watch = stages.Stopwatch(self._limits)
        with watch.phase("baseline"):
            if self._times is None:
                progress("reference: emulated times")
            self.emulated_baseline()
            baseline = self.baseline(progress)
        for meter in self._meters:
            meter.kernel_ns = 0
        verdict = Verdict("accepted", "correct on every workload", baseline=baseline.name, emulated=True)
        with watch.phase("parse"):
            fault = check_source(candidate.source, self._problem.entry)
            verdict = replace(verdict, advice=advise(candidate.source))
        try:
            stages.require(fault)
            progress(f"capture: {len(self._workloads)} workloads to execute, {len(self._suite_timed.cases)} to time")
            with watch.phase("capture"):
                plans = self._captured(candidate)
            self._capture.prepare()
            verdict = replace(verdict, plan_sha256=plans.sha256())
            if (earlier := self.recognised(verdict.plan_sha256)) is not None:
                return Judged(replace(earlier, advice=verdict.advice, seconds=self._seconds(watch)))
            course = Course(
                self._problem, self._suite.name, self._chip, self.sessions(), baseline, watch, progress, self._capture
            )
            found = self._emulated_course(course, seed).follow(verdict, plans, timed)
            verdict = replace(found.verdict, seconds=self._seconds(watch))
            return EmulatedJudged(verdict, found.plans.executed, (), found.plans.timed, found.times_ns)
        except stages.FirstFailure as failure:
            failed = self._failed(failure, candidate.source)
            if failed.status == "harness_error":
                raise HarnessError(failed.reason) from None
            kept = {"advice": verdict.advice, "plan_sha256": verdict.plan_sha256, "baseline": verdict.baseline}
            return Judged(replace(failed, **kept, emulated=True, seconds=self._seconds(watch)))  # type: ignore[arg-type]

    def _failed(self, failure: stages.FirstFailure, source: str) -> Verdict:
        """Return the verdict of a first failure; a workload of the executed suite is named with its suite."""
        workload = failure.workload
        failed = failed_verdict(failure.fault, workload, source)
        if workload is None or workload.hidden or not self._is_full or not any(w is workload for w in self._workloads):
            return failed
        named = f"workload '{workload.name}'"
        return replace(failed, reason=failed.reason.replace(named, f"{named} of suite {self._suite.name}", 1))

    def _emulated_course(self, course: Course, seed: int) -> EmulatedCourse:
        base_ns = self.emulated_baseline().times_ns
        emulation = Emulation(self._suite_timed, base_ns, self.chosen, self.times_of)
        return EmulatedCourse(course, emulation, self._calls, self._workloads, self._secret, seed, self._known)
