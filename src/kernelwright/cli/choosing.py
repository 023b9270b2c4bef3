"""Which run clients work on: the one named, an unfinished one that was asked for alike, or a new one."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kernelwright.cli.opening import Request, describe_setup, new_name
from kernelwright.core.codec import from_json
from kernelwright.core.errors import RequestError
from kernelwright.engineers.clients import ClientsEngineer

if TYPE_CHECKING:
    from kernelwright.core.final import Setup
    from kernelwright.ledger import SqlLedger


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for: the run to go on with, or what to open; `share` is evaluations a client."""

    run: str | None
    request: Request | None
    new: bool
    ledger: str | None
    share: int | None


@dataclass(frozen=True)
class Chosen:
    """The run to work on; `setup` is that of a run still to be opened, None for one to go on with."""

    store: "SqlLedger"
    name: str
    setup: "Setup | None"


def choose_run(wanted: Wanted) -> Chosen:
    """Return the run that was asked for; an unfinished one with the same setup is preferred to a new one.

    Raises RequestError for runs that cannot be worked on this way.
    """
    from kernelwright.cli.places import find_run  # noqa: PLC0415  # lazy
    from kernelwright.core.final import Setup  # noqa: PLC0415
    from kernelwright.ledger import SqlLedger  # noqa: PLC0415

    store = SqlLedger(wanted.ledger)
    if wanted.run is not None:
        name = find_run(store, wanted.run)
        opened, newest = store.first_and_last(name)
        engineer = from_json(Setup, opened.payload["setup"], "setup").engineer
        if newest.kind == "closed":
            raise RequestError(f"run '{name}' must be open to be worked on, it is closed: kernelwright report {name}")
        if engineer != ClientsEngineer.name:
            raise RequestError(f"run '{name}' belongs to engineer '{engineer}': kernelwright resume {name}")
        require_unwritten(store, name)
        return Chosen(store, name, None)
    assert wanted.request is not None
    setup = describe_setup(wanted.request)
    unfinished = None if wanted.new else find_unfinished(store, setup)
    if unfinished is None:
        return Chosen(store, new_name(), setup)
    require_unwritten(store, unfinished)
    return Chosen(store, unfinished, None)


def find_unfinished(store: "SqlLedger", setup: "Setup") -> str | None:
    """Return the newest run that is not closed and was opened with this setup, on whatever machine."""
    from kernelwright.core.final import Setup  # noqa: PLC0415  # lazy

    def asked(given: "Setup") -> "Setup":
        return replace(given, machine={}, versions={})

    for name in reversed(store.runs()):
        opened, newest = store.first_and_last(name)
        if opened.kind != "opened" or newest.kind == "closed" or not isinstance(opened.payload["setup"], dict):
            continue
        if opened.payload["setup"].get("engineer") != setup.engineer:
            continue
        if asked(from_json(Setup, opened.payload["setup"], "setup")) == asked(setup):
            return name
    return None


def require_unwritten(store: "SqlLedger", name: str) -> None:
    """Raise RequestError, with where to go instead, when another process writes the run."""
    from kernelwright.cli.tokens import published_url  # noqa: PLC0415  # lazy

    process = store.writer(name)
    if process is None and not store.is_written(name):
        return
    url = published_url(name, process)
    who = f"process {process}" if process else "another process"
    advice = f"Connect to it at {url}" if url else "Stop it, or serve the run from there with --http"
    raise RequestError(
        f"run '{name}' must have one writer, {who} is writing it now. {advice}, or open another run with --new."
    )
