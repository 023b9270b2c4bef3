"""The stages after capture, for one candidate: compile, memory check, correctness, timing, physics."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from kernelwright.core.errors import HarnessError
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Argument
from kernelwright.core.protocols import Capture, Chip, ChipSession
from kernelwright.core.verdict import Verdict
from kernelwright.judge import stages
from kernelwright.judge.cases import Case, CaseMaker
from kernelwright.judge.contest import Contest
from kernelwright.judge.figures import Figures, beyond_physics, figures_of, physics_fault
from kernelwright.judge.timing import BLOCKS
from kernelwright.problems.contract import ErrorReport, LoadedProblem

Progress = Callable[[str], None]
Plans = tuple[LaunchPlan, ...]


@dataclass(frozen=True)
class Baseline:
    """What candidates are timed against: its plans, and what its own answers were like, workload by workload."""

    name: str
    plans: Plans
    errors: tuple[ErrorReport, ...]


@dataclass(frozen=True)
class Sessions:
    """Two sessions of one chip: `timing` runs plain code, `checking` memory-checked code beside it."""

    timing: stages.Station
    checking: stages.Station

    def close(self) -> None:
        """End both."""
        self.timing.session.close()
        self.checking.session.close()


@dataclass(frozen=True)
class Course:
    """What one judgement works with; `follow` runs its stages."""

    problem: LoadedProblem
    suite: str
    chip: Chip
    sessions: Sessions
    baseline: Baseline
    watch: stages.Stopwatch
    progress: Progress
    capture: Capture

    def follow(
        self, verdict: Verdict, plans: Plans, maker: CaseMaker, calls: Sequence[Sequence[Argument]], timed: bool
    ) -> tuple[Verdict, Plans, tuple[Case, ...]]:
        """Return the verdict with hashes, and with figures when `timed`; raises FirstFailure."""
        self.progress(f"compile and check: {len({k.sha256 for plan in plans for k in plan.kernels})} kernels")
        with self.watch.phase("choice"):
            plans = self._chosen(plans, maker, calls)
        machine, cases, reports = self.checked(plans, maker, calls)
        verdict = replace(verdict, machine_sha256=machine, architecture=stages.plans_architecture(plans))
        if timed:
            verdict = self._timed(verdict, plans, cases, reports)
        return verdict, plans, cases

    def _chosen(self, plans: Plans, maker: CaseMaker, calls: Sequence[Sequence[Argument]]) -> Plans:
        """Return plans without choices: of an autotuned launch's options the fastest stays."""
        if all(len(launch.options) == 1 for plan in plans for launch in plan.launches):
            return plans
        self.progress("choosing among autotuned configurations")
        stages.compile_plans(self.sessions.timing, plans, maker.workloads)
        cases = fresh_cases(maker, calls)
        put_cases(self.sessions.timing.session, cases)
        chosen = stages.choose_options(self.sessions.timing, plans, cases)
        stages.check_options(self.sessions.timing, plans, cases, self.problem)
        return chosen

    def checked(
        self, plans: Plans, maker: CaseMaker, calls: Sequence[Sequence[Argument]]
    ) -> tuple[str, tuple[Case, ...], list[ErrorReport]]:
        """Return machine code's hash, cases and errors; the memory check runs at the same time, on its own session.

        Of several failures the one of the earliest stage counts, so that equal candidates fail alike.
        """
        stop = threading.Event()
        with ThreadPoolExecutor(1, thread_name_prefix="memory-check") as pool:
            memory = pool.submit(self._memory_check, plans, maker, calls, stop)
            try:
                with self.watch.phase("compile"):
                    machine = stages.compile_plans(self.sessions.timing, plans, maker.workloads)
                with self.watch.phase("inputs and oracle"):
                    cases = fresh_cases(maker, calls)
                    put_cases(self.sessions.timing.session, cases)
            except BaseException:
                stop.set()
                raise
            try:
                with self.watch.phase("answers"):
                    reports = self._answers(plans, cases, memory)
            except (stages.FirstFailure, HarnessError):
                # Plain code that wrote anywhere may end its worker at a moment when none of it runs: what looks like
                # our own fault is the candidate's when the memory check says so.
                memory.result()
                raise
            except BaseException:
                stop.set()
                raise
            with self.watch.phase("memory check"):
                memory.result()
        return machine, cases, reports

    def _memory_check(
        self, plans: Plans, maker: CaseMaker, calls: Sequence[Sequence[Argument]], stop: threading.Event
    ) -> None:
        station = self.sessions.checking
        for plan, workload in zip(plans, maker.workloads, strict=True):
            if stop.is_set():
                return
            stages.load_checked(station, plan, workload)
        for plan, case in zip(plans, fresh_cases(maker, calls), strict=True):
            if stop.is_set():
                return
            self.watch.require_time(case.workload)
            station.session.put(case.key, case.inputs.arrays())
            stages.run_checked(station, plan, case)
            station.session.drop(case.key)

    def _answers(self, plans: Plans, cases: Sequence[Case], memory: "Future[None]") -> list[ErrorReport]:
        reports = []
        for number, (plan, case) in enumerate(zip(plans, cases, strict=True)):
            if memory.done():
                memory.result()
            self.watch.require_time(case.workload)
            self.progress(f"correctness: {number + 1} of {len(cases)}")
            error = self.baseline.errors[number]
            reports.append(stages.check_answers(self.sessions.timing, plan, case, self.problem, error))
        return reports

    def _timed(self, verdict: Verdict, plans: Plans, cases: Sequence[Case], reports: Sequence[ErrorReport]) -> Verdict:
        figures, suspect = self._measured(plans, cases, reports, False)
        if suspect is not None:
            # Peaks measured while the machine was busy are too low: measure both again before accusing anyone.
            figures, suspect = self._measured(plans, cases, reports, True)
        if suspect is not None:
            raise stages.FirstFailure(physics_fault(figures.workloads[suspect]), cases[suspect].workload)
        return with_figures(verdict, figures)

    def _measured(
        self, plans: Plans, cases: Sequence[Case], reports: Sequence[ErrorReport], peaks_again: bool
    ) -> tuple[Figures, int | None]:
        """Return the figures, and the number of the first workload that beats physics."""
        self.capture.prepare(wait=True)
        self.progress("timing: baseline and candidate in turn")
        with self.watch.phase("timing"):
            contest = Contest(self.sessions.timing, self.baseline.plans, plans, cases, self.watch).play(BLOCKS)
        with self.watch.phase("witness"):
            stages.check_witnesses(self.sessions.timing, plans, cases, self.problem, self.baseline.errors)
        with self.watch.phase("peaks"):
            peaks = self.chip.peaks(peaks_again)
        figures = figures_of(self.problem, self.suite, peaks, cases, contest.pairs, reports)
        figures = replace(figures, conditions=contest.conditions)
        return figures, beyond_physics(figures)


def put_cases(session: ChipSession, cases: Sequence[Case]) -> None:
    """Give the inputs of all cases to the chip."""
    for case in cases:
        session.put(case.key, case.inputs.arrays())


def fresh_cases(maker: CaseMaker, calls: Sequence[Sequence[Argument]]) -> tuple[Case, ...]:
    """Return the cases of `maker`; raises HarnessError unless host code would see them as what was captured."""
    cases = maker.cases()
    for case, call in zip(cases, calls, strict=True):
        if case.inputs.arguments() != tuple(call):
            raise HarnessError(f"arguments of workload '{case.workload.name}' must not depend on the seed, they do")
    return cases


def with_figures(verdict: Verdict, figures: Figures) -> Verdict:
    """Return `verdict` with what was measured."""
    summary = figures.summary
    return replace(
        verdict,
        geomean_speedup=summary.geomean.value,
        ci95=summary.geomean.ci95,
        noise_floor=summary.noise_floor,
        roofline_fraction=figures.roofline_fraction,
        roofline_fraction_bound=figures.roofline_fraction_bound,
        workloads=figures.workloads,
        flags=figures.flags,
        conditions=figures.conditions,
    )
