"""Keeps a client at work on a run: serves it the tools, ends it by the run's rules, starts it again when it leaves."""

import contextlib
import math
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kernelwright.core.errors import HarnessError
from kernelwright.core.protocols import BudgetSpent, Tools
from kernelwright.engineers.agents.kind import Kind, Report, Task, Used
from kernelwright.engineers.agents.prompts import prompt
from kernelwright.engineers.agents.session import Session
from kernelwright.engineers.model.keys import HIDDEN, keys_of
from kernelwright.workshop.clients.connection import TOKEN_VARIABLE, Remote
from kernelwright.workshop.mcp.desk import Desk
from kernelwright.workshop.mcp.http import Place, served
from kernelwright.workshop.mcp.server import ToolServer

# Characters of one remark, and remarks of one session, that hold words of the client.
MOST_CHARACTERS = 2000
MOST_REMARKS = 500


@dataclass(frozen=True)
class Rules:
    """When a client is given up, and how long it may take to leave.

    `leaves` sessions in turn without a tool call, or `idle_sessions` without an evaluation, end the work. Between two
    such sessions the waits of `waits_s` pass, the last one again and again. `farewell_s` is what a client has to say
    goodbye, and what its session took, after the run is over; `look_s` how often it is looked after.
    """

    leaves: int = 3
    idle_sessions: int = 10
    waits_s: tuple[float, ...] = (1.0, 20.0, 120.0)
    farewell_s: float = 20.0
    look_s: float = 2.0


@dataclass(frozen=True)
class AtWork:
    """The client of a run: what it is, where its command lies, the model it is told to use, the user's environment."""

    kind: Kind
    program: str
    version: str
    model: str | None
    environment: Mapping[str, str]


class Supervisor:
    """One run's client, session after session."""

    def __init__(self, client: AtWork, tools: Tools, rules: Rules) -> None:
        self._client, self._tools, self._rules = client, tools, rules
        self._name = client.kind.name
        self._desk = Desk(heed_s=rules.look_s)
        self._session: Session | None = None
        self._sessions, self._starts_s = 0, 0.0
        self._calls = self._evaluations = 0
        self._calls_before = self._evaluations_before = 0
        self._silent = self._idle = self._remarks = 0
        self._last_said = ""
        self._keys = keys_of(client.environment)
        self._place: Place | None = None

    def work(self) -> None:
        """Work until the run is over; raises BudgetSpent then, HarnessError when the client cannot work here."""
        folder = self._tools.own_folder() / self._name
        folder.mkdir(parents=True, exist_ok=True)
        server = ToolServer(self._call, state=self._desk.state)
        with served(server) as place, tempfile.TemporaryDirectory(prefix="kernelwright-agent-") as state:
            self._place, self._folder, self._state = place, folder, Path(state)
            try:
                self._desk.work(self._tools, self._watch)
            except BudgetSpent:
                self._farewell()
                raise
            finally:
                self._leave()

    def _call(self, name: str, arguments: Mapping[str, object], client: str) -> Mapping[str, object]:
        self._calls += 1
        self._evaluations += name == "evaluate"
        if self._session is not None:
            self._hold(self._session)
        return self._desk.call(name, arguments, client)

    def _watch(self) -> None:
        """Look after the client once: write down what it reported, start it if none works."""
        if self._desk.state() is not None:
            return
        if self._session is None:
            if time.monotonic() >= self._starts_s:
                self._start()
            return
        self._remark_all(self._session.reports())
        self._hold(self._session)
        if self._session.exit_code is not None:
            self._ended(self._session, self._session.exit_code)

    def _hold(self, session: Session) -> None:
        """Let the client stand still while the run is paused: it would ask again and again, and pay for each time."""
        # When the run is over, that is the desk's to find.
        with contextlib.suppress(BudgetSpent):
            session.stop(self._tools.heed())

    def _start(self) -> None:
        assert self._place is not None
        self._sessions += 1
        self._remarks, self._last_said = 0, ""
        self._calls_before, self._evaluations_before = self._calls, self._evaluations
        number = f"session-{_next_number(self._folder)}"
        empty, state = self._state / number / "work", self._state / number / "state"
        for made in (empty, state):
            made.mkdir(parents=True)
        usd, given = self._tools.remaining()["usd"], self._client.environment
        task = Task(
            program=self._client.program,
            tools=Remote(f"{self._place.url}?client={self._name}"),
            token=self._place.token,
            folder=empty,
            state=state,
            prompt=prompt(self._sessions - 1),
            home=Path(given.get("HOME") or Path.home()),
            environment=given,
            model=self._client.model,
            usd_left=usd if math.isfinite(usd) else None,
        )
        self._tell(
            {
                "event": "started",
                "version": self._client.version,
                "session": self._sessions,
                "model": self._client.model,
            }
        )
        environment = {**given, TOKEN_VARIABLE: self._place.token}
        launch, reader = self._client.kind.launch(task), self._client.kind.reader(task)
        self._session = Session(launch, environment, empty, self._folder / number, reader)

    def _ended(self, session: Session, code: int) -> None:
        """Write down how a session ended, and decide when the next one starts, if one does."""
        self._leave()
        silent = self._calls == self._calls_before
        self._silent = self._silent + 1 if silent else 0
        self._idle = self._idle + 1 if self._evaluations == self._evaluations_before else 0
        words = self._shown("\n".join(filter(None, (session.last_words, self._last_said))))
        self._tell({"event": "left", "exit_code": code, "calls": self._calls - self._calls_before, "words": words})
        if self._is_over():
            return
        if self._silent >= self._rules.leaves:
            if code != 0:
                raise HarnessError(
                    f"{self._name} must work to be an engineer, it ended {self._silent} times in turn before its "
                    f"first tool call, at last with exit code {code}: {_one_line(words) or 'no word'}"
                )
            raise BudgetSpent(f"gave up: {self._silent} sessions in turn without a tool call")
        if self._idle >= self._rules.idle_sessions:
            raise BudgetSpent(f"gave up: {self._idle} sessions in turn without an evaluation")
        waits = self._rules.waits_s
        wait_s = waits[min(self._silent, len(waits)) - 1] if silent and waits else 0.0
        self._starts_s = time.monotonic() + wait_s

    def _is_over(self) -> bool:
        """Return whether the run is over, also by what a session took at its end."""
        try:
            self._tools.heed()
        except BudgetSpent:
            return True
        return False

    def _farewell(self) -> None:
        """Let the client end by itself: it may still say what its session took."""
        if self._session is not None:
            self._session.wait(self._rules.farewell_s)

    def _leave(self) -> None:
        """End the session, whatever it does, and write down what is left to say."""
        session, self._session = self._session, None
        if session is not None:
            session.end()
            self._remark_all(session.reports())

    def _remark_all(self, reports: Iterable[Report]) -> None:
        for report in reports:
            if isinstance(report, Used):
                told = {"model": report.model or self._name, "input_tokens": report.input_tokens}
                told |= {"output_tokens": report.output_tokens, "usd": report.usd, "client": self._name}
                self._tools.remark("model_usage", told)
                continue
            is_new, self._last_said = report.text != self._last_said, report.text
            # Some say the same again and again while they wait for a network.
            if is_new and self._remarks < MOST_REMARKS:
                self._remarks += 1
                self._tell({"event": "said", "words": self._shown(report.text)})

    def _tell(self, told: Mapping[str, object]) -> None:
        self._tools.remark("client", {"client": self._name, **told})

    def _shown(self, words: str) -> str:
        """Return words as the record may hold them: bounded, without keys and tokens."""
        words = self._keys.clean(words)
        if self._place is not None:
            words = words.replace(self._place.token, HIDDEN)
        return words if len(words) <= MOST_CHARACTERS else words[:MOST_CHARACTERS] + " [cut]"


def _next_number(folder: Path) -> int:
    """Return the number of the next session of the run, whatever process had the ones before."""
    return 1 + sum(1 for path in folder.iterdir() if path.suffix == ".out")


def _one_line(words: str) -> str:
    return " ".join(words.split())[-300:]
