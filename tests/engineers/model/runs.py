"""Runs of the model engineer without a chip: a scripted player behind a real endpoint, a real ledger and real tools."""

import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kernelwright.core.candidate import Candidate
from kernelwright.core.entry import Entry
from kernelwright.core.problem import Brief, Workload
from kernelwright.core.protocols import ChipSpec, Recorder, Tools
from kernelwright.core.verdict import Verdict
from kernelwright.engineers.model import ModelEngineer
from kernelwright.engineers.model.engineer import MakeTalker
from kernelwright.engineers.model.patience import Clockwork
from kernelwright.engineers.model.wire import Talker
from kernelwright.ledger import SqlLedger
from kernelwright.runs import RunState, conduct_run, open_run
from kernelwright.workshop.inprocess import Workshop
from kernelwright.workshop.workbench import Workbench
from tests.endpoint.conversation import Call, Conversation, Played, Reply
from tests.endpoint.server import Endpoint, serving
from tests.runs import scripted

KEY = "sk-test-0f3a-never-shown-4711"
ENTRY = "f"
BRIEF = Brief("scripted", "Make f faster.", ENTRY, "def f(x):\n    return x\n" * 3, (Workload("one", "cold", False),))


def kernel(speedup: float, architecture: str = "a", status: str = "accepted", plan: str = "", filler: int = 0) -> str:
    """Return a source that the scripted judge knows; unlike comments, its code differs from others'."""
    plan = plan or f"{architecture}-{speedup}"
    return (
        f"# {status} {speedup} {architecture} {plan}\nX = {speedup!r}, {architecture!r}, {plan!r}\n"
        + "# fill\n" * filler
    )


def judged(source: str) -> Verdict:
    """Return the verdict on a source; what is no kernel of ours does not compile."""
    try:
        return scripted.verdict_of(source)
    except (ValueError, IndexError):
        return Verdict("compile_error", "line 1 must be Python, it is not", {"line": 1})


@dataclass
class ModelBench(scripted.ScriptedBench):
    """Real tools over the recorder; `checked` and `judged` count what really ran."""

    folder: Path = Path()
    checked: int = 0
    brief: Brief = BRIEF
    pages: Mapping[str, str] = field(default_factory=dict)
    probes: int = 0

    def judge(self, candidate: Candidate, seed: int, progress: scripted.Progress) -> Verdict:
        self.judged += 1
        return judged(candidate.source)

    def tools(self, recorder: Recorder) -> Tools:
        chip = ChipSpec("paper", "a chip of paper", False, 2)
        return Workshop(
            Workbench(self.brief, chip, recorder, self._check, self._probe, self.folder / "files", pages=self.pages)
        )

    def _check(self, candidate: Candidate) -> Verdict:
        self.checked += 1
        return replace(judged(candidate.source), workloads=(), geomean_speedup=None, ci95=None)

    def _probe(self, source: str) -> Mapping[str, object]:
        self.probes += 1
        return {"probe": {"ns_min": 1.0}}


@dataclass
class Ran:
    """What a run left."""

    state: RunState
    entries: tuple[Entry, ...]
    bench: ModelBench
    endpoint: Endpoint
    lines: list[str]
    ledger: SqlLedger
    folder: Path

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the payloads of the entries of that kind."""
        return [entry.payload for entry in self.entries if entry.kind == kind]

    @property
    def rules(self) -> list[str]:
        """Return by which rules the model was told something, in order."""
        return [str(payload["rule"]) for payload in self.of("nudge")]

    @property
    def calls(self) -> list[str]:
        """Return the names of the tool calls that were made."""
        return [str(payload["name"]) for payload in self.of("tool_call")]

    def everything_written(self) -> bytes:
        """Return the bytes of the ledger and all its blobs."""
        self.ledger.close()
        return b"".join(path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file())


def environment(*endpoints: Endpoint) -> dict[str, str]:
    """Return variables that lead to the endpoints: the first as openai-compatible, the second as vllm."""
    found = {"OPENAI_COMPATIBLE_BASE_URL": endpoints[0].url, "OPENAI_COMPATIBLE_API_KEY": KEY}
    if len(endpoints) > 1:
        found |= {"VLLM_BASE_URL": endpoints[1].url, "VLLM_API_KEY": KEY}
    return found


def play(  # noqa: PLR0917  # a test names what it needs
    folder: Path,
    player: Callable[[Conversation], Played],
    second: Callable[[Conversation], Played] | None = None,
    evaluations: int | None = 30,
    clockwork: Clockwork | None = None,
    bench: ModelBench | None = None,
    make_talker: MakeTalker = Talker,
    ledger_clock_ns: Callable[[], int] = time.time_ns,
    **options: Any,
) -> Ran:
    """Conduct a run in which `player` is the model; `second` is the next of the fallback list. See `Options`."""
    setup_fields = {name: options.pop(name) for name in ("tokens", "usd", "seconds") if name in options}
    home = options.pop("home", {})
    with serving(player) as first, serving(second or player) as other:
        names = "openai-compatible:scripted" + (",vllm:second" if second else "")
        given = {"model": names, "window": 100_000, **options}
        engineer = replace(ModelEngineer(), environment={**environment(first, other), **home}).with_options("", given)
        engineer = replace(engineer, clockwork=clockwork or Clockwork(), make_talker=make_talker)
        bench = bench or ModelBench(engineer)
        bench.worker, bench.folder = engineer, folder
        ledger = SqlLedger(f"sqlite:///{folder / 'ledger.db'}", ledger_clock_ns)
        if "r" not in ledger.runs():
            setup = replace(scripted.setup(evaluations, setup_fields.pop("seconds", None)), **setup_fields)
            open_run(ledger, "r", replace(setup, engineer="model", options=given))
        lines: list[str] = []
        try:
            state = conduct_run(ledger, "r", lambda given, hidden: bench, lines.append)
        finally:
            ledger.close()
        return Ran(state, ledger.entries("r"), bench, first, lines, ledger, folder)


class Script:
    """A player that says its replies in order, the last one again and again; asked for a memo it gives `memo`."""

    def __init__(self, replies: Iterable[Played], memo: str = "NEXT: go on") -> None:
        self._replies: Iterator[Played] = iter(replies)
        self._memo, self._last = memo, Reply("I have nothing more to say.")
        self.said: list[Conversation] = []
        self.memos = 0

    def __call__(self, asked: Conversation) -> Played:
        if is_for_memo(asked):
            self.memos += 1
            return Reply(self._memo)
        self.said.append(asked)
        return next(self._replies, self._last)


def is_for_memo(asked: Conversation) -> bool:
    """Return whether the harness asks for what must not be forgotten."""
    return "Your conversation will be cut now" in asked.messages[-1].text


def calling(tool: str, **arguments: object) -> Reply:
    """Return a reply with one call."""
    return Reply("", (Call(tool, json.dumps(arguments), f"call_{tool}_{len(str(arguments))}"),))


def answers_in(asked: Conversation) -> list[str]:
    """Return the texts of the tool answers that a conversation shows, without their fences."""
    return [re.sub(r"^<<.*$\n?", "", m.text, flags=re.MULTILINE).strip() for m in asked.messages if m.role == "tool"]


def words_of(asked: Conversation) -> str:
    """Return what the harness said last."""
    return asked.messages[-1].text if asked.messages[-1].role == "user" else ""


class FakeTime:
    """A clock that sleeping moves; real waiting does not take place."""

    def __init__(self) -> None:
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def clock_ns(self) -> int:
        return time.time_ns() + round(self.slept * 1e9)

    def clockwork(self, chance: float = 0.5) -> Clockwork:
        return Clockwork(self.sleep, self.clock_ns, lambda: chance)


INFINITE = math.inf
