"""Arguments that several commands share."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")]
LedgerUrl = Annotated[
    str | None,
    typer.Option("--ledger", metavar="URL", help="SQLAlchemy URL of the ledger [default: a SQLite file in the home]."),
]
ProblemName = Annotated[
    str, typer.Argument(metavar="PROBLEM", help="Name of a problem; 'kernelwright problems' lists.")
]
ChipName = Annotated[str, typer.Option("--chip", help="Name of a chip; 'kernelwright chips' lists.")]
SuiteName = Annotated[
    str | None, typer.Option("--suite", help="smoke, cpu or full [default: cpu on chip cpu, full elsewhere].")
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="Name of a run, or the start of one.")]
Unsafe = Annotated[bool, typer.Option("--unsafe", help="Work without a sandbox; stamped on every result.")]
