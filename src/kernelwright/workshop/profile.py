"""Where the time of an evaluated candidate goes: its verdict's shares, and counters where the chip has some."""

import math
from collections.abc import Iterable, Sequence

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.core.evaluation import Evaluation
from kernelwright.core.verdict import WorkloadResult

# Workloads that are told in full, slowest share first, unless one is named.
MOST_IN_FULL = 3


def profile_view(evaluation: Evaluation, public: Iterable[str], workload: str | None = None) -> dict[str, object]:
    """Return, for each public workload, time, lower bound, what sets it, and the part of the gap that it owns.

    `gap_share` is the workload's share of the logarithm of candidate time over roofline time: where
    an improvement would raise the geometric mean most. Largest first. An emulated chip's roofline is not told: there
    the gap is that to the workload that gained most over the baseline. `workload` names the only one to be told.
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
    if workload is not None and workload not in goals:
        raise UnknownNameError("workload", workload, goals)
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
        if workload in (None, w.name)
    ]
    return {"evaluation": evaluation.number, "workloads": rows}


def told_in_full(rows: Sequence[dict[str, object]]) -> tuple[str, ...]:
    """Return the names of the workloads whose counters are told, of rows as `profile_view` gives them."""
    return tuple(str(row["name"]) for row in rows[:MOST_IN_FULL])


def _roofline(result: WorkloadResult) -> dict[str, object]:
    fraction = result.roofline_ns / result.candidate_ns
    return {"roofline_ns": result.roofline_ns, "bound": result.bound, "roofline_fraction": fraction}
