"""Figures of exact times: no interval, no noise, one call of each kernel."""

import math
from collections.abc import Mapping, Sequence

from kernelwright.core.final import ComparedWorkload, Comparison
from kernelwright.core.problem import Workload
from kernelwright.core.verdict import WorkloadResult
from kernelwright.core.work import Peaks, roofline_ns
from kernelwright.judge.figures import LEAST_NS, Figures, review_flags
from kernelwright.judge.statistics import Ratio, Summary
from kernelwright.judge.timed_suite import TimedSuite
from kernelwright.problems.contract import ErrorReport, LoadedProblem

_SAME = Ratio(1.0, (1.0, 1.0))


def exact_figures(
    problem: LoadedProblem,
    suite: TimedSuite,
    peaks: Peaks,
    times: tuple[Sequence[int], Sequence[int]],
    reports: Mapping[str, ErrorReport],
) -> Figures:
    """Return speed-ups, roofline fractions and review flags; `times` of baseline and candidate in ns.

    `reports` are the errors by regime, of the executed workloads: timed ones have no answers of their own.
    """
    results = []
    for case, base, ours in zip(suite.cases, *times, strict=True):
        workload, ratio = case.workload, base / ours
        report = reports.get(workload.regime) or max(reports.values(), key=lambda report: report.rel_l2)
        results.append(
            WorkloadResult(
                name=workload.name,
                regime=workload.regime,
                hidden=workload.hidden,
                baseline_ns=float(base),
                candidate_ns=float(ours),
                speedup=ratio,
                ci95=(ratio, ratio),
                rel_l2=report.rel_l2,
                rel_l2_gate=report.rel_l2_gate,
                roofline_ns=max(roofline_ns(problem.work(workload), peaks), LEAST_NS),
                bound=problem.bound(workload, suite.name, peaks),
            )
        )
    ratios = tuple(Ratio(result.speedup, result.ci95) for result in results)
    fractions = [r.roofline_ns / r.candidate_ns for r in results]
    bound = [f for f, r in zip(fractions, results, strict=True) if r.bound != "latency"]
    summary = Summary(ratios, _exact(geomean_of([ratio.value for ratio in ratios])), _SAME)
    of_bound = geomean_of(bound) if bound else None
    return Figures(summary, tuple(results), geomean_of(fractions), of_bound, review_flags(results))


def exact_comparison(
    name: str, workloads: Sequence[Workload], base_ns: Sequence[int], ours_ns: Sequence[int]
) -> Comparison:
    """Return the candidate against one baseline over all timed workloads."""
    rows = tuple(
        ComparedWorkload(w.name, w.regime, w.hidden, float(base), float(ours), base / ours, (base / ours, base / ours))
        for w, base, ours in zip(workloads, base_ns, ours_ns, strict=True)
    )
    whole = geomean_of([row.speedup for row in rows])
    return Comparison(name, whole, (whole, whole), rows)


def geomean_of(values: Sequence[float]) -> float:
    """Return the geometric mean of positive numbers, 1 of none; the sum is rounded once, whatever the order."""
    return math.exp(math.fsum(math.log(value) for value in values) / len(values)) if values else 1.0


def _exact(value: float) -> Ratio:
    return Ratio(value, (value, value))
