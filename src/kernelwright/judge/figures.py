"""From times to the figures of a verdict, and what physics says about them."""

from collections.abc import Sequence
from dataclasses import dataclass

from kernelwright.core.fault import Fault
from kernelwright.core.timing import Conditions
from kernelwright.core.verdict import WorkloadResult
from kernelwright.core.work import Peaks, roofline_ns
from kernelwright.judge.cases import Case
from kernelwright.judge.statistics import Paired, Summary, geomean, summarise
from kernelwright.problems.contract import ErrorReport, LoadedProblem

REVIEW_SPEEDUP = 10.0
# Peaks and times carry noise of their own; a figure this little above the roofline proves nothing.
_PHYSICS_MARGIN = 0.05

# A workload without any work has no bound; one ns keeps logarithms finite.
LEAST_NS = 1.0


@dataclass(frozen=True)
class Figures:
    """The measured part of a verdict."""

    summary: Summary
    workloads: tuple[WorkloadResult, ...]
    roofline_fraction: float
    roofline_fraction_bound: float | None
    flags: tuple[str, ...]
    conditions: Conditions | None = None


def figures_of(
    problem: LoadedProblem,
    suite: str,
    peaks: Peaks,
    cases: Sequence[Case],
    pairs: Sequence[Paired],
    reports: Sequence[ErrorReport],
) -> Figures:
    """Return speed-ups with intervals, roofline fractions and review flags."""
    summary = summarise(pairs)
    results = []
    for index, (case, pair, report) in enumerate(zip(cases, pairs, reports, strict=True)):
        ratio = summary.workloads[index]
        base, ours = pair.times()
        results.append(
            WorkloadResult(
                name=case.workload.name,
                regime=case.workload.regime,
                hidden=case.workload.hidden,
                baseline_ns=base,
                candidate_ns=ours,
                speedup=ratio.value,
                ci95=ratio.ci95,
                rel_l2=report.rel_l2,
                rel_l2_gate=report.rel_l2_gate,
                roofline_ns=max(roofline_ns(problem.work(case.workload), peaks), LEAST_NS),
                bound=problem.bound(case.workload, suite, peaks),
            )
        )
    fractions = [r.roofline_ns / r.candidate_ns for r in results]
    bound = [f for f, r in zip(fractions, results, strict=True) if r.bound != "latency"]
    of_bound = geomean(bound) if bound else None
    return Figures(summary, tuple(results), geomean(fractions), of_bound, review_flags(results))


def beyond_physics(figures: Figures) -> int | None:
    """Return the number of the first workload whose time is under the roofline's by more than noise, or None."""
    margin = 1 + max(figures.summary.noise_floor, _PHYSICS_MARGIN)
    for number, result in enumerate(figures.workloads):
        if result.candidate_ns * margin < result.roofline_ns:
            return number
    return None


def physics_fault(result: WorkloadResult) -> Fault:
    """Return the fault of a time that no machine with these peaks can reach."""
    reason = "no kernel can be faster than the roofline, this one was: work was left out or done outside the timed call"
    return Fault("cheating", reason, {"roofline_ns": result.roofline_ns, "candidate_ns": result.candidate_ns})


def review_flags(results: Sequence[WorkloadResult]) -> tuple[str, ...]:
    """Return what people should look at: workloads that are faster than anything honest was so far."""
    far = [r for r in results if r.speedup > REVIEW_SPEEDUP]
    named = ", ".join(
        f"{r.name} {r.speedup:.1f}x" if not r.hidden else f"hidden {r.regime} {r.speedup:.1f}x" for r in far
    )
    return (f"review: more than {REVIEW_SPEEDUP:g}x over the baseline on {named}",) if far else ()
