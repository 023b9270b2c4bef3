"""A judge of a folder's suite smoke, and candidates made from its reference by editing the text."""

from collections.abc import Iterator

import pytest

from kernelwright.chips.catalogue import load_chip
from kernelwright.core.candidate import Candidate
from kernelwright.core.verdict import Verdict
from kernelwright.judge import CandidateJudge
from kernelwright.problems.general import GeneralProblem
from kernelwright.sandbox import CaptureService
from tests.problems.folders import SECRET


def opened(problem: GeneralProblem, capture: CaptureService) -> Iterator[CandidateJudge]:
    """Yield a judge of suite smoke on chip cpu, and close it."""
    judge = CandidateJudge(problem, problem.suite("smoke", SECRET), load_chip("cpu"), capture, SECRET)
    yield judge
    judge.close()


def verdict_on(judge: CandidateJudge, source: str) -> Verdict:
    """Return the verdict without timing."""
    return judge.check(Candidate(source), 1, lambda _line: None)


def edited(source: str, *edits: tuple[str, str]) -> str:
    """Return `source` with each text replaced by another, everywhere."""
    for old, new in edits:
        if old not in source:
            pytest.fail(f"the reference must hold {old!r}")
        source = source.replace(old, new)
    return source
