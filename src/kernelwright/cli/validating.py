"""Emulated times beside measured ones: `kernelwright chips validate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kernelwright.cli.arguments import Json
from kernelwright.cli.output import Output
from kernelwright.core.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernelwright.chips.emulated.validation.outcome import Outcome

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="CSV", help="Measured int8 GEMM timings of zw810e and zw810, columns as documented."
    ),
]


def validate(data: Data = None, json: Json = False) -> None:
    """Compare emulated times with measured ones."""
    output = Output(json)
    outcomes = _outcomes(data, output)
    _show(outcomes, output)
    output.next("read docs/validation.md for splits, sizes and what is not validated")


def _outcomes(data: Path | None, output: Output) -> "list[Outcome]":
    from kernelwright.chips.emulated.validation import library, rows, tuner  # noqa: PLC0415  # Numba and Triton, slow

    if data is not None:
        return tuner.validate_rows(rows.load_rows(data), output.phase)
    output.say("no --data: int8 GEMM of zw810e and zw810 is left out. Give measured timings with --data CSV.")
    missing = library.missing_package()
    if missing:
        raise RequestError(f"nothing to validate on: no --data, and {missing}")
    return library.validate_tables(output.phase)


def _show(outcomes: "Sequence[Outcome]", output: Output) -> None:
    from kernelwright.chips.emulated.validation.outcome import as_json  # noqa: PLC0415  # lazy
    from kernelwright.chips.emulated.validation.targets import LIBRARY_SENTENCE  # noqa: PLC0415  # lazy
    from kernelwright.report import Table, print_table  # noqa: PLC0415  # lazy

    headings = ("chip", "kernels", "points", "MAPE %", "median %", "p90 %", "target %", "", "how timed (emulated)")
    cells = tuple(_cells(outcome) for outcome in outcomes)
    output.result(as_json(outcomes), lambda console: print_table(Table("", headings, cells, left=2), console))
    if any(outcome.target is not None and outcome.target.library for outcome in outcomes):
        output.say(LIBRARY_SENTENCE)


def _cells(outcome: "Outcome") -> tuple[str, ...]:
    errors, target = outcome.errors, outcome.target
    reached = {None: "", True: "met", False: "MISSED"}[outcome.is_met]
    numbers = (f"{errors.mape:.1f}", f"{errors.median:.1f}", f"{errors.p90:.1f}")
    goal = "" if target is None else f"<= {target.mape:g}"
    return (outcome.chip, outcome.workload, str(errors.points), *numbers, goal, reached, outcome.note)
