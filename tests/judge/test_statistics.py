import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelwright.judge.statistics import (
    Paired,
    abba_schedule,
    geomean,
    paired_of_schedule,
    ratio_of_times,
    summarise,
)
from kernelwright.judge.student import student_quantile

NOISE = 0.03
TRIALS = 300


def _noise(rng: np.random.Generator, kind: str, blocks: int) -> np.ndarray:
    noise = rng.normal(0, NOISE, (blocks, 2))
    if kind == "bursts":  # one call in twenty meets somebody else's
        noise = noise + (rng.random((blocks, 2)) < 0.05) * np.abs(rng.normal(0, 0.5, (blocks, 2)))
    if kind == "heavy tails":
        noise = NOISE * rng.standard_t(3, (blocks, 2))
    if kind == "one-sided":
        noise = rng.exponential(NOISE, (blocks, 2))
    return noise


def _pairs(rng: np.random.Generator, truths: np.ndarray, blocks: int, kind: str = "normal") -> list[Paired]:
    """Return synthetic times: a level of each block and a steady drift within it are shared, noise is each call's."""
    pairs = []
    for truth in truths:
        level = rng.normal(0, NOISE, (blocks, 1))
        slope = rng.normal(0, NOISE, (blocks, 1))
        base = np.exp(level + slope * np.array([0, 3]) + _noise(rng, kind, blocks))
        ours = np.exp(level + slope * np.array([1, 2]) + _noise(rng, kind, blocks))
        pairs.append(Paired(1e6 * truth * base, 1e6 * ours))
    return pairs


@pytest.mark.parametrize("kind", ["normal", "bursts", "heavy tails", "one-sided"])
@pytest.mark.parametrize(("blocks", "workloads"), [(5, 1), (5, 12), (16, 4)])
def test_the_interval_holds_the_true_geomean_19_times_in_20_and_not_much_more(
    kind: str, blocks: int, workloads: int
) -> None:
    rng = np.random.default_rng(blocks * 100 + workloads)
    held = same_held = 0
    for _ in range(TRIALS):
        truths = rng.uniform(0.5, 4, workloads)
        summary = summarise(_pairs(rng, truths, blocks, kind))
        low, high = summary.geomean.ci95
        held += low <= np.exp(np.log(truths).mean()) <= high
        same_held += summary.same.ci95[0] <= 1 <= summary.same.ci95[1]
    # Five blocks of one workload hold 93.9 % under normal noise (40,000 trials), bursts reached 98.8 % (600 trials):
    # within three standard deviations of 300 trials of that.
    assert 0.897 <= held / TRIALS <= 0.995
    assert same_held / TRIALS >= 0.897


@pytest.mark.parametrize("miss", [0.005, 0.2])
def test_intervals_miss_as_often_as_asked(miss: float) -> None:
    rng = np.random.default_rng(11)
    missed = 0
    for _ in range(600):
        low, high = summarise(_pairs(rng, np.ones(6), 8), miss).geomean.ci95
        missed += not low <= 1 <= high
    assert missed / 600 == pytest.approx(miss, abs=max(0.3 * miss, 0.01))


def test_the_interval_is_as_narrow_as_the_noise_allows() -> None:
    # 18 workloads of 5 blocks whose log ratios have the noise of one call: 2 x 1.96 deviations of their mean.
    rng = np.random.default_rng(7)
    widths = []
    for _ in range(40):
        low, high = summarise(_pairs(rng, np.full(18, 2.0), 5)).geomean.ci95
        widths.append(math.log(high / low))
    assert np.median(widths) < 1.3 * 2 * 1.96 * NOISE / math.sqrt(18 * 5)


def test_a_steady_drift_within_blocks_cancels() -> None:
    slope = np.linspace(-0.1, 0.1, 8)[:, None]
    pair = Paired(1e6 * np.exp(slope * np.array([0, 3])), 1e6 * np.exp(slope * np.array([1, 2])))
    assert summarise([pair]).geomean.ci95 == pytest.approx((1, 1))


def test_the_noise_floor_shrinks_with_more_blocks() -> None:
    rng = np.random.default_rng(13)
    few, many = (
        np.median([summarise(_pairs(rng, np.ones(6), blocks)).noise_floor for _ in range(50)]) for blocks in (6, 54)
    )
    assert few / many == pytest.approx(3, rel=0.35)


@given(st.floats(0.1, 10), st.integers(2, 6), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_without_noise_the_ratio_is_exact(truth: float, blocks: int, workloads: int) -> None:
    pair = Paired(np.full((blocks, 2), 1e6 * truth), np.full((blocks, 2), 1e6))
    summary = summarise([pair] * workloads)
    assert summary.geomean.value == pytest.approx(truth)
    assert summary.geomean.ci95 == pytest.approx((truth, truth))
    assert summary.noise_floor == pytest.approx(0, abs=1e-9)
    assert pair.times() == pytest.approx((1e6 * truth, 1e6))


def test_the_times_shown_have_the_speedup_as_their_ratio() -> None:
    (pair,) = _pairs(np.random.default_rng(2), np.array([2.0]), 5, "bursts")
    base, ours = pair.times()
    assert base / ours == pytest.approx(summarise([pair]).workloads[0].value)


def test_one_block_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2 blocks, got 1"):
        ratio_of_times([1.0, 1.0], [1.0, 1.0])


@given(st.lists(st.integers(1, 10**9), min_size=4, max_size=4))
def test_a_schedule_is_read_back_as_pairs(times: list[int]) -> None:
    assert abba_schedule(1) == (0, 1, 1, 0)
    pair = paired_of_schedule(times)
    assert pair.base.tolist() == [[times[0], times[3]]]
    assert pair.ours.tolist() == [[times[1], times[2]]]


def test_one_outlier_does_not_move_the_ratio_far() -> None:
    pairs = _pairs(np.random.default_rng(3), np.full(18, 2.0), 5)
    pairs[0].ours[1, 0] *= 20
    assert summarise(pairs).geomean.value == pytest.approx(2.0, rel=0.02)


def test_equal_times_give_equal_summaries() -> None:
    pairs = _pairs(np.random.default_rng(5), np.full(4, 1.5), 3)
    assert summarise(pairs) == summarise(pairs)


def test_geomean_of_nothing_is_one() -> None:
    assert geomean([]) == 1.0
    assert geomean([2.0, 8.0]) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("chance", "freedom", "published"),
    [(0.975, 1, 12.7062), (0.975, 2, 4.30265), (0.975, 5, 2.57058), (0.995, 10, 3.16927), (0.975, 1e5, 1.95999)],
)
def test_quantiles_of_students_distribution_are_the_published_ones(
    chance: float, freedom: float, published: float
) -> None:
    assert student_quantile(chance, freedom) == pytest.approx(published, rel=1e-5)
