"""When a candidate becomes the best, and when that is a redesign."""

import math

from kernelwright.core.evaluation import Evaluation
from kernelwright.core.verdict import Verdict

# A candidate this much slower than the best by their ratios to the reference is not worth a direct comparison.
PROMISING = 0.93


def is_promising(verdict: Verdict, best: Evaluation | None) -> bool:
    """Return whether an accepted candidate is near enough to the best to be timed in turn with it."""
    if not verdict.is_accepted or verdict.geomean_speedup is None or best is None:
        return False
    return verdict.geomean_speedup > PROMISING * (best.verdict.geomean_speedup or 0.0)


def is_better(verdict: Verdict, held: Evaluation | None) -> bool:
    """Return whether `verdict` beats the best so far by more than noise; None is the reference.

    The interval of the ratio must lie above 1 plus the noise floor. That is the ratio to the best where both were
    timed in turn, else that of both speedups over the reference: they come from sessions of their own, so in
    logarithms the half-widths of their intervals add in quadrature.
    """
    if not verdict.is_accepted or verdict.geomean_speedup is None:
        return False
    direct = verdict.over_best
    if direct is not None and held is not None and direct.best_sha256 == held.candidate_sha256:
        return direct.is_gain
    best = held.verdict if held is not None else None
    ratio, half_width = math.log(verdict.geomean_speedup), _log_half_width(verdict)
    if best is not None and best.geomean_speedup is not None:
        ratio -= math.log(best.geomean_speedup)
        half_width = math.hypot(half_width, _log_half_width(best))
    return ratio - half_width > math.log1p(verdict.noise_floor or 0.0)


def is_redesign(verdict: Verdict, seen: frozenset[str]) -> bool:
    """Return whether a new best has an architecture that no accepted candidate of the run had before."""
    return bool(verdict.architecture) and verdict.architecture not in seen


def _log_half_width(verdict: Verdict) -> float:
    if verdict.ci95 is None or min(verdict.ci95) <= 0:
        return 0.0
    return (math.log(verdict.ci95[1]) - math.log(verdict.ci95[0])) / 2
