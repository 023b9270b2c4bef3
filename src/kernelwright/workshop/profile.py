"""Where the time of an evaluated candidate goes, as far as its verdict tells."""

import math
from collections.abc import Iterable

from kernelwright.core.errors import RequestError
from kernelwright.core.evaluation import Evaluation


def profile_view(evaluation: Evaluation, public: Iterable[str]) -> dict[str, object]:
    """Return, for each public workload, time, lower bound, what sets it, and the part of the gap that it owns.

    `gap_share` is the workload's share of the logarithm of candidate time over roofline time: where
    an improvement would raise the geometric mean most. Largest first.
    """
    verdict = evaluation.verdict
    if not verdict.is_accepted:
        raise RequestError(f"only accepted candidates are timed, evaluation {evaluation.number} is {verdict.status}")
    names = set(public)
    shown = [w for w in verdict.workloads if not w.hidden and w.name in names]
    gaps = {w.name: max(0.0, math.log(w.candidate_ns / w.roofline_ns)) for w in shown}
    total = sum(gaps.values()) or 1.0
    rows = [
        {
            "name": w.name,
            "regime": w.regime,
            "candidate_ns": w.candidate_ns,
            "baseline_ns": w.baseline_ns,
            "roofline_ns": w.roofline_ns,
            "bound": w.bound,
            "roofline_fraction": w.roofline_ns / w.candidate_ns,
            "gap_share": gaps[w.name] / total,
        }
        for w in sorted(shown, key=lambda w: -gaps[w.name])
    ]
    return {"evaluation": evaluation.number, "workloads": rows}
