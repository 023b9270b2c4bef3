"""Pointing clients of other makers at the tools."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from kernelwright.cli.arguments import Json, LedgerUrl, SuiteName
from kernelwright.cli.output import Output
from kernelwright.core.errors import RequestError

if TYPE_CHECKING:
    from kernelwright.workshop.clients.connection import Connection
    from kernelwright.workshop.clients.writing import Planned

# What a client works on when nothing is named.
PROBLEM, CHIP = "extend-attention", "cpu"
PROGRAM = "kernelwright"


def mcp_config(  # noqa: PLR0913, PLR0917  # one parameter an option of the command line
    client: Annotated[
        str, typer.Option("--client", help="claude-code, qwen-code, qoder, qwenpaw, openclaw, hermes or codex.")
    ],
    write: Annotated[
        bool, typer.Option("--write", help="Write the client's file and skill; what stands there is kept.")
    ] = False,
    user: Annotated[
        bool, typer.Option("--user", help="The file for all folders, where a client has one of this folder too.")
    ] = False,
    problem: Annotated[
        str | None, typer.Option("--problem", help=f"The problem to work on [default: {PROBLEM}].")
    ] = None,
    chip: Annotated[str | None, typer.Option("--chip", help=f"The chip to work for [default: {CHIP}].")] = None,
    suite: SuiteName = None,
    evals: Annotated[int | None, typer.Option("--evals", metavar="N", help="Evaluations of the run.")] = None,
    hours: Annotated[float | None, typer.Option("--hours", metavar="H", help="Hours of the run.")] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="The run to go on with.")] = None,
    http: Annotated[
        str | None, typer.Option("--http", metavar="URL", help="The server to call, one of kernelwright mcp --http.")
    ] = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Print, or write, what points a client (Claude Code, Qwen Code, Codex, ...) at the tools."""
    from kernelwright.workshop.clients.catalogue import find_client  # noqa: PLC0415  # lazy
    from kernelwright.workshop.clients.client import Surroundings  # noqa: PLC0415
    from kernelwright.workshop.clients.connection import TOKEN_VARIABLE  # noqa: PLC0415
    from kernelwright.workshop.clients.writing import existing_text, plan_file, plan_skill  # noqa: PLC0415

    chosen = find_client(client)
    of_new = {"--problem": problem, "--chip": chip, "--suite": suite, "--evals": evals, "--hours": hours}
    _require_one_way(run, http, of_new, ledger)
    output = Output(json)
    if http is not None:
        connection = _remote(http)
    elif run is not None:
        connection = _local(["--run", _known_run(run, ledger)], ledger)
    else:
        connection = _local(_opening(problem or PROBLEM, chip or CHIP, suite, evals, hours), ledger)
    where = Surroundings(Path.cwd(), Path.home(), os.environ, existing_text, user)
    planned = plan_file(chosen, connection, where)
    told: dict[str, object] = {
        "client": chosen.name,
        "file": str(planned.path),
        "text": planned.alone,
        "written": write,
    }
    if not write:
        output.result(told, lambda _: print(planned.alone, end="", flush=True))
        if not json:
            print(f"belongs in {planned.path}; --write puts it there", file=sys.stderr)
        return
    copies = [copy for copy in map(_write, (planned, plan_skill(chosen, where))) if copy is not None]
    skill = plan_skill(chosen, where).path
    told |= {"skill": str(skill), "copies": [str(copy) for copy in copies], "then": chosen.then}
    lines = [f"wrote {planned.path}", f"wrote {skill}", *(f"kept {copy}" for copy in copies)]
    output.result(told, lambda _: print("\n".join(lines), flush=True))
    if http is not None:
        output.say(f"the client's environment must hold the server's token as {TOKEN_VARIABLE}")
    if chosen.then:
        output.next(chosen.then)


def skill() -> None:
    """Print the skill that tells an agent how to work on a run."""
    from kernelwright.workshop.clients.skill import skill_text  # noqa: PLC0415  # lazy

    print(skill_text(), end="")


def installed_program() -> str:
    """Return the absolute path of this installation's command. Raises RequestError when there is none."""
    called = Path(sys.argv[0])
    if called.name == PROGRAM and called.is_absolute() and os.access(called, os.X_OK):
        return str(called)
    # Not resolved: the interpreter of an environment is a link, its commands lie beside the link.
    beside = Path(sys.executable).absolute().parent / PROGRAM
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(PROGRAM)
    if found is None:
        raise RequestError(f"clients start the command {PROGRAM}, it is not installed: pip install kernelwright")
    return str(Path(found).absolute())


def _write(planned: "Planned") -> Path | None:
    from kernelwright.workshop.clients.writing import write_planned  # noqa: PLC0415  # lazy

    return write_planned(planned)


def _require_one_way(run: str | None, http: str | None, of_new: Mapping[str, object], ledger: str | None) -> None:
    if run is not None and http is not None:
        raise RequestError("mcp-config needs one way to the tools, got two: --run and --http")
    one = "--run, a run keeps what it was opened with" if run is not None else "--http, the server has its run"
    given = [name for name, value in of_new.items() if value is not None]
    if given and (run is not None or http is not None):
        raise RequestError(f"{given[0]} does not go with {one}")
    if ledger is not None and http is not None:
        raise RequestError("--ledger does not go with --http, the server has its ledger")


def _remote(url: str) -> "Connection":
    from kernelwright.workshop.clients.connection import Remote  # noqa: PLC0415  # lazy

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RequestError(f"--http must be an address such as http://127.0.0.1:8765/mcp, got '{url}'")
    return Remote(url)


def _local(arguments: list[str], ledger: str | None) -> "Connection":
    from kernelwright.workshop.clients.connection import Local  # noqa: PLC0415  # lazy

    # Clients start servers from anywhere, and some hand on nothing of their own environment.
    named = os.environ.get("KERNELWRIGHT_HOME")
    environment = {"KERNELWRIGHT_HOME": str(Path(named).expanduser().absolute())} if named else {}
    of_ledger = ["--ledger", ledger] if ledger else []
    return Local(installed_program(), ("mcp", *arguments, *of_ledger), environment)


def _known_run(run: str, ledger: str | None) -> str:
    from kernelwright.cli.places import find_run  # noqa: PLC0415  # lazy
    from kernelwright.ledger import SqlLedger  # noqa: PLC0415

    return find_run(SqlLedger(ledger), run)


def _opening(problem: str, chip: str, suite: str | None, evals: int | None, hours: float | None) -> list[str]:
    from kernelwright.chips.emulated.profiles.profile import is_profile_path  # noqa: PLC0415  # needs torch
    from kernelwright.cli.opening import require_budget  # noqa: PLC0415
    from kernelwright.cli.suites import choose_suite  # noqa: PLC0415
    from kernelwright.problems import load_problem  # noqa: PLC0415

    require_budget(evals, hours)
    suite = choose_suite(problem, chip, suite)
    # A path must mean the same from every folder.
    chip = str(Path(chip).expanduser().absolute()) if is_profile_path(chip) else chip
    arguments = ["--problem", load_problem(problem).address, "--chip", chip, "--suite", suite]
    arguments += [] if evals is None else ["--evals", str(evals)]
    return arguments + ([] if hours is None else ["--hours", f"{hours:g}"])
