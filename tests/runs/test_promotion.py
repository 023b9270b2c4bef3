"""When a candidate becomes the best."""

import pytest

from kernelwright.core.evaluation import Evaluation
from kernelwright.core.verdict import Direct, Verdict
from kernelwright.runs.promotion import is_better, is_promising

BEST = Evaluation(1, "b" * 64, Verdict("accepted", "", geomean_speedup=2.0, ci95=(1.8, 2.2), noise_floor=0.1))


def verdict(speedup: float, direct: Direct | None = None) -> Verdict:
    return Verdict(
        "accepted", "", geomean_speedup=speedup, ci95=(speedup * 0.9, speedup * 1.1), noise_floor=0.1, over_best=direct
    )


@pytest.mark.parametrize(
    ("speedup", "low", "is_best"),
    [(1.06, 1.031, True), (1.06, 1.03, False), (1.06, 1.01, False), (1.06, 0.99, False), (0.9, 0.8, False)],
)
def test_a_direct_gain_counts_when_its_interval_lies_above_the_noise_floor(
    speedup: float, low: float, is_best: bool
) -> None:
    direct = Direct(BEST.candidate_sha256, speedup, (low, speedup * 1.03), 0.03)
    # By way of the reference the candidate looks slower: what was timed in turn decides.
    assert is_better(verdict(1.9, direct), BEST) is is_best


def test_a_comparison_with_another_candidate_than_the_best_does_not_count() -> None:
    assert not is_better(verdict(2.1, Direct("c" * 64, 1.5, (1.4, 1.6), 0.01)), BEST)


def test_without_direct_comparison_the_ratio_over_the_reference_decides() -> None:
    assert is_better(verdict(3.0), BEST)
    assert not is_better(verdict(2.2), BEST)
    assert is_better(verdict(1.5), None)


def test_only_accepted_candidates_near_the_best_are_compared() -> None:
    assert is_promising(verdict(1.9), BEST)
    assert not is_promising(verdict(1.5), BEST)
    assert not is_promising(Verdict("incorrect", "wrong"), BEST)
    assert not is_promising(verdict(9.0), None)
