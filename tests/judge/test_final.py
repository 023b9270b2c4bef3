"""The last word on a kernel: tuned reference and library, on a few small workloads."""

from collections.abc import Iterator

import pytest

from kernelwright.chips.catalogue import load_chip
from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import RequestError
from kernelwright.core.problem import Suite
from kernelwright.judge import CandidateJudge
from kernelwright.judge.baseline_tuning import tune_reference
from kernelwright.judge.comparison import judge_final
from kernelwright.problems.extend_attention import PROBLEM
from kernelwright.sandbox import CaptureService
from tests.judge.conftest import SECRET

NAMES = ("cold-mla", "hit-scaled", "hidden-chunked")


@pytest.fixture(scope="module")
def small_judge() -> Iterator[CandidateJudge]:
    suite = PROBLEM.suite("smoke", SECRET)
    small = Suite("smoke", tuple(w for w in suite.workloads if w.name in NAMES))
    assert len(small.workloads) == len(NAMES)
    with CaptureService() as capture:
        judge = CandidateJudge(PROBLEM, small, load_chip("cpu"), capture, SECRET)
        yield judge
        judge.close()


def test_tuning_and_the_final_figures(small_judge: CandidateJudge) -> None:
    lines: list[str] = []
    tuned = tune_reference(small_judge, PROBLEM, SECRET, 2, 5, lines.append)
    assert tuned is not None and tuned.evaluations == 2
    assert lines == ["tuned reference: 1 of 2", "tuned reference: 2 of 2"]
    assert set(tuned.configs) == {PROBLEM.baselines.tuning.key(w) for w in small_judge.workloads}
    assert "EXIT_EMPTY_TILES = True" in tuned.source

    candidate = Candidate(PROBLEM.baselines.reference())
    final = judge_final(small_judge, PROBLEM, candidate, tuned, 9, lambda _line: None)
    assert final.verdict.is_accepted, final.verdict.reason
    for comparison in (final.tuned, final.library):
        assert comparison is not None
        assert [w.name for w in comparison.workloads] == [w.name for w in small_judge.workloads]
        assert all(w.baseline_ns > 0 and w.candidate_ns > 0 for w in comparison.workloads)
        low, high = comparison.ci95
        assert low <= comparison.geomean_speedup <= high
    assert final.library is not None
    assert all(w.note for w in final.library.workloads)


def test_tuning_without_evaluations_is_refused(small_judge: CandidateJudge) -> None:
    with pytest.raises(RequestError, match="at least 1"):
        tune_reference(small_judge, PROBLEM, SECRET, 0, 5, lambda _line: None)


def test_a_rejected_final_candidate_is_compared_with_nothing(small_judge: CandidateJudge) -> None:
    final = judge_final(small_judge, PROBLEM, Candidate("import os"), None, 1, lambda _line: None)
    assert final.verdict.status == "cheating"
    assert final.tuned is None and final.library is None
