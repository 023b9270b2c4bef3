import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelwright.judge.statistics import Paired, abba_schedule, geomean, paired_of_schedule, summarise

NOISE = 0.03


def _pairs(rng: np.random.Generator, truths: np.ndarray, blocks: int) -> list[Paired]:
    """Return synthetic times: drift shared within a block, noise of each call its own."""
    pairs = []
    for truth in truths:
        drift = np.exp(rng.normal(0, NOISE, (blocks, 1)))
        base, ours = (drift * np.exp(rng.normal(0, NOISE, (blocks, 2))) for _ in range(2))
        pairs.append(Paired(1e6 * truth * base, 1e6 * ours))
    return pairs


@pytest.mark.parametrize(("blocks", "workloads"), [(3, 12), (3, 18), (5, 6)])
def test_the_interval_holds_the_true_geomean_about_19_times_in_20(blocks: int, workloads: int) -> None:
    rng = np.random.default_rng(blocks * 100 + workloads)
    held = same_held = 0
    trials = 200
    for trial in range(trials):
        truths = rng.uniform(0.5, 4, workloads)
        summary = summarise(_pairs(rng, truths, blocks), trial)
        low, high = summary.geomean.ci95
        held += low <= np.exp(np.log(truths).mean()) <= high
        same_held += summary.same.ci95[0] <= 1 <= summary.same.ci95[1]
    assert held / trials >= 0.90
    assert same_held / trials >= 0.85


def test_the_interval_is_not_so_wide_that_it_says_nothing() -> None:
    rng = np.random.default_rng(7)
    widths = []
    for trial in range(20):
        low, high = summarise(_pairs(rng, np.full(18, 2.0), 3), trial).geomean.ci95
        widths.append(high / low - 1)
    assert np.median(widths) < 0.05


@given(st.floats(0.1, 10), st.integers(1, 6), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_without_noise_the_ratio_is_exact(truth: float, blocks: int, workloads: int) -> None:
    pair = Paired(np.full((blocks, 2), 1e6 * truth), np.full((blocks, 2), 1e6))
    summary = summarise([pair] * workloads, 0)
    assert summary.geomean.value == pytest.approx(truth)
    assert summary.geomean.ci95 == pytest.approx((truth, truth))
    assert summary.noise_floor == pytest.approx(0, abs=1e-9)


@given(st.lists(st.integers(1, 10**9), min_size=4, max_size=4))
def test_a_schedule_is_read_back_as_pairs(times: list[int]) -> None:
    assert abba_schedule(1) == (0, 1, 1, 0)
    pair = paired_of_schedule(times)
    assert pair.base.tolist() == [[times[0], times[3]]]
    assert pair.ours.tolist() == [[times[1], times[2]]]


def test_one_outlier_does_not_move_the_ratio_far() -> None:
    rng = np.random.default_rng(3)
    pairs = _pairs(rng, np.full(18, 2.0), 3)
    pairs[0].ours[1, 0] *= 20
    assert summarise(pairs, 0).geomean.value == pytest.approx(2.0, rel=0.03)


def test_equal_times_give_equal_summaries() -> None:
    pairs = _pairs(np.random.default_rng(5), np.full(4, 1.5), 3)
    assert summarise(pairs, 11) == summarise(pairs, 11)


def test_geomean_of_nothing_is_one() -> None:
    assert geomean([]) == 1.0
    assert geomean([2.0, 8.0]) == pytest.approx(4.0)
