"""Reading runs."""

import json as json_text
from pathlib import Path
from typing import Annotated

import typer

from kernelwright.cli.arguments import Json, LedgerUrl, RunName
from kernelwright.cli.output import Output, console
from kernelwright.core.errors import RequestError, UnknownNameError


def report(
    run: RunName,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained HTML file.")
    ] = None,
    ledger: LedgerUrl = None,
) -> None:
    """Show what a run came to: figures against every baseline, each workload, the way there."""
    from kernelwright.cli.places import find_run  # noqa: PLC0415  # lazy
    from kernelwright.cli.stories import story_of, with_rates  # noqa: PLC0415
    from kernelwright.ledger import SqlLedger  # noqa: PLC0415
    from kernelwright.report import format_html, print_report  # noqa: PLC0415

    store = SqlLedger(ledger)
    name = find_run(store, run)
    story = with_rates(story_of(store.entries(name), store.blob), Output(json=False).say)
    if html is not None:
        try:
            html.write_text(format_html(story), encoding="utf-8")
        except OSError as error:
            raise RequestError(f"the report must go to a file that can be written, {html}: {error.strerror}") from None
        print(f"wrote {html}")
    else:
        print_report(story, console())
    Output(json=False).next(f"kernelwright verify {name}" if story.final else f"kernelwright status {name}")


def history(
    run: RunName,
    every: Annotated[bool, typer.Option("--all", help="Every entry, not only evaluations.")] = False,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """List the evaluations of a run, or all its entries."""
    from kernelwright.cli.places import find_run  # noqa: PLC0415  # lazy
    from kernelwright.cli.supervising import format_entry  # noqa: PLC0415
    from kernelwright.ledger import SqlLedger  # noqa: PLC0415

    store = SqlLedger(ledger)
    name = find_run(store, run)
    entries = [entry for entry in store.entries(name) if every or entry.kind == "evaluation"]
    value = [
        {"entry": f"{name}:{e.number}", "kind": e.kind, "time_ns": e.time_ns, "payload": e.payload} for e in entries
    ]
    output = Output(json)
    output.result({"run": name, "entries": value}, lambda screen: print("\n".join(map(format_entry, entries))))
    output.next(f"kernelwright show {name}:{entries[-1].number if entries else 1}")


def show(
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="RUN:NUMBER, or a run's name for its last entry.")],
    source: Annotated[bool, typer.Option("--source", help="Print the candidate's source and nothing else.")] = False,
    ledger: LedgerUrl = None,
) -> None:
    """Print one entry as JSON, or the source it holds."""
    from kernelwright.cli.places import find_run  # noqa: PLC0415  # lazy
    from kernelwright.ledger import SqlLedger  # noqa: PLC0415

    store = SqlLedger(ledger)
    run, _, number = entry.partition(":")
    entries = store.entries(find_run(store, run))
    if number and not number.isdecimal():
        raise RequestError(f"an entry is named RUN:NUMBER, got '{entry}'")
    place = int(number) if number else len(entries)
    if not 1 <= place <= len(entries):
        raise UnknownNameError("entry", entry, (f"{entries[0].run}:1", f"{entries[0].run}:{len(entries)}"))
    found = entries[place - 1]
    if not source:
        print(json_text.dumps(found.__dict__, indent=2))
        return
    digest = found.payload.get("candidate")
    if not isinstance(digest, str):
        raise RequestError(f"entry {entry} must hold a candidate, it is of kind {found.kind}. Look at 'history'.")
    print(store.blob(digest).decode(), end="")
