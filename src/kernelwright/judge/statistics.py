"""Ratios of times with honest intervals. Pure functions over samples in ns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2000
_LOW, _HIGH = 2.5, 97.5


@dataclass(frozen=True)
class Paired:
    """Times of one workload, in blocks of A B B A: `base` and `ours` are [blocks, 2], in ns and in order of time."""

    base: Floats
    ours: Floats

    def medians(self) -> tuple[float, float]:
        """Return the median times, baseline and candidate, in ns."""
        return float(np.median(self.base)), float(np.median(self.ours))


@dataclass(frozen=True)
class Ratio:
    """A speed-up with its bootstrap 95 % interval."""

    value: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class Summary:
    """Speed-ups of all workloads in order, their geometric mean, and the A/A interval of the baseline."""

    workloads: tuple[Ratio, ...]
    geomean: Ratio
    same: Ratio

    @property
    def noise_floor(self) -> float:
        """Return the largest distance from 1 that the A/A interval reaches."""
        low, high = self.same.ci95
        return max(abs(low - 1), abs(high - 1))


def joined(pairs: Sequence[Paired]) -> Paired:
    """Return the blocks of all `pairs`, in order."""
    return Paired(np.concatenate([p.base for p in pairs]), np.concatenate([p.ours for p in pairs]))


def abba_schedule(blocks: int) -> tuple[int, ...]:
    """Return the order of calls, 0 the baseline and 1 the candidate: A B B A, `blocks` times."""
    return (0, 1, 1, 0) * blocks


def paired_of_schedule(times_ns: Sequence[int]) -> Paired:
    """Return the times of `abba_schedule` as pairs."""
    table = np.asarray(times_ns, dtype=np.float64).reshape(-1, 4)
    return Paired(table[:, [0, 3]], table[:, [1, 2]])


def summarise(pairs: Sequence[Paired], seed: int) -> Summary:
    """Return speed-ups with 95 % intervals.

    A speed-up is the ratio of medians. Blocks are resampled with replacement within each workload, the same
    resamples for its A and B times; each resample of the geometric mean joins one resample of every workload.
    Deviations are widened by sqrt(n / (n - 1)), since n resampled blocks spread less than n new ones would.
    The A/A interval treats the first A of each block as one kernel and the second as another.
    """
    rng = np.random.default_rng(seed)
    values, drawn = _log_ratios(pairs, rng)
    split = [Paired(pair.base[:, :1], pair.base[:, 1:]) for pair in pairs]
    same_values, same_drawn = _log_ratios(split, rng)
    ratios = tuple(_ratio(value, row) for value, row in zip(values, drawn, strict=True))
    geomean = _ratio(float(values.mean()), drawn.mean(axis=0))
    return Summary(ratios, geomean, _ratio(float(same_values.mean()), same_drawn.mean(axis=0)))


def ratio_of_times(base_ns: Sequence[float], ours_ns: Sequence[float], seed: int) -> Ratio:
    """Return the speed-up of `ours_ns` over `base_ns`, an even number of times each, in order of time."""
    pair = Paired(*(np.asarray(times, dtype=np.float64).reshape(-1, 2) for times in (base_ns, ours_ns)))
    values, drawn = _log_ratios([pair], np.random.default_rng(seed))
    return _ratio(float(values[0]), drawn[0])


def geomean(values: Sequence[float]) -> float:
    """Return the geometric mean of positive numbers; 1 when there are none."""
    return float(np.exp(np.mean(np.log(values)))) if len(values) else 1.0


def _log_ratios(pairs: Sequence[Paired], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the log ratio of each workload and [workloads, RESAMPLES] resampled ones."""
    values = np.empty(len(pairs))
    drawn = np.empty((len(pairs), RESAMPLES))
    for row, pair in enumerate(pairs):
        blocks = len(pair.base)
        values[row] = np.log(np.median(pair.base) / np.median(pair.ours))
        picks = rng.integers(0, blocks, (RESAMPLES, blocks))
        base = np.median(pair.base[picks].reshape(RESAMPLES, -1), axis=1)
        ours = np.median(pair.ours[picks].reshape(RESAMPLES, -1), axis=1)
        widening = np.sqrt(blocks / (blocks - 1)) if blocks > 1 else 1.0
        drawn[row] = values[row] + widening * (np.log(base / ours) - values[row])
    return values, drawn


def _ratio(log_value: float, log_drawn: Floats) -> Ratio:
    low, high = np.exp(np.percentile(log_drawn, [_LOW, _HIGH]))
    return Ratio(float(np.exp(log_value)), (float(low), float(high)))
