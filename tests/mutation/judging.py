"""Mutants before the judge, one after the other, with one sandbox service and two sessions of the chip."""

from dataclasses import dataclass
from time import perf_counter

from kernelwright.chips.catalogue import load_chip
from kernelwright.core.candidate import Candidate
from kernelwright.core.problem import Suite
from kernelwright.judge import CandidateJudge
from kernelwright.judge.stages import Limits
from kernelwright.problems import load_problem
from kernelwright.sandbox import CaptureService

PROBLEM, SUITE = "extend-attention", "smoke"
SECRET, JUDGEMENT_SEED = 20260521, 7
# Judged before the whole suite. A candidate that fails on a workload fails on every suite that holds it with the same
# inputs, so most mutants need no more than these; those that pass meet the whole suite.
FIRST = ("ragged", "chunked-window", "verify-tree-prefix")


@dataclass(frozen=True)
class Outcome:
    """What the judge said of one source."""

    name: str
    status: str
    reason: str
    plan_sha256: str | None
    seconds: float

    @property
    def is_caught(self) -> bool:
        """Return whether the candidate was refused, for a fault of its own."""
        return self.status not in ("accepted", "harness_error")


class Bench:
    """Judges sources on a few workloads and, where that is not enough, on the whole suite; `close` it."""

    def __init__(self) -> None:
        problem, limits = load_problem(PROBLEM), Limits(launch_s=10.0, judgement_s=120.0)
        whole = problem.suite(SUITE, SECRET)
        few = Suite(SUITE, tuple(workload for workload in whole.workloads if workload.name in FIRST))
        self._capture = CaptureService()
        self._judges = tuple(
            CandidateJudge(problem, suite, load_chip("cpu"), self._capture, SECRET, limits) for suite in (few, whole)
        )

    def judged(self, name: str, source: str) -> Outcome:
        """Return the outcome of one source: correctness and memory checks, no timing."""
        start = perf_counter()
        for judge in self._judges:
            verdict = judge.check(Candidate(source), JUDGEMENT_SEED, lambda _line: None)
            if verdict.status != "accepted":
                break
        return Outcome(name, verdict.status, verdict.reason, verdict.plan_sha256, perf_counter() - start)

    def close(self) -> None:
        """End the sessions of the chip and the sandbox."""
        for judge in self._judges:
            judge.close()
        self._capture.close()
