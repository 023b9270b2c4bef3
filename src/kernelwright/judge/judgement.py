"""One judgement from source text to verdict, in the fixed order, stopping at the first failure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import HarnessError, KernelwrightError
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Argument, Suite, Workload
from kernelwright.core.protocols import Capture, Chip
from kernelwright.core.verdict import Direct, Verdict
from kernelwright.judge import stages
from kernelwright.judge.cases import Case, CaseMaker
from kernelwright.judge.contest import Contest, direct_of
from kernelwright.judge.course import Baseline, Course, Sessions, put_cases
from kernelwright.judge.metered import MeteredSession
from kernelwright.judge.verdict_form import failed_verdict
from kernelwright.problems.contract import LoadedProblem
from kernelwright.sandbox import advise, check_source

Progress = Callable[[str], None]
# The verdict on an earlier candidate with that hash of plans, None if there was none.
Recognise = Callable[[str], Verdict | None]


@dataclass(frozen=True)
class Judged:
    """A verdict with what is needed to go on measuring; `plans` is empty unless it is accepted."""

    verdict: Verdict
    plans: tuple[LaunchPlan, ...] = ()
    cases: tuple[Case, ...] = ()


class CandidateJudge:
    """A judge of one problem, suite and chip, see `core.protocols.Judge`.

    `secret` is where all seeds of inputs come from, together with the seed of each judgement. Candidates are
    timed against the problem's reference.
    """

    def __init__(
        self,
        problem: LoadedProblem,
        suite: Suite,
        chip: Chip,
        capture: Capture,
        secret: int,
        limits: stages.Limits | None = None,
    ) -> None:
        self._problem = problem
        self._suite = suite
        self._chip = chip
        self._capture = capture
        self._secret = secret
        self._limits = limits or stages.Limits()
        self._workloads = tuple(sorted(suite.workloads, key=lambda workload: workload.hidden))
        self._sessions: Sessions | None = None
        self._meters: tuple[MeteredSession, ...] = ()
        self._baseline: Baseline | None = None
        self._calls: tuple[tuple[Argument, ...], ...] = ()
        self._last: tuple[str, Judged] | None = None
        self._recognise: Recognise | None = None
        # Plans by source hash of the candidates that the next comparison may need: the best's and the last's.
        self._accepted: dict[str, tuple[LaunchPlan, ...]] = {}

    def __call__(
        self, candidate: Candidate, seed: int, progress: Progress, recognise: Recognise | None = None
    ) -> Verdict:
        """Return the verdict; our own faults are tried once more and then come as `harness_error`.

        A candidate whose plans `recognise` knows is not judged again: its verdict is the earlier one.
        """
        self._last, self._recognise = None, recognise
        try:
            found = self.judged(candidate, seed, progress, timed=True)
        finally:
            self._recognise = None
        if self._capture.confinement == "unsafe":
            found = replace(found, verdict=replace(found.verdict, unsafe=True))
        self._last = (candidate.sha256, found)
        return found.verdict

    def against(self, best: Candidate, seed: int, progress: Progress) -> Direct | None:
        """Return the candidate judged last, an accepted one, timed in turn with `best` on the same inputs.

        None when that fails, for a fault of the harness: the candidate's verdict stands as it is.
        """
        if self._last is None or not self._last[1].plans:
            raise ValueError("a candidate must be judged and accepted before it is compared")
        sha256, judged = self._last
        progress("timing: best and candidate in turn")
        try:
            plans = self._accepted.get(best.sha256)
            if plans is None:
                plans = stages.choose_options(self.station(), self.plans_of(best.source), judged.cases)
            watch = stages.Stopwatch(self._limits)
            direct = direct_of(Contest(self.station(), plans, judged.plans, judged.cases, watch), best.sha256)
        except (HarnessError, stages.FirstFailure) as error:
            progress(f"no comparison with the best: {error}")
            return None
        self._accepted = {best.sha256: plans, sha256: judged.plans}
        return direct

    def check(self, candidate: Candidate, seed: int, progress: Progress) -> Verdict:
        """Return the verdict without timing: an accepted one has no figures."""
        return self.judged(candidate, seed, progress, timed=False).verdict

    def judged(self, candidate: Candidate, seed: int, progress: Progress, timed: bool) -> Judged:
        """Return the verdict with plans and cases, whose inputs stay on the chip until the next judgement."""
        for last_try in (False, True):
            try:
                return self._judged(candidate, seed, progress, timed)
            except Exception as error:  # whatever breaks in the harness is never the candidate's
                if last_try:
                    return Judged(Verdict("harness_error", _harness_reason(error)))
                progress(f"again after a fault of the harness: {_harness_reason(error)}")
                self.close()
        raise AssertionError

    def reference_architecture(self) -> str:
        """Return the architecture fingerprint of the baseline, where redesigns start."""
        return stages.plans_architecture(self.baseline(lambda _line: None).plans)

    def close(self) -> None:
        """End the chip sessions; safe to call twice."""
        if self._sessions is not None:
            self._sessions.close()
        self._sessions = None
        self._baseline = None

    def measure_peaks(self) -> None:
        """Measure the chip's limits again: taken on a busy machine they flatter every roofline fraction."""
        self._chip.peaks(again=True)

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """Return the workloads in the order of judgement: public, then hidden."""
        return self._workloads

    def station(self) -> stages.Station:
        """Return the open chip session that times."""
        return self.sessions().timing

    def sessions(self) -> Sessions:
        """Return the open chip sessions."""
        if self._sessions is None:
            self._meters = (MeteredSession(self._chip.open()), MeteredSession(self._chip.open()))
            timing, checking = (stages.Station(meter, self._limits) for meter in self._meters)
            self._sessions = Sessions(timing, checking)
        return self._sessions

    def plans_of(self, source: str) -> tuple[LaunchPlan, ...]:
        """Return the plans of a file of ours, one per workload; raises HarnessError when it does not come through."""
        self._require_calls()
        try:
            return stages.captured_plans(
                self._capture, Candidate(source), self._problem.entry, self._workloads, self._calls
            )
        except stages.FirstFailure as failure:
            raise HarnessError(f"a baseline must be capturable: {failure.fault.reason}") from None

    def baseline(self, progress: Progress) -> Baseline:
        """Return the baseline: captured, compiled and checked once, then kept."""
        if self._baseline is None:
            progress("reference: capture, compile, check")
            self._baseline = self._checked_baseline()
        return self._baseline

    def _checked_baseline(self) -> Baseline:
        plans = self.plans_of(self._problem.baselines.reference())
        maker = CaseMaker(self._problem, self._workloads, self._secret, 0)
        station = self.station()
        errors = []
        try:
            stages.compile_plans(station, plans, self._workloads)
            cases = maker.cases()
            put_cases(station.session, cases)
            plans = stages.choose_options(station, plans, cases)
            for plan, case in zip(plans, cases, strict=True):
                errors.append(stages.check_answers(station, plan, case, self._problem, None))
                station.session.drop(case.key)
        except stages.FirstFailure as failure:
            name = failure.workload.name if failure.workload else "every workload"
            raise HarnessError(f"the reference must pass on {name}: {failure.fault.reason}") from None
        finally:
            maker.close()
        return Baseline("reference", plans, tuple(errors))

    def _require_calls(self) -> None:
        """Make sure that the arguments which host code may see are known; they do not depend on seeds."""
        if not self._calls:
            self._calls = tuple(self._problem.make_inputs(w, 0).arguments() for w in self._workloads)

    def _judged(self, candidate: Candidate, seed: int, progress: Progress, timed: bool) -> Judged:
        watch = stages.Stopwatch(self._limits)
        with watch.phase("baseline"):
            baseline = self.baseline(progress)
        self.sessions()
        for meter in self._meters:
            meter.kernel_ns = 0
        verdict = Verdict(
            "accepted", "correct on every workload", baseline=baseline.name, emulated=self._chip.spec.emulated
        )
        with watch.phase("parse"):
            fault = check_source(candidate.source, self._problem.entry)
            verdict = replace(verdict, advice=advise(candidate.source))
        maker = None
        try:
            stages.require(fault)
            maker = CaseMaker(self._problem, self._workloads, self._secret, seed)
            course = Course(
                self._problem, self._suite.name, self._chip, self.sessions(), baseline, watch, progress, self._capture
            )
            progress(f"capture: {len(self._workloads)} workloads")
            with watch.phase("capture"):
                plans = stages.captured_plans(
                    self._capture, candidate, self._problem.entry, self._workloads, self._calls
                )
            # The next candidate's process loads beside this one's checks, and is quiet before anything is timed.
            self._capture.prepare()
            verdict = replace(verdict, plan_sha256=stages.plans_sha256(plans))
            if (earlier := self.recognised(verdict.plan_sha256)) is not None:
                return Judged(replace(earlier, advice=verdict.advice, seconds=self._seconds(watch)))
            verdict, plans, cases = course.follow(verdict, plans, maker, self._calls, timed)
            return Judged(replace(verdict, seconds=self._seconds(watch)), plans, cases)
        except stages.FirstFailure as failure:
            failed = failed_verdict(failure.fault, failure.workload, candidate.source)
            if failed.status == "harness_error":
                raise HarnessError(failed.reason) from None
            kept = {"advice": verdict.advice, "plan_sha256": verdict.plan_sha256, "baseline": verdict.baseline}
            return Judged(replace(failed, **kept, emulated=verdict.emulated, seconds=self._seconds(watch)))  # type: ignore[arg-type]
        finally:
            if maker is not None:
                maker.close()

    def recognised(self, plan_sha256: str) -> Verdict | None:
        """Return the earlier verdict on candidates with these plans, where the judgement may rest on it."""
        return None if self._recognise is None else self._recognise(plan_sha256)

    def _seconds(self, watch: stages.Stopwatch) -> dict[str, float]:
        """Return the wall time by phase, and beside it what kernels took, plain and checked ones."""
        plain, checked = (meter.kernel_ns / 1e9 for meter in self._meters)
        return {**watch.seconds, "total": watch.total_s, "kernels": plain, "checked kernels": checked}


def _harness_reason(error: Exception) -> str:
    if isinstance(error, KernelwrightError):
        return str(error)
    return f"{type(error).__name__}: {error}"
