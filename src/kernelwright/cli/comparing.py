"""Engineers side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kernelwright.cli.arguments import Json, LedgerUrl
from kernelwright.cli.output import Output, write_text

if TYPE_CHECKING:
    from rich.console import Console

    from kernelwright.report.comparison import Comparison


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN ...", help="Runs on one problem, chip and suite.")],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one page with a plot.")] = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Set engineers side by side on one problem: speedup, how soon, failures, time, tokens, money, regret."""
    from kernelwright.cli.places import find_run  # noqa: PLC0415  # lazy
    from kernelwright.ledger import SqlLedger  # noqa: PLC0415
    from kernelwright.report.comparison import Comparison, comparison_page  # noqa: PLC0415
    from kernelwright.runs import setup_of  # noqa: PLC0415
    from kernelwright.runs.figures import compared_runs, machine_differences  # noqa: PLC0415

    store, output = SqlLedger(ledger), Output(json)
    entries = [store.entries(find_run(store, run)) for run in runs]
    figures, setup = compared_runs(entries), setup_of(entries[0])
    notes = machine_differences(entries)
    found = Comparison(setup.problem, setup.chip, setup.suite, setup.emulated, figures, notes)
    if html is not None:
        write_text(html, comparison_page(found), "page")
    output.result(found, lambda console: _draw(found, console))
    best = max(figures, key=lambda run: run.speedup or 0.0)
    output.next(f"kernelwright report {best.run}")


def _draw(comparison: "Comparison", console: "Console") -> None:
    from kernelwright.report import print_table  # noqa: PLC0415  # lazy
    from kernelwright.report.comparison import comparison_table, runs_table  # noqa: PLC0415

    print_table(comparison_table(comparison), console)
    console.print()
    print_table(runs_table(comparison), console)
    for note in comparison.notes:
        console.print(f"note: {note}", soft_wrap=True)
