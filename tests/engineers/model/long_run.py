"""A run of 1,158 tool calls through a window of 8,000 tokens, with twenty outages of its provider: the scenario.

The judge reads verdicts off the sources and waiting is not waited; ledger, tools, loop, sockets and wire are real.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.endpoint.conversation import Conversation, Played, Refused, Reply, Reset
from tests.engineers.model.runs import FakeTime, Ran, calling, is_for_memo, kernel, play

CALLS, OUTAGES, WINDOW = 1_158, 20, 8_000
# Of the run's budget, in seconds of work: outages are many times longer.
WORK_S = 3 * 3600.0
_DECISION_EVERY = 60


class Worker:
    """Checks, evaluates and notes in turn, a new architecture every 25 evaluations, a decision now and then."""

    def __init__(self, calls: int = CALLS) -> None:
        self._calls = calls
        self.made = 0
        self.decisions: list[str] = []

    def __call__(self, asked: Conversation) -> Played:
        """Return the next call; asked for a memo, what comes next."""
        if is_for_memo(asked):
            return Reply(f"NEXT: go on from call {self.made}")
        self.made += 1
        if self.made == self._calls:
            return calling("submit")
        number = self.made // 3
        if self.made % 3 == 0:
            return self._aside(number)
        source = kernel(1.1 + 0.01 * (number // 4), f"arch{number // 25}", _status(number), f"plan{number}", filler=60)
        if self.made % 3 == 1:
            return calling("check", source=source)
        return calling("evaluate", source=source, note=f"try {number}: tile {16 << number % 5}, stages {number % 4}")

    def _aside(self, number: int) -> Reply:
        if self.made % _DECISION_EVERY == 0:
            self.decisions.append(f"DECIDED: lesson {self.made} of tile {number}")
            return calling("notes", text=self.decisions[-1])
        if number % 4 == 0:
            return calling("history", evaluation=max(1, number // 2))
        return calling("notes", text=f"note {number}: " + "what limits it is the loads of the second loop; " * 20)


def _status(number: int) -> str:
    return "incorrect" if number % 7 == 3 else "over_limit" if number % 11 == 5 else "accepted"


class Unsteady:
    """A provider in front of a player that is down `outages` times, spread over about `requests` requests."""

    def __init__(self, player: Callable[[Conversation], Played], requests: int, outages: int = OUTAGES) -> None:
        self._player = player
        self._begins = {requests * (n + 1) // (outages + 2): n for n in range(outages)}
        self._down: Iterator[Played] = iter(())
        self.requests = self.outages = 0

    def __call__(self, asked: Conversation) -> Played:
        """Return what the provider says to one request."""
        failing = next(self._down, None)
        if failing is not None:
            return failing
        self.requests += 1
        if self.requests in self._begins:
            self._down = _outage(self._begins.pop(self.requests))
            self.outages += 1
            return next(self._down)
        return self._player(asked)


def _outage(number: int) -> Iterator[Played]:
    """Yield what one outage answers: from a few tries in a minute up to two hours of maintenance."""
    first = (Refused(500, "internal"), Refused(429, "slow", retry_after_s=30), Reset(), Refused(502, "gateway"))
    yield first[number % 4]
    for _ in range(1 + number % 4):
        yield Refused(503, "maintenance", retry_after_s=60.0 * (1 + number * 4 % 31))


@dataclass(frozen=True)
class Figures:
    """What a long run came to; `lost_hours` on the clock that outages move, `wall_s` on the wall."""

    tool_calls: int
    evaluations: int
    compactions: int
    outages: int
    lost_hours: float
    work_s: float
    requests: int
    tokens: int
    entries: int
    ledger_mb: float
    largest_request_tokens: int
    end_reason: str
    chain_faults: int
    wall_s: float

    def json(self) -> dict[str, object]:
        """Return the figures as a JSON object."""
        return asdict(self)


def long_run(folder: Path, calls: int = CALLS) -> tuple[Ran, Worker, Figures]:
    """Conduct the run in a folder and return what it left."""
    worker, fake, began_s = Worker(calls), FakeTime(), time.monotonic()
    unsteady = Unsteady(worker, calls)
    largest = 0

    def watched(asked: Conversation) -> Played:
        nonlocal largest
        largest = max(largest, asked.tokens)
        return unsteady(asked)

    ran = play(
        folder, watched, window=WINDOW, evaluations=calls, seconds=WORK_S, clockwork=fake.clockwork(),
        ledger_clock_ns=fake.clock_ns,
    )  # fmt: skip
    figures = Figures(
        tool_calls=ran.state.tool_calls,
        evaluations=ran.state.counted,
        compactions=len(ran.of("compaction")),
        outages=unsteady.outages,
        lost_hours=round(sum(one["lost_ns"] for one in ran.of("outage")) / 3.6e12, 2),
        work_s=round(ran.state.active_ns / 1e9, 1),
        requests=ran.endpoint.requests,
        tokens=ran.state.tokens,
        entries=len(ran.entries),
        ledger_mb=round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 2),
        largest_request_tokens=largest,
        end_reason=ran.state.end_reason,
        chain_faults=len(ran.ledger.check_chain("r")),
        wall_s=round(time.monotonic() - began_s, 1),
    )
    ran.ledger.close()
    return ran, worker, figures
