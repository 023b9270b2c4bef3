"""Watching over runs that another process works on."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from kernelwright.cli.arguments import Json, LedgerUrl, RunName
from kernelwright.cli.output import Output
from kernelwright.core.entry import Entry
from kernelwright.core.errors import RequestError

if TYPE_CHECKING:
    from kernelwright.runs import RunState

POLL_S = 1.0
MOST_WORDS = 120


def status(run: RunName, ledger: LedgerUrl = None, json: Json = False) -> None:
    """Say where a run is: phase, counts, best so far, time left."""
    from kernelwright.cli.places import find_run  # noqa: PLC0415  # lazy
    from kernelwright.ledger import SqlLedger  # noqa: PLC0415
    from kernelwright.report import Table, format_duration, format_ratio, print_table  # noqa: PLC0415
    from kernelwright.runs import fold, time_left_s  # noqa: PLC0415

    store = SqlLedger(ledger)
    name = find_run(store, run)
    state, is_live = fold(store.entries(name)), store.is_written(name)
    best, left = state.best.verdict if state.best else None, time_left_s(state)
    limit = state.setup.evaluations if state.setup else None
    kind = " (emulated)" if state.setup and state.setup.emulated else ""
    value = {
        "run": name,
        "phase": state.phase,
        "is_live": is_live,
        "evaluations": state.counted,
        "evaluations_limit": limit,
        "tool_calls": state.tool_calls,
        "redesigns": state.redesigns,
        "evaluations_since_best": state.since_best,
        "best_geomean_speedup": best.geomean_speedup if best else None,
        "best_ci95": best.ci95 if best else None,
        "emulated": bool(state.setup and state.setup.emulated),
        "tokens": state.tokens,
        "usd": round(state.usd, 6),
        "wall_s": round(state.active_ns / 1e9, 3),
        "time_left_s": None if state.is_closed else left,
        "end_reason": state.end_reason,
    }
    shown = {
        "run": name,
        "phase": state.phase + (f", {state.end_reason}" if state.end_reason else ""),
        "worked on now": "yes" if is_live else "no",
        "evaluations": f"{state.counted} of {limit or 'any number'}",
        "tool calls": str(state.tool_calls),
        "redesigns": str(state.redesigns),
        "best": format_ratio(best.geomean_speedup, best.ci95) + kind if best else "none yet",
        "since best": f"{state.since_best} evaluations",
        **_taken_by_models(state),
        "worked for": format_duration(state.active_ns / 1e9),
        "time left": "-" if state.is_closed or left is None else f"about {format_duration(left)}",
    }
    output, table = Output(json), Table("", ("what", "is"), tuple(shown.items()), left=2)
    output.result(value, lambda console: print_table(table, console))
    output.next(f"kernelwright {'report' if state.is_closed else 'watch' if is_live else 'resume'} {name}")


def _taken_by_models(state: "RunState") -> dict[str, str]:
    """Return rows on tokens and money, none for runs without a model."""
    setup = state.setup
    if setup is None or not (state.tokens or setup.tokens or setup.usd):
        return {}
    tokens = f" of {setup.tokens}" if setup.tokens else ""
    usd = f" of ${setup.usd:.2f}" if setup.usd else ""
    return {"tokens": f"{state.tokens}{tokens}", "money": f"${state.usd:.2f}{usd}, as far as prices are known"}


def watch(run: RunName, ledger: LedgerUrl = None) -> None:
    """Print what happens in a run until it closes; Ctrl-C ends the watching, not the run."""
    from kernelwright.cli.places import find_run  # noqa: PLC0415  # lazy
    from kernelwright.ledger import SqlLedger  # noqa: PLC0415

    store = SqlLedger(ledger)
    name, after = find_run(store, run), 0
    try:
        while True:
            for entry in store.entries_after(name, after):
                after = entry.number
                print(format_entry(entry), flush=True)
                if entry.kind == "closed":
                    Output(json=False).next(f"kernelwright report {name}")
                    return
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        print(f"next: kernelwright status {name}", flush=True)


def steer(
    run: RunName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the engineer reads with its next tool result.")],
    ledger: LedgerUrl = None,
) -> None:
    """Tell the engineer of a run something."""
    if not text.strip():
        raise RequestError("steering needs a text, it is empty")
    _request(run, "steer", ledger, text)


def pause(run: RunName, ledger: LedgerUrl = None) -> None:
    """Let a run wait after its current tool call; its time budget stands still."""
    _request(run, "pause", ledger)


def stop(run: RunName, ledger: LedgerUrl = None) -> None:
    """End the work after the current tool call; the best kernel is judged again and the run closes."""
    _request(run, "stop", ledger)


def format_entry(entry: Entry) -> str:
    """Return one line on an entry."""
    clock = time.strftime("%H:%M:%S", time.gmtime(entry.time_ns / 1e9))
    return f"{entry.number:5d}  {clock}  {entry.kind:14s}  {_summary(entry)}".rstrip()


def _summary(entry: Entry) -> str:
    payload = entry.payload
    if entry.kind == "evaluation":
        verdict = payload["verdict"]
        found = verdict if isinstance(verdict, dict) else {}
        speedup = found.get("geomean_speedup")
        kind = " emulated" if found.get("emulated") else ""
        shown = f"{speedup:.3g}x{kind}" if isinstance(speedup, float) else str(found.get("reason", ""))
        marks = " redesign" * bool(payload["is_redesign"]) + " best" * bool(payload["is_best"])
        repeat = f" repeats {payload['repeats']}" if payload["repeats"] else ""
        return f"{payload['number']}: {found.get('status')} {shown}{marks}{repeat}  {payload['note']}"
    if entry.kind == "tool_call":
        who = f"  by {payload['client']}" if payload.get("client") else ""
        return f"{payload['name']}{who}" + (f"  refused: {payload['error']}" if "error" in payload else "")
    if entry.kind == "model_usage":
        usd = f", ${payload['usd']:.4f}" if isinstance(payload["usd"], float) else ""
        return f"{payload['model']} read {payload['input_tokens']} and wrote {payload['output_tokens']} tokens{usd}"
    if entry.kind == "client":
        return f"{payload.get('client', '')} {payload.get('event', '')}  {_words(payload.get('words'))}"
    return str(payload.get("text") or payload.get("reason") or payload.get("phase") or "")


def _words(text: object) -> str:
    """Return the beginning of a text on one line; long ones are in blobs, `show` has them."""
    if isinstance(text, Mapping):
        return "(long)"
    line = " ".join(str(text or "").split())
    return line if len(line) <= MOST_WORDS else line[:MOST_WORDS] + "..."


def _request(run: str, command: str, url: str | None, text: str = "") -> None:
    from kernelwright.cli.places import find_run  # noqa: PLC0415  # lazy
    from kernelwright.ledger import SqlLedger  # noqa: PLC0415
    from kernelwright.runs import fold  # noqa: PLC0415

    store = SqlLedger(url)
    name = find_run(store, run)
    if fold(store.entries(name)).is_closed:
        raise RequestError(
            f"run '{name}' must be open to {command} it, it is closed. Read it: kernelwright report {name}"
        )
    store.request(name, command, text)
    when = "at its next tool call" if store.is_written(name) else "once it is resumed: nobody works on it now"
    print(f"asked run {name} to {command}; it answers {when}")
    print(f"next: kernelwright {'watch' if store.is_written(name) else 'resume'} {name}")
