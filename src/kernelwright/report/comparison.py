"""Engineers side by side: a table with a column a run, a plot of the best so far, a page of both."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from kernelwright.core.run_figures import RunFigures
from kernelwright.report.figures import NONE, format_duration, format_number, format_percent, format_ratio
from kernelwright.report.pages import Section, format_page
from kernelwright.report.progress_plot import ProgressLine, progress_plot
from kernelwright.report.tables import Table


@dataclass(frozen=True)
class Comparison:
    """Runs on one problem, chip and suite; `notes` say what else is not the same for all of them."""

    problem: str
    chip: str
    suite: str
    emulated: bool
    runs: tuple[RunFigures, ...]
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return what was asked of all runs, with the word emulated where times are."""
        return f"{self.problem} on {self.chip}{' (emulated)' if self.emulated else ''}, suite {self.suite}"


Cell = Callable[[RunFigures], str]


def comparison_table(comparison: Comparison) -> Table:
    """Return one row a figure, one column a run."""
    runs = comparison.runs
    goals = dict.fromkeys(name for run in runs for name in run.evaluations_to)
    statuses = dict.fromkeys(status for run in runs for status in run.failed_share)
    rows: list[tuple[str, Cell]] = [
        ("best over the reference" + " (emulated)" * comparison.emulated, lambda r: format_ratio(r.speedup, r.ci95)),
    ]
    rows += [(f"evaluations to {goal}", _count_cell(goal)) for goal in goals]
    rows += [
        ("evaluations", lambda run: f"{run.evaluations:,}"),
        ("failed candidates", lambda run: format_percent(sum(run.failed_share.values()) if run.evaluations else None)),
    ]
    rows += [(f"failed: {status}", _share_cell(status)) for status in statuses]
    rows += [
        ("redesigns", lambda run: str(run.redesigns)),
        ("tool calls", lambda run: f"{run.tool_calls:,}"),
        ("from first entry to last", lambda run: format_duration(run.wall_s)),
        ("worked on", lambda run: format_duration(run.active_s)),
        ("tokens in", lambda run: NONE if run.usage is None else f"{run.usage.input_tokens:,}"),
        ("tokens out", lambda run: NONE if run.usage is None else f"{run.usage.output_tokens:,}"),
        ("US dollars", _usd),
        ("regret", lambda run: format_percent(run.regret)),
    ]
    cells = tuple((name, *(cell(run) for run in runs)) for name, cell in rows)
    return Table(comparison.title, ("", *(run.label for run in runs)), cells)


def runs_table(comparison: Comparison) -> Table:
    """Return one row a run: the name it is compared under, the run's own, engineer and seed, how it ended."""
    rows = tuple((run.label, run.run, run.engineer, str(run.seed), _status(run)) for run in comparison.runs)
    return Table("Runs", ("as", "run", "engineer", "seed", "status"), rows, left=5)


def comparison_plot(comparison: Comparison) -> str:
    """Return the best so far of every run over its counted evaluations, as SVG."""
    lines = tuple(ProgressLine(run.label, run.best_so_far, run.evaluations) for run in comparison.runs)
    return progress_plot(comparison.title, lines)


def comparison_page(comparison: Comparison) -> str:
    """Return the HTML page: plot and table."""
    lead = "Lines are judgements while engineers worked; figures below were judged again where a run is closed."
    sections = (
        Section("Best so far", plot=comparison_plot(comparison)),
        Section("Side by side", tables=(_untitled(comparison_table(comparison)),)),
        Section("Runs", (*comparison.notes, *_unsafe(comparison)), tables=(_untitled(runs_table(comparison)),)),
    )
    return format_page(f"Engineers side by side: {comparison.title}", lead, sections)


def _untitled(table: Table) -> Table:
    return replace(table, title="")


def _unsafe(comparison: Comparison) -> tuple[str, ...]:
    names = [run.run for run in comparison.runs if run.unsafe]
    return (f"run without a sandbox: {', '.join(names)}",) if names else ()


def _status(run: RunFigures) -> str:
    if run.phase != "closed":
        return f"{run.phase}, not yet judged again" if run.speedup is not None else run.phase
    return "nothing beats the reference" if run.final_status == "no_candidate" else run.final_status


def _usd(run: RunFigures) -> str:
    return NONE if run.usage is None or run.usage.usd is None else format_number(run.usage.usd)


def _count_cell(goal: str) -> Cell:
    def cell(run: RunFigures) -> str:
        found = run.evaluations_to.get(goal)
        return NONE if found is None else f"{found:,}"

    return cell


def _share_cell(status: str) -> Cell:
    return lambda run: format_percent(run.failed_share[status]) if status in run.failed_share else NONE
