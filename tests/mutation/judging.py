"""Mutants before the judge, one after the other, with one sandbox service and two sessions of the chip."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from kernelwright.chips.catalogue import load_chip
from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import HarnessError
from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Argument, Suite
from kernelwright.judge import CandidateJudge
from kernelwright.judge.stages import Limits
from kernelwright.problems import load_problem
from kernelwright.sandbox import CaptureService

PROBLEM, SUITE = "extend-attention", "smoke"
SECRET, JUDGEMENT_SEED = 20260521, 7
LIMITS = Limits(launch_s=10.0, judgement_s=300.0)
# Judged before the whole suite. A candidate that fails on a workload fails on every suite that holds it with the same
# inputs, so most mutants need no more than these; those that pass meet the whole suite.
FIRST = ("ragged", "chunked-window", "verify-tree-prefix")


@dataclass(frozen=True)
class Outcome:
    """What the judge said of one source; `is_whole` when it took the whole suite."""

    name: str
    status: str
    reason: str
    plan_sha256: str | None
    seconds: float
    is_whole: bool

    @property
    def is_caught(self) -> bool:
        """Return whether the candidate was refused, for a fault of its own."""
        return self.status not in ("accepted", "harness_error")


class RecordingCapture:
    """A sandbox service that remembers the source and plans of its last success, None after a fault."""

    def __init__(self) -> None:
        self._service = CaptureService()
        self.last: tuple[str, tuple[LaunchPlan, ...]] | None = None

    def __call__(
        self, candidate: Candidate, entry: str, calls: Sequence[Sequence[Argument]]
    ) -> tuple[LaunchPlan, ...] | Fault:
        """Return one plan per call or the first fault."""
        found = self._service(candidate, entry, calls)
        self.last = None if isinstance(found, Fault) else (candidate.source, found)
        return found

    @property
    def confinement(self) -> str:
        """Return how candidates are shut in."""
        return self._service.confinement

    def prepare(self, wait: bool = False) -> None:
        """Start the next process."""
        self._service.prepare(wait)

    def close(self) -> None:
        """End the process that stands ready."""
        self._service.close()


class Bench:
    """Judges sources on a few workloads and, where that is not enough, on the whole suite; `close` it."""

    def __init__(self) -> None:
        problem = load_problem(PROBLEM)
        whole = problem.suite(SUITE, SECRET)
        few = Suite(SUITE, tuple(workload for workload in whole.workloads if workload.name in FIRST))
        self._capture = RecordingCapture()
        self._judges = tuple(
            CandidateJudge(problem, suite, load_chip("cpu"), self._capture, SECRET, LIMITS) for suite in (few, whole)
        )

    def judged(self, name: str, source: str) -> Outcome:
        """Return the outcome of one source: correctness and memory checks, no timing."""
        start = perf_counter()
        for judge in self._judges:
            verdict = judge.check(Candidate(source), JUDGEMENT_SEED, lambda _line: None)
            if verdict.status != "accepted":
                break
        seconds, whole = perf_counter() - start, judge is self._judges[1]
        return Outcome(name, verdict.status, verdict.reason, verdict.plan_sha256, seconds, whole)

    def plans(self, source: str, whole: bool) -> dict[str, LaunchPlan] | None:
        """Return the plans of a source by workload, of the whole suite or of the few; None when it does not compile."""
        judge, last = self._judges[whole], self._capture.last
        if last is not None and last[0] == source and len(last[1]) == len(judge.workloads):
            found = last[1]
        else:
            try:
                found = judge.plans_of(source)
            except HarnessError:
                return None
        return {workload.name: plan for workload, plan in zip(judge.workloads, found, strict=True)}

    def close(self) -> None:
        """End the sessions of the chip and the sandbox."""
        for judge in self._judges:
            judge.close()
        self._capture.close()
