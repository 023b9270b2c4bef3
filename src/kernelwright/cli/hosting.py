"""A run whose engineer is whoever connects, from the first call to the end of the process."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kernelwright.cli.choosing import Chosen, Wanted, choose_run
from kernelwright.cli.opening import open_under
from kernelwright.cli.output import Output
from kernelwright.core.codec import to_json
from kernelwright.core.entry import Entry
from kernelwright.core.errors import KernelwrightError
from kernelwright.engineers.clients import STARTED_BY, ClientsEngineer
from kernelwright.workshop.mcp.desk import Desk
from kernelwright.workshop.mcp.shares import Shares

if TYPE_CHECKING:
    from kernelwright.core.final import Setup
    from kernelwright.runs import Bench

# After a run is closed clients may still ask for its result; HTTP has no other sign that they have left.
LINGER_S = 60.0
# A process whose client has left ends by itself within so many seconds, or is ended.
END_S = 8.0
LOOK_S = 0.5
CHOOSE_S = 60.0


class Voice:
    """Speaks to people on standard error, and keeps the last line for clients that wait."""

    def __init__(self) -> None:
        self._output = Output(json=False)
        self.last = "opening the run"

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self.last = text
        self._output.say(text)

    def phase(self, text: str) -> None:
        """Tell of a small step."""
        self.last = text
        self._output.phase(text)


Choose = Callable[[Wanted], Chosen]
# Arguments: the run's name, its setup, its secret, who works, and where small steps are told.
MakeBench = Callable[[str, "Setup", int, ClientsEngineer, Callable[[str], None]], "Bench"]


class Host:
    """What one process lends: a desk for calls, a server of the tools, and the run behind them.

    `choose` finds the run, `make_bench` gives it its rooms; calls are answered with a job after `patience_s`, and over
    HTTP a closed run is told of until nobody has asked for `linger_s`.
    """

    def __init__(
        self,
        wanted: Wanted,
        choose: Choose | None = None,
        make_bench: MakeBench | None = None,
        patience_s: float | None = None,
        linger_s: float = LINGER_S,
    ) -> None:
        from kernelwright.workshop.mcp.server import PATIENCE_S, ToolServer  # noqa: PLC0415  # needs the extra

        self.wanted = wanted
        self.choose = choose or choose_run
        self.linger_s = linger_s
        self._make_bench = make_bench or wired_bench
        patience = PATIENCE_S if patience_s is None else patience_s
        self.voice = Voice()
        self.desk = Desk(Shares(wanted.share))
        self.tools = ToolServer(self.desk.call, patience, lambda: self.voice.last, self.desk.state)
        self.chosen: Chosen | None = None

    @property
    def is_closed(self) -> bool:
        """Return whether the run has its final verdict."""
        return (self.desk.state() or {}).get("state") == "closed"

    @property
    def again(self) -> str:
        """Return the command that goes on with the run."""
        ledger = f" --ledger {self.wanted.ledger}" if self.wanted.ledger else ""
        return f"{STARTED_BY} --run {self.chosen.name}{ledger}" if self.chosen else STARTED_BY

    def work(self) -> None:
        """Wait for the first call, open the run or take it up, and work on it until it is closed."""
        from kernelwright.runs import conduct_run, summarise  # noqa: PLC0415  # lazy

        assert self.chosen is not None
        store, name = self.chosen.store, self.chosen.name
        self.desk.is_wanted.wait()
        if self.chosen.setup is not None:
            open_under(store, name, self.chosen.setup)
            self.chosen = replace(self.chosen, setup=None)
        store.take(name)
        self._take_up(store.entries(name))
        engineer = ClientsEngineer(self.desk)
        conduct_run(
            store, name, lambda setup, secret: self._make_bench(name, setup, secret, engineer, self.voice.phase),
            self.voice.say,
        )  # fmt: skip
        summary = summarise(store.entries(name))
        advice = f"all of it: kernelwright report {name}"
        self.desk.tell(state="closed", name=name, result=to_json(summary), advice=advice)
        self.voice.say(f"run {name} is closed: {summary.final_status}. Read it: kernelwright report {name}")

    def _take_up(self, entries: tuple[Entry, ...]) -> None:
        from kernelwright.runs import fold  # noqa: PLC0415  # lazy

        self.desk.shares.take_up(entries)
        state = fold(entries)
        if state.end_reason:
            self.desk.tell(state="judging", reason=state.end_reason)


def wired_bench(
    name: str, setup: "Setup", secret: int, engineer: ClientsEngineer, quiet: Callable[[str], None]
) -> "Bench":  # fmt: skip
    """Return the real rooms of a run."""
    from kernelwright.cli.bench import WiredBench  # noqa: PLC0415  # lazy: needs torch

    return WiredBench(name, setup, secret, quiet, engineer)


def over_stdio(host: Host) -> int:
    """Serve a run to the client that started this process; return the exit code.

    When the client leaves, the process ends within seconds and the run stays open, wherever it is.
    """
    from kernelwright.workshop.mcp.stdio import served_stdio  # noqa: PLC0415  # needs the extra

    # Started in the background of a shell a process inherits that interrupts are ignored; here one ends it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    has_left, is_chosen = threading.Event(), threading.Event()

    def leave() -> None:
        has_left.set()
        # Wrong requests are told even to a client that left at once.
        is_chosen.wait(CHOOSE_S)
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)
        # In case something holds the interrupt back: nothing is lost by an end at any moment.
        time.sleep(END_S)
        os._exit(0)

    try:
        with served_stdio(host.tools, leave), _failing_aloud(host):
            host.chosen = host.choose(host.wanted)
            is_chosen.set()
            host.voice.say(f"run {host.chosen.name} {'begins' if host.chosen.setup else 'goes on'} with the first call")
            host.work()
            threading.Event().wait()
    except KeyboardInterrupt:
        host.voice.say(f"{'the client has left. ' if has_left.is_set() else ''}{_how_it_stands(host)}")
        if not (has_left.is_set() or host.is_closed):
            raise
    return 0


def over_http(host: Host, address: str, port: int, token_file: Path | None) -> int:
    """Serve a run to any number of clients over HTTP until it is closed; return the exit code."""
    from kernelwright.cli.tokens import published, token_of  # noqa: PLC0415  # lazy
    from kernelwright.workshop.mcp.http import is_loopback, served  # noqa: PLC0415  # needs the extra

    signal.signal(signal.SIGINT, signal.default_int_handler)
    host.chosen = host.choose(host.wanted)
    token, file = token_of(token_file, host.chosen.name)
    try:
        with (
            served(host.tools, host=address, port=port, token=token) as place,
            published(place.url, host.chosen.name),
            _failing_aloud(host),
        ):
            host.voice.say(f"run {host.chosen.name} is served at {place.url}")
            host.voice.say(f"token, also in {file}: {token}")
            if not is_loopback(address):
                host.voice.say("HTTP is not encrypted: put TLS in front, or the token can be read on the way")
            host.voice.say("Ctrl-C stops serving; the run stays open until its budget ends or a client submits")
            host.work()
            while time.monotonic() - host.desk.last_call_s < host.linger_s:
                time.sleep(LOOK_S)
    except KeyboardInterrupt:
        host.voice.say(_how_it_stands(host))
        if not host.is_closed:
            raise
    return 0


@contextmanager
def _failing_aloud(host: Host) -> Iterator[None]:
    """Tell clients what goes wrong before the process ends of it."""
    try:
        yield
    except KernelwrightError as error:
        host.desk.fail(error)
        if error.exit_code == 3:
            host.voice.say(_how_it_stands(host))
        raise


def _how_it_stands(host: Host) -> str:
    if host.chosen is None or host.chosen.setup is not None:
        return "No run was opened."
    if host.is_closed:
        return f"Read the run: kernelwright report {host.chosen.name}"
    return f"Nothing is lost, the run stays open. Go on with: {host.again}"
