"""Lending the tools to whoever speaks MCP."""

from pathlib import Path
from typing import Annotated

import typer

from kernelwright.cli.arguments import LedgerUrl, SuiteName, Unsafe
from kernelwright.cli.opening import DEFAULT_EVALUATIONS, Request, require_budget
from kernelwright.core.errors import RequestError
from kernelwright.engineers.clients import ClientsEngineer

DEFAULT_PORT = 8765
LOOPBACK = "127.0.0.1"
_OF_NEW_RUNS = ("--problem", "--chip", "--suite", "--evals", "--hours", "--seed", "--new", "--unsafe")
_OF_HTTP = ("--host", "--port", "--token-file")


def mcp(  # noqa: PLR0913, PLR0917  # one parameter an option of the command line
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Go on with this run.")] = None,
    problem: Annotated[
        str | None, typer.Option("--problem", help="Work on a problem; 'kernelwright problems' lists.")
    ] = None,
    chip: Annotated[str | None, typer.Option("--chip", help="Name of a chip; 'kernelwright chips' lists.")] = None,
    suite: SuiteName = None,
    evals: Annotated[
        int | None,
        typer.Option("--evals", metavar="N", help=f"Evaluations [default: {DEFAULT_EVALUATIONS} unless --hours]."),
    ] = None,
    hours: Annotated[
        float | None, typer.Option("--hours", metavar="H", help="Hours that clients may take [default: no limit].")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="S", help="Seed of a run on an emulated chip [default: 0].")
    ] = None,
    http: Annotated[bool, typer.Option("--http", help="Serve HTTP instead of standard input and output.")] = False,
    address: Annotated[
        str | None, typer.Option("--host", metavar="H", help="Address to serve [default: this machine alone].")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="P", help=f"Port to serve, 0 for any free one [default: {DEFAULT_PORT}]."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="F", help="File of the token; written if it is not there.")
    ] = None,
    share: Annotated[
        int | None, typer.Option("--share", metavar="N", help="Evaluations that each client may use [default: all].")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Open a new run even if an equal one is unfinished.")] = False,
    ledger: LedgerUrl = None,
    unsafe: Unsafe = False,
) -> int:
    """Serve the tools to MCP clients: whoever connects is the engineer."""
    from kernelwright.cli.choosing import Wanted  # noqa: PLC0415  # lazy
    from kernelwright.cli.hosting import Host, over_http, over_stdio  # noqa: PLC0415
    from kernelwright.workshop.mcp import require_sdk  # noqa: PLC0415

    require_sdk()
    of_new = (problem, chip, suite, evals, hours, seed, new or None, unsafe or None)
    request = None
    if run is not None:
        _require_none(dict(zip(_OF_NEW_RUNS, of_new, strict=True)), "--run, a run keeps what it was opened with")
    else:
        if problem is None or chip is None:
            raise RequestError("mcp needs a run to go on with, --run RUN, or what to open: --problem P --chip C")
        require_budget(evals, hours)
        request = Request(problem, chip, ClientsEngineer.name, suite, evals, hours, seed or 0, unsafe=unsafe)
    if share is not None and share < 1:
        raise RequestError(f"--share must be at least 1, got {share}")
    hosted = Host(Wanted(run, request, new, ledger, share))
    if http:
        return over_http(hosted, address or LOOPBACK, DEFAULT_PORT if port is None else port, token_file)
    _require_none(
        dict(zip(_OF_HTTP, (address, port, token_file), strict=True)), "standard input and output; add --http"
    )
    return over_stdio(hosted)


def _require_none(given: dict[str, object], beside: str) -> None:
    for name, value in given.items():
        if value is not None:
            raise RequestError(f"{name} does not go with {beside}")
