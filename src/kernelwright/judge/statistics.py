"""Ratios of times with honest intervals. Pure functions over samples in ns.

Blocks of A B B A give one log ratio each, in which a steady drift of the machine cancels. A workload's speed-up is
their trimmed mean, its error Yuen's, from the winsorised variance; errors of workloads add in quadrature, with
Satterthwaite's degrees of freedom.

Source: Yuen, "The two-sample trimmed t for unequal population variances", Biometrika 61(1), 1974.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelwright.judge.student import student_quantile

Floats = NDArray[np.float64]

# The chance that an interval misses the truth.
MISS = 0.05
# From each end of a workload's blocks, rounded down: one of five, three of sixteen.
_TRIMMED = 0.2
_LEAST_BLOCKS = 2


@dataclass(frozen=True)
class Paired:
    """Times of one workload, in blocks of A B B A: `base` and `ours` are [blocks, 2], in ns and in order of time."""

    base: Floats
    ours: Floats

    def log_ratios(self) -> Floats:
        """Return the logarithm of each block's speed-up."""
        return np.log(self.base).mean(axis=1) - np.log(self.ours).mean(axis=1)  # type: ignore[no-any-return]

    def log_same(self) -> Floats:
        """Return what each block's log ratio would be for the baseline against itself.

        The last A over the first has the noise of two calls, the ratio of two A and two B that of one.
        """
        return (np.log(self.base[:, 0]) - np.log(self.base[:, 1])) / np.sqrt(2)  # type: ignore[no-any-return]

    def times(self) -> tuple[float, float]:
        """Return the times of baseline and candidate in ns, whose ratio is the speed-up."""
        middle = float(np.median((np.log(self.base).mean(axis=1) + np.log(self.ours).mean(axis=1)) / 2))
        half = _estimate(self.log_ratios()).value / 2
        return float(np.exp(middle + half)), float(np.exp(middle - half))


@dataclass(frozen=True)
class Ratio:
    """A speed-up with its interval, 95 % unless said otherwise."""

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


@dataclass(frozen=True)
class _Estimate:
    """A mean of logarithms, the variance of its error, and the degrees of freedom of that."""

    value: float
    variance: float
    freedom: float

    def ratio(self, miss: float) -> Ratio:
        half = student_quantile(1 - miss / 2, self.freedom) * np.sqrt(self.variance) if self.variance > 0 else 0.0
        low, high = (float(np.exp(self.value + side * half)) for side in (-1, 1))
        return Ratio(float(np.exp(self.value)), (low, high))


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


def summarise(pairs: Sequence[Paired], miss: float = MISS) -> Summary:
    """Return speed-ups with intervals that miss the truth with probability `miss`; at least two blocks each."""
    found = [_estimate(pair.log_ratios()) for pair in pairs]
    same = [_estimate(pair.log_same()) for pair in pairs]
    ratios = tuple(estimate.ratio(miss) for estimate in found)
    return Summary(ratios, _mean(found).ratio(miss), _mean(same).ratio(miss))


def ratio_of_times(base_ns: Sequence[float], ours_ns: Sequence[float]) -> Ratio:
    """Return the speed-up of `ours_ns` over `base_ns`, an even number of times each, in order of time."""
    pair = Paired(*(np.asarray(times, dtype=np.float64).reshape(-1, 2) for times in (base_ns, ours_ns)))
    return _estimate(pair.log_ratios()).ratio(MISS)


def geomean(values: Sequence[float]) -> float:
    """Return the geometric mean of positive numbers; 1 when there are none."""
    return float(np.exp(np.mean(np.log(values)))) if len(values) else 1.0


def _estimate(logs: Floats) -> _Estimate:
    """Return the trimmed mean of `logs` with Yuen's variance."""
    count = len(logs)
    if count < _LEAST_BLOCKS:
        raise ValueError(f"an interval needs at least {_LEAST_BLOCKS} blocks, got {count}")
    cut = int(_TRIMMED * count)
    kept = count - 2 * cut
    ordered = np.sort(logs)
    winsorised = np.clip(ordered, ordered[cut], ordered[count - cut - 1])
    spread = float(((winsorised - winsorised.mean()) ** 2).sum())
    return _Estimate(float(ordered[cut : count - cut].mean()), spread / (kept * (kept - 1)), kept - 1)


def _mean(parts: Sequence[_Estimate]) -> _Estimate:
    total = sum(part.variance for part in parts)
    squares = sum(part.variance**2 / part.freedom for part in parts)
    freedom = total**2 / squares if squares > 0 else 1.0
    return _Estimate(sum(part.value for part in parts) / len(parts), total / len(parts) ** 2, freedom)
