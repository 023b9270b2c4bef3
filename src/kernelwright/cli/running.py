"""Runs: opening one, and going on with one."""

from dataclasses import replace
from typing import Annotated

import typer

from kernelwright.cli.arguments import ChipName, Json, LedgerUrl, ProblemName, RunName, SuiteName, Unsafe
from kernelwright.cli.opening import DEFAULT_EVALUATIONS, Request, describe_setup, new_name, open_under, require_budget
from kernelwright.cli.output import Output
from kernelwright.core.errors import KernelwrightError, RequestError


def run(  # noqa: PLR0913, PLR0917  # one parameter an option of the command line
    problem: ProblemName,
    chip: ChipName,
    engineer: Annotated[str, typer.Option("--engineer", help="Name of an engineer; 'kernelwright engineers' lists.")],
    suite: SuiteName = None,
    evals: Annotated[
        int | None,
        typer.Option("--evals", metavar="N", help=f"Evaluations [default: {DEFAULT_EVALUATIONS} unless --hours]."),
    ] = None,
    hours: Annotated[
        float | None, typer.Option("--hours", metavar="H", help="Hours of work [default: no limit].")
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="S", help="Seed of the engineer, on emulated chips of all.")
    ] = 0,
    regret: Annotated[
        bool, typer.Option("--regret", help="On an emulated chip: measure the distance to the best of a fixed space.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="LIST", help="Language models, such as qwen:qwen3-max; the next where one fails."
        ),
    ] = None,
    islands: Annotated[
        int | None, typer.Option("--islands", metavar="N", help="Conversations with models at a time [default: 1].")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option("--tokens", metavar="N", help="Tokens that models may take [default: no limit].")
    ] = None,
    usd: Annotated[
        float | None, typer.Option("--usd", metavar="X", help="US dollars that models may take [default: no limit].")
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            "--window", metavar="TOKENS", help="Context window to use [default: the model's, at most 200000]."
        ),
    ] = None,
    silent_turns: Annotated[
        int | None,
        typer.Option("--silent-turns", metavar="N", help="Turns without a tool call that end the work [default: 5]."),
    ] = None,
    ledger: LedgerUrl = None,
    unsafe: Unsafe = False,
    json: Json = False,
) -> int:
    """Make the reference faster: an engineer works until the budget is spent, the best is proven."""
    from kernelwright.engineers.catalogue import prepare_engineer, require_fit  # noqa: PLC0415
    from kernelwright.ledger import SqlLedger  # noqa: PLC0415
    from kernelwright.problems import load_problem  # noqa: PLC0415  # lazy: needs torch

    require_budget(evals, hours)
    _require_model_budget(tokens, usd)
    given = {"model": model, "islands": islands, "window": window, "silent_turns": silent_turns}
    options = {name: value for name, value in given.items() if value is not None}
    require_fit(engineer, load_problem(problem).address)
    asked = Request(problem, chip, engineer, suite, evals, hours, seed, regret, unsafe, options, tokens, usd)
    setup, output = describe_setup(asked), Output(json)
    for line in prepare_engineer(setup):
        output.say(line)
    store, name = SqlLedger(ledger), new_name()
    open_under(store, name, setup)
    return _conduct(name, ledger, store, output)


def resume(run: RunName, ledger: LedgerUrl = None, json: Json = False) -> int:
    """Go on with a run: one that is paused, or one whose process ended in any way."""
    from kernelwright.cli.places import find_run  # noqa: PLC0415  # lazy
    from kernelwright.ledger import SqlLedger  # noqa: PLC0415

    store = SqlLedger(ledger)
    name = find_run(store, run)
    if store.is_written(name):
        store.request(name, "resume")
        output = Output(json)
        output.result({"run": name, "asked": "resume"}, lambda console: console.print(f"asked run {name} to go on"))
        output.next(f"kernelwright watch {name}")
        return 0
    return _conduct(name, ledger, store, Output(json))


def _conduct(name: str, url: str | None, store: "object", output: Output) -> int:
    from kernelwright.cli.bench import WiredBench  # noqa: PLC0415  # lazy: needs torch
    from kernelwright.cli.stories import story_of  # noqa: PLC0415
    from kernelwright.ledger import SqlLedger  # noqa: PLC0415
    from kernelwright.report import print_report  # noqa: PLC0415
    from kernelwright.runs import conduct_run, summarise  # noqa: PLC0415

    assert isinstance(store, SqlLedger)
    again = f"kernelwright resume {name}" + (f" --ledger {url}" if url else "")
    output.say(f"run {name}; Ctrl-C stops it safely, '{again}' goes on")
    try:
        conduct_run(store, name, lambda setup, secret: WiredBench(name, setup, secret, output.phase), output.say)
    except KeyboardInterrupt:
        output.say(f"interrupted, nothing is lost. Go on with: {again}")
        raise
    except KernelwrightError as error:
        if error.exit_code == 3:
            output.say(f"the run stays open. Go on with: {again}")
        raise
    finally:
        store.close()
    summary = summarise(store.entries(name))
    story = story_of(store.entries(name), store.blob)
    output.result(replace(summary), lambda console: print_report(story, console))
    output.next(f"kernelwright verify {name}")
    return 0 if summary.final_status == "accepted" else 1


def _require_model_budget(tokens: int | None, usd: float | None) -> None:
    if tokens is not None and tokens < 1:
        raise RequestError(f"--tokens must be at least 1, got {tokens}")
    if usd is not None and not 0 < usd < 1e6:
        raise RequestError(f"--usd must be above 0 and below a million, got {usd:g}")
