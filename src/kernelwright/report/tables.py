"""The tables of a report, as text cells: the terminal and the HTML file draw the same ones."""

import time
from dataclasses import dataclass

from kernelwright.core.final import RAGGED, Comparison, FinalFigures, Regret, TunedBaseline, geomean
from kernelwright.core.verdict import Verdict, WorkloadResult
from kernelwright.report.figures import (
    NONE,
    format_duration,
    format_ms,
    format_noise,
    format_number,
    format_percent,
    format_ratio,
)
from kernelwright.report.story import RunStory


@dataclass(frozen=True)
class Table:
    """Cells under headings; `left` counts the columns, from the first, that hold words."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


def headline(story: RunStory) -> str:
    """Return one line on what the run came to."""
    if story.final is None:
        best = story.promotions[-1].evaluation.verdict.geomean_speedup if story.promotions else None
        if story.phase == "closed":
            return "nothing that was tried beats the reference"
        said = f"{'emulated, ' if story.setup.emulated else ''}not yet judged again"
        return f"open, phase {story.phase}; best so far {format_ratio(best)} over the reference ({said})"
    verdict = story.final.verdict
    if not verdict.is_accepted:
        return f"final kernel {verdict.status}: {verdict.reason}"
    kind = ", emulated times" if verdict.emulated else ""
    return f"final kernel accepted, {format_ratio(verdict.geomean_speedup, verdict.ci95)} over the reference{kind}"


def final_tables(story: RunStory) -> tuple[Table, ...]:
    """Return the tables on the final kernel, none while there is no final kernel."""
    final = story.final
    if final is None:
        return ()
    tables = (baseline_table(final), regime_table(final), workload_table(final.verdict, final.tuned, final.library))
    return tables if final.regret is None else (*tables, regret_table(final.regret))


def baseline_table(final: FinalFigures) -> Table:
    """Return the final kernel against every baseline, with and without the ragged regime."""
    verdict = final.verdict
    rows = [
        (
            "reference",
            format_ratio(verdict.geomean_speedup, verdict.ci95),
            format_ratio(geomean(w.speedup for w in verdict.workloads if w.regime != RAGGED)),
        )
    ]
    for name, comparison in (("tuned reference", final.tuned), ("library", final.library)):
        if comparison is not None:
            ratio = format_ratio(comparison.geomean_speedup, comparison.ci95)
            rows.append((name, ratio, format_ratio(comparison.without(RAGGED))))
    rows.append(("roofline, all workloads", format_percent(verdict.roofline_fraction), NONE))
    rows.append(("roofline, compute- or bandwidth-bound", format_percent(verdict.roofline_fraction_bound), NONE))
    if verdict.emulated:
        rows.append(("noise", "none: times are emulated and exact", NONE))
    else:
        rows.append(("A/A noise, the reference against itself", format_noise(verdict.noise_floor), NONE))
    if final.regret is not None:
        rows.append(("regret against the optimum of the playbook", format_percent(final.regret.value), NONE))
    return Table("Against each baseline", ("baseline", "all workloads", "without ragged"), tuple(rows))


def workload_table(verdict: Verdict, tuned: Comparison | None = None, library: Comparison | None = None) -> Table:
    """Return one row a workload: times, ratios with intervals, share of the roofline, error and its gate."""
    unit = "emulated ms" if verdict.emulated else "ms"
    headings = ["workload", "regime", f"reference ({unit})"]
    headings += [f"tuned ({unit})"] * bool(tuned) + [f"library ({unit})"] * bool(library)
    headings += [f"kernel ({unit})", "vs reference"] + ["vs tuned"] * bool(tuned) + ["vs library"] * bool(library)
    headings += ["roofline", "rel-L2 (gate)"]
    others = [other for other in (tuned, library) if other is not None]
    rows = tuple(_workload_row(result, others) for result in verdict.workloads)
    return Table("Workloads", tuple(headings), rows, left=2)


def regime_table(final: FinalFigures) -> Table:
    """Return geometric means by regime against every baseline."""
    verdict = final.verdict
    regimes = tuple(dict.fromkeys(result.regime for result in verdict.workloads))
    rows = []
    for regime in regimes:
        row = [regime, format_ratio(geomean(w.speedup for w in verdict.workloads if w.regime == regime))]
        for other in (final.tuned, final.library):
            ratios = (w.speedup for w in other.workloads if w.regime == regime) if other else ()
            row.append(format_ratio(geomean(ratios)))
        fractions = (w.roofline_ns / w.candidate_ns for w in verdict.workloads if w.regime == regime)
        rows.append((*row, format_percent(geomean(fractions))))
    headings = ("regime", "vs reference", "vs tuned", "vs library", "roofline")
    return Table("Regimes", headings, tuple(rows))


def regret_table(regret: Regret) -> Table:
    """Return the final kernel beside the best of the fixed space, public workload by public workload."""
    rows = tuple(
        (
            row.name,
            row.regime,
            row.label,
            format_ms(row.optimum_ns),
            format_ms(row.candidate_ns),
            format_percent(row.candidate_ns / row.optimum_ns - 1),
        )
        for row in regret.workloads
    )
    title = f"Optimum over {regret.candidates} candidates of the playbook"
    if regret.failed:
        title += f", {regret.failed} of which did not come through"
    headings = ("workload", "regime", "best candidate", "optimum (emulated ms)", "kernel (emulated ms)", "regret")
    return Table(title, headings, rows, left=3)


def promotion_table(story: RunStory) -> Table:
    """Return how the best changed: each promotion, redesigns marked."""
    rows = tuple(
        (
            str(promotion.counted),
            format_duration(promotion.active_s),
            format_ratio(promotion.evaluation.verdict.geomean_speedup, promotion.evaluation.verdict.ci95),
            "redesign" if promotion.evaluation.is_redesign else "",
            promotion.evaluation.verdict.architecture[:8] or NONE,
            promotion.evaluation.note,
        )
        for promotion in story.promotions
    )
    headings = ("evaluation", "after", "vs reference", "", "architecture", "note")
    return Table("How the best changed", headings, rows, left=6)


def fact_table(story: RunStory) -> Table:
    """Return the run's setup and counts, and the machine it ran on."""
    setup = story.setup
    opened = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(story.opened_ns / 1e9))
    status = dict.fromkeys(e.verdict.status for e in story.evaluations)
    by_status = [f"{s} {sum(e.verdict.status == s for e in story.evaluations)}" for s in status]
    limits = [f"{setup.evaluations} evaluations"] if setup.evaluations is not None else []
    limits += [format_duration(setup.seconds)] if setup.seconds is not None else []
    rows = [
        ("problem, suite", f"{setup.problem}, {setup.suite}"),
        ("chip", setup.chip + (" (emulated)" if setup.emulated else "")),
        ("engineer", f"{setup.engineer}, seed {setup.seed}"),
        ("opened", opened),
        ("phase", story.phase + (f", {story.end_reason}" if story.end_reason else "")),
        ("worked for", f"{format_duration(story.active_s)} (budget {', '.join(limits) or 'none'})"),
        ("evaluations", f"{story.counted} counted; {', '.join(by_status) or 'none yet'}"),
        ("tool calls", format_number(float(story.tool_calls))),
        ("redesigns", str(story.redesigns)),
    ]
    if story.tuned is not None:
        rows.append(("tuned reference", f"{story.tuned.evaluations} evaluations"))
    if setup.unsafe:
        rows.append(("sandbox", "NONE: run with --unsafe, no claim holds against a hostile candidate"))
    rows += [(str(key), str(value)) for key, value in {**setup.machine, **setup.versions}.items()]
    rows.append(("ledger head", story.ledger_head))
    return Table("Run", ("what", "is"), tuple(rows), left=2)


def tuning_table(tuned: TunedBaseline) -> Table:
    """Return what tuning chose for each key of the reference's tile table."""
    return Table("Tuned reference", ("key", "configuration"), tuple(tuned.configs.items()), left=2)


def _workload_row(result: WorkloadResult, others: list[Comparison]) -> tuple[str, ...]:
    found = [next((w for w in other.workloads if w.name == result.name), None) for other in others]
    return (
        result.name + (" (hidden)" if result.hidden else ""),
        result.regime,
        format_ms(result.baseline_ns),
        *(format_ms(w.baseline_ns if w else None) for w in found),
        format_ms(result.candidate_ns),
        format_ratio(result.speedup, result.ci95),
        *(format_ratio(w.speedup, w.ci95) if w else NONE for w in found),
        format_percent(result.roofline_ns / result.candidate_ns),
        f"{result.rel_l2:.1e} ({result.rel_l2_gate:.0e})",
    )
