"""Where the time of an evaluated candidate goes, as far as its verdict tells."""

import math
from collections.abc import Iterable

from kernelwright.core.errors import RequestError
from kernelwright.core.evaluation import Evaluation
from kernelwright.core.verdict import WorkloadResult


def profile_view(evaluation: Evaluation, public: Iterable[str]) -> dict[str, object]:
    """Return, for each public workload, time, lower bound, what sets it, and the part of the gap that it owns.

    `gap_share` is the workload's share of the logarithm of candidate time over roofline time: where
    an improvement would raise the geometric mean most. Largest first. An emulated chip's roofline is not told: there
    the gap is that to the workload that gained most over the baseline.
    """
    verdict = evaluation.verdict
    if not verdict.is_accepted:
        raise RequestError(f"only accepted candidates are timed, evaluation {evaluation.number} is {verdict.status}")
    names = set(public)
    shown = [w for w in verdict.workloads if not w.hidden and w.name in names]
    goals = {w.name: float(w.roofline_ns) for w in shown}
    if verdict.emulated:
        most = max((w.speedup for w in shown), default=1.0)
        goals = {w.name: w.baseline_ns / most for w in shown}
    gaps = {w.name: max(0.0, math.log(w.candidate_ns / goals[w.name])) for w in shown}
    total = sum(gaps.values()) or 1.0
    rows = [
        {
            "name": w.name,
            "regime": w.regime,
            "candidate_ns": w.candidate_ns,
            "baseline_ns": w.baseline_ns,
            **({} if verdict.emulated else _roofline(w)),
            "gap_share": gaps[w.name] / total,
        }
        for w in sorted(shown, key=lambda w: -gaps[w.name])
    ]
    return {"evaluation": evaluation.number, "workloads": rows}


def _roofline(result: WorkloadResult) -> dict[str, object]:
    fraction = result.roofline_ns / result.candidate_ns
    return {"roofline_ns": result.roofline_ns, "bound": result.bound, "roofline_fraction": fraction}
