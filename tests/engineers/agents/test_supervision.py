"""A client is served, supervised, started again and ended; a fake one behaves well and badly."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from kernelwright.core.errors import HarnessError, RequestError, UnknownNameError
from kernelwright.core.protocols import BudgetSpent
from kernelwright.engineers.agents.catalogue import KINDS
from kernelwright.engineers.agents.engineer import AgentEngineer, ClientAtWork
from kernelwright.engineers.catalogue import kinds_of, load_engineer
from tests.runs.scripted import setup
from tests.workshop.mcp.benches import SOURCE, Worked, worked

supervision = pytest.importorskip("kernelwright.engineers.agents.supervision")

ROOT = Path(__file__).parents[3]
RULES = supervision.Rules(waits_s=(0.0,), farewell_s=10.0, look_s=0.02)
EVALUATE: list[Any] = ["call", "evaluate", {"source": SOURCE, "note": "first"}]
SUBMIT: list[Any] = ["call", "submit"]
SECRET = "sk-very-secret-1"
Sessions = list[list[list[Any]]]


@dataclass(frozen=True)
class Played:
    """A run with the fake client: how it ended, and what it left."""

    error: BaseException
    run: Worked
    folder: Path

    def remarks(self, kind: str) -> list[Mapping[str, Any]]:
        return [entry.payload for entry in self.run.ledger.entries("r") if entry.kind == kind]

    @property
    def events(self) -> list[str]:
        return [remark["event"] for remark in self.remarks("client")]

    @property
    def calls(self) -> list[tuple[object, object]]:
        return [(call["client"], call["name"]) for call in self.run.calls()]

    def kept(self, name: str) -> list[str]:
        return [path.read_text() for path in sorted(self.folder.glob(f"{name}-*"))]


def program(folder: Path, sessions: Sessions) -> dict[str, str]:
    """Make the fake client's command and script; return the environment of a user who has it on the path."""
    folder.mkdir()
    script = folder / "script.json"
    script.write_text(json.dumps(sessions))
    command = folder / "claude"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nfrom pathlib import Path\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"from tests.engineers.agents.fake_client import main\nsys.exit(main(Path({str(script)!r})))\n"
    )
    command.chmod(0o755)
    return {"HOME": str(folder), "PATH": f"{folder}:/usr/bin:/bin", "MY_API_KEY": SECRET}


@contextlib.contextmanager
def played(
    tmp_path: Path,
    sessions: Sessions,
    meanwhile: Callable[[Worked], None] | None = None,
    rules: Any = RULES,
    **asked: Any,
) -> Iterator[Played]:
    """Let the fake client work on a run to its end, while `meanwhile` goes on in another thread."""
    environment = program(tmp_path / "bin", sessions)
    (tmp_path / "run").mkdir()
    with worked(tmp_path / "run", asked=replace(setup(), **asked)) as run:
        engineer = ClientAtWork(KINDS["claude-code"], "a-model", environment, rules)
        aside = threading.Thread(target=meanwhile or (lambda run: None), args=(run,))
        aside.start()
        with pytest.raises((BudgetSpent, HarnessError)) as ended:
            engineer.work(run.tools, 0)
        aside.join(60)
        yield Played(ended.value, run, tmp_path / "bin")


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_client_works_until_it_submits(tmp_path: Path) -> None:
    steps: list[list[Any]] = [
        ["say", "I look"],
        ["say", "I look"],
        ["call", "brief"],
        EVALUATE,
        ["use", 1000, 50],
        SUBMIT,
        ["cost", 0.25],
    ]
    with played(tmp_path, [steps], evaluations=5) as run:
        assert str(run.error) == "submitted by the engineer"
        assert run.calls == [("claude-code", name) for name in ("brief", "evaluate", "submit")]
        assert run.events == ["started", "said"]
        started, said = run.remarks("client")
        assert (started["version"], started["model"], started["session"]) == ("9.9.9 (fake)", "a-model", 1)
        assert said == {"client": "claude-code", "event": "said", "words": "I look"}
        usage = [(u["model"], u["input_tokens"], u["output_tokens"], u["usd"]) for u in run.remarks("model_usage")]
        assert usage == [("fake", 1000, 50, None), ("fake", 0, 0, 0.25)]
        assert "call `brief`" in run.kept("prompt")[0] and "worked on this run before" not in run.kept("prompt")[0]
        folder, names = json.loads(run.kept("folder")[0])
        assert names == [] and not Path(folder).exists()
        own = run.run.tools.own_folder() / "claude-code"
        assert sorted(path.name for path in own.iterdir()) == ["session-1.err", "session-1.out"]
        assert "accepted" in (own / "session-1.err").read_text()
        assert (own / "session-1.out").stat().st_mode & 0o777 == 0o600


def test_a_client_that_leaves_early_is_started_again_and_told_so(tmp_path: Path) -> None:
    with played(tmp_path, [[["call", "brief"], ["exit", 1]], [["call", "notes"]], [EVALUATE, SUBMIT]]) as run:
        assert str(run.error) == "submitted by the engineer"
        assert [name for _, name in run.calls] == ["brief", "notes", "evaluate", "submit"]
        assert run.events == ["started", "left", "started", "left", "started"]
        left = [(remark["exit_code"], remark["calls"]) for remark in run.remarks("client") if remark["event"] == "left"]
        assert left == [(1, 1), (0, 1)]
        prompts = run.kept("prompt")
        assert "in one session;" in prompts[1] and "in 2 sessions;" in prompts[2]


def test_sessions_without_a_tool_call_end_the_work_by_a_rule(tmp_path: Path) -> None:
    with played(tmp_path, [[["call", "brief"]], [["say", "I would rather not"]]]) as run:
        assert str(run.error) == "gave up: 3 sessions in turn without a tool call"
        assert isinstance(run.error, BudgetSpent)
        assert len(run.kept("prompt")) == 4


def test_sessions_without_an_evaluation_end_the_work_by_a_rule(tmp_path: Path) -> None:
    rules = supervision.Rules(waits_s=(), idle_sessions=2, look_s=0.02)
    with played(tmp_path, [[EVALUATE], [["call", "notes"]]], rules=rules) as run:
        assert str(run.error) == "gave up: 2 sessions in turn without an evaluation"
        assert len(run.kept("prompt")) == 3


def test_a_client_that_cannot_work_leaves_the_run_open(tmp_path: Path) -> None:
    with played(tmp_path, [[["err", "Not logged in\nRun /login"], ["exit", 7]]]) as run:
        assert isinstance(run.error, HarnessError)
        assert str(run.error).endswith("3 times in turn before its first tool call, at last with exit code 7: "
                                       "Not logged in Run /login")  # fmt: skip
        assert [remark["words"] for remark in run.remarks("client") if remark["event"] == "left"] == [
            "Not logged in\nRun /login"
        ] * 3


@pytest.mark.parametrize(
    ("asked", "steps", "reason"),
    [
        ({"tokens": 10_000}, [["use", 9000, 900], ["use", 100, 100]], "tokens are spent"),
        ({"usd": 1.0}, [["cost", 1.01]], "money is spent"),
        ({"evaluations": 1}, [EVALUATE], "evaluations are spent"),
    ],
)
def test_budgets_end_the_client_with_everything_it_started(
    tmp_path: Path, asked: dict[str, Any], steps: list[list[Any]], reason: str
) -> None:
    child = tmp_path / "child"
    rules = supervision.Rules(farewell_s=0.0, look_s=0.02)
    with played(tmp_path, [[["child", str(child)], *steps, ["sleep", 600]]], rules=rules, **asked) as run:
        assert str(run.error) == reason
        assert not is_alive(int(child.read_text()))


def test_who_stops_a_run_ends_a_client_that_thinks(tmp_path: Path) -> None:
    child = tmp_path / "child"

    def stop(run: Worked) -> None:
        while not child.exists():
            time.sleep(0.01)
        run.ledger.request("r", "stop")

    rules = supervision.Rules(farewell_s=0.0, look_s=0.02)
    with played(tmp_path, [[["child", str(child)], ["sleep", 600]]], stop, rules) as run:
        assert str(run.error) == "stopped on request"
        assert not is_alive(int(child.read_text()))


def test_a_client_of_a_paused_run_stands_still(tmp_path: Path) -> None:
    beats = tmp_path / "beats"

    def pause(run: Worked) -> None:
        while not beats.exists() or beats.stat().st_size < 3:
            time.sleep(0.01)
        run.ledger.request("r", "pause")
        size = -1
        while beats.stat().st_size != size:
            size = beats.stat().st_size
            time.sleep(0.5)
        run.ledger.request("r", "resume")
        while beats.stat().st_size == size:
            time.sleep(0.01)
        run.ledger.request("r", "stop")

    rules = supervision.Rules(farewell_s=0.0, look_s=0.02)
    with played(tmp_path, [[["beat", str(beats)]]], pause, rules) as run:
        assert str(run.error) == "stopped on request"
        assert [entry.kind for entry in run.run.ledger.entries("r") if entry.kind in ("paused", "resumed")] == [
            "paused", "resumed",
        ]  # fmt: skip


def test_words_in_the_record_are_bounded_and_hold_no_keys(tmp_path: Path) -> None:
    long = "x" * (supervision.MOST_CHARACTERS + 5)
    steps = [["say", f"the key is {SECRET}, and"], ["say", long], ["err", SECRET], ["call", "brief"]]
    with played(tmp_path, [steps, [SUBMIT], [EVALUATE, SUBMIT]]) as run:
        words = [remark["words"] for remark in run.remarks("client") if remark["event"] == "said"]
        assert words[0] == "the key is [key], and"
        assert run.run.ledger.blob(words[1]["blob"]).decode() == long[: supervision.MOST_CHARACTERS] + " [cut]"
        assert all(SECRET not in str(entry.payload) for entry in run.run.ledger.entries("r"))


def test_a_client_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    child = tmp_path / "child"
    environment = program(tmp_path / "bin", [[["child", str(child)], ["sleep", 600]]])
    starter = (
        "import sys, time; from pathlib import Path; from kernelwright.engineers.agents.kind import Launch;"
        "from kernelwright.engineers.agents.session import Session; f = Path(sys.argv[1]);"
        "config = f / 'mcp.json'; files = {config: '{\"mcpServers\": {\"kernelwright\": {}}}'};"
        "command = (str(f / 'claude'), '--print', 'x', '--mcp-config', str(config));"
        f"s = Session(Launch(command, files=files), {environment!r}, f, f / 'session', None); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", starter, str(tmp_path / "bin")]) as started:
        while not child.exists():
            time.sleep(0.01)
        started.kill()
    process = int(child.read_text())
    for _ in range(2000):
        if not is_alive(process):
            return
        time.sleep(0.01)
    pytest.fail("the client's child outlived whoever started the client")


def test_a_client_that_is_not_installed_is_told_how_to_install(tmp_path: Path) -> None:
    for kind in KINDS.values():
        with pytest.raises(RequestError, match=f"command {kind.program} is not on the path. Install it: "):
            ClientAtWork(kind, environment={"PATH": str(tmp_path)}).prepare(setup())


def test_a_limit_of_money_is_for_clients_that_keep_it(tmp_path: Path) -> None:
    for kind in KINDS.values():
        (tmp_path / kind.program).write_text("#!/bin/sh\necho 1.2.3\n")
        (tmp_path / kind.program).chmod(0o755)
        engineer = ClientAtWork(kind, environment={"PATH": str(tmp_path)})
        (line,) = engineer.prepare(setup())
        assert line.endswith(f" works: 1.2.3, {tmp_path / kind.program}")
        if kind.name == "claude-code":
            assert engineer.prepare(replace(setup(), usd=1.0)) == (line,)
        else:
            with pytest.raises(RequestError, match="--usd needs a client that tells what it spends"):
                engineer.prepare(replace(setup(), usd=1.0))


def test_engineers_of_this_family_have_names_kinds_and_one_option() -> None:
    assert kinds_of("agent") == tuple(f"agent:{name}" for name in KINDS)
    assert kinds_of("search") == ("search",)
    assert load_engineer("agent:codex", {"model": "m"}).name == "agent:codex"
    with pytest.raises(UnknownNameError, match="Did you mean 'claude-code'"):
        load_engineer("agent:claude-cod")
    with pytest.raises(UnknownNameError, match="option of engineer agent 'islands'"):
        load_engineer("agent:codex", {"islands": 2})
    with pytest.raises(RequestError, match="must name a client, agent:NAME; names: claude-code"):
        AgentEngineer().prepare(setup())
