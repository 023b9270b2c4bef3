"""The same calls through every door, in process, stdio and HTTP, leave the same kernel and the same record."""

import asyncio
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from kernelwright.cli.bench import WiredBench
from kernelwright.cli.opening import Request, describe_setup, open_under
from kernelwright.core.candidate import Candidate
from kernelwright.core.entry import Entry
from kernelwright.core.final import Setup
from kernelwright.engineers.scripted import ScriptedEngineer, ToolCall
from kernelwright.ledger import SqlLedger
from kernelwright.runs import conduct_run, fold, record_differences, work_differences
from kernelwright.workshop.mcp.http import Place
from tests.cli.commands import command as kernelwright
from tests.cli.commands import environment as home_environment
from tests.endpoint.competent import CHIP, PROBLEM, STEPS, SUITE, source
from tests.runs.scripted import candidate
from tests.workshop.mcp.clients import http_client, text_of
from tests.workshop.mcp.scripted_server import PaperBench, ledger_of, setup
from tests.workshop.mcp.test_serving import serving
from tests.workshop.mcp.test_stdio import started

GOOD, BETTER, WRONG = candidate(1.5, "a"), candidate(2.5, "b"), candidate(1.0, "c", status="incorrect")
SCRIPT = (
    ToolCall("brief"),
    ToolCall("docs", {"page": "rules"}),
    ToolCall("docs", {"page": "rule"}),
    ToolCall("check", {"source": WRONG}),
    ToolCall("write_file", {"path": "mine.py", "text": GOOD}),
    ToolCall("evaluate", {"source": GOOD, "note": "first"}),
    ToolCall("evaluate", {"source": WRONG}),
    ToolCall("evaluate", {"source": GOOD, "note": "once more"}),
    ToolCall("notes", {"text": "larger is better " * 40}),
    ToolCall("read_file", {"path": "mine.py"}),
    ToolCall("evaluate", {"source": BETTER}),
    ToolCall("history"),
    ToolCall("history", {"evaluation": 1}),
    ToolCall("profile"),
    ToolCall("notes"),
    ToolCall("submit"),
)
# In process a run ends with the first call after it was submitted.
ONE_MORE = ToolCall("notes")


async def played(client: Client, script: Sequence[ToolCall]) -> list[str]:
    """Make the calls, each to its end, then ask until the run is closed; return what was told first."""
    told = []
    for step in script:
        result = await client.call_tool(step.tool, dict(step.arguments))
        while (job := _running(text_of(result))) is not None:
            result = await client.call_tool("poll", {"job": job})
        told.append(text_of(result))
    while '"state": "closed"' not in text_of(await client.call_tool("notes", {})):
        await asyncio.sleep(0.2)
    return told


def _running(text: str) -> str | None:
    found = re.match(r'\{"job": "([^"]+)", "state": "running"', text)
    return found[1] if found else None


def record(ledger: SqlLedger, run: int = 0) -> tuple[Entry, ...]:
    try:
        return ledger.entries(ledger.runs()[run])
    finally:
        ledger.close()


@pytest.mark.parametrize("patience", ["30", "0.05"])
def test_the_same_calls_leave_the_same_record_through_every_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: str
) -> None:
    async def by_stdio() -> list[str]:
        async with started(tmp_path / "stdio", "--patience", patience, "--pace", "0.1") as client:
            return await played(client, SCRIPT)

    async def by_http(place: Place) -> list[str]:
        async with http_client(place, "someone") as client:
            return await played(client, SCRIPT)

    # One key for all three: runs on emulated chips have equal secrets then.
    for door in ("inside", "stdio", "http"):
        (tmp_path / door).mkdir()
        (tmp_path / door / "home").symlink_to(tmp_path)
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path))
    inside = _inside(tmp_path / "inside")
    first = asyncio.run(by_stdio())
    with serving(tmp_path / "http", "--patience", patience, "--pace", "0.1") as served:
        second = asyncio.run(by_http(served.place))
    assert [text[:200] for text in first] == [text[:200] for text in second]
    by_pipe, by_net = record(ledger_of(tmp_path / "stdio")), record(ledger_of(tmp_path / "http"))
    assert fold(inside).best == fold(by_pipe).best == fold(by_net).best
    assert work_differences(inside, by_pipe) == ()
    assert work_differences(by_pipe, by_net) == ()
    # Who worked is in the record all the same.
    assert record_differences(by_pipe, by_net) != ()
    assert fold(by_net).final is not None


def _inside(folder: Path) -> tuple[Entry, ...]:
    ledger = ledger_of(folder)
    open_under(ledger, "inside", setup(20))
    worker = ScriptedEngineer((*SCRIPT, ONE_MORE))
    conduct_run(ledger, "inside", lambda given, secret: PaperBench(folder / "files", worker), lambda line: None)
    return record(ledger)


def test_a_difference_in_the_work_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path))
    entries = _inside(tmp_path)
    assert work_differences(entries, entries) == ()
    other = [entry for entry in entries if entry.payload.get("name") != "docs"]
    assert "entry 4 (tool_call)" in work_differences(entries, other)[0]


@pytest.mark.slow
def test_a_competent_script_reaches_the_same_kernel_on_an_emulated_chip_through_every_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path))
    script = [ToolCall(name, arguments) for name, arguments in STEPS]
    asked = ("--problem", PROBLEM, "--chip", CHIP, "--suite", SUITE, "--evals", "5")

    async def by_stdio() -> None:
        line = kernelwright("mcp", *asked)
        server = StdioServerParameters(command=line[0], args=line[1:], env=home_environment(tmp_path))
        async with Client(server) as client:
            await played(client, script)

    async def by_http(place: Place) -> None:
        async with http_client(place) as client:
            await played(client, script)

    store = SqlLedger()
    described = describe_setup(Request(PROBLEM, CHIP, "mcp", SUITE, evals=5))
    open_under(store, "0-inside", described)
    worker = ScriptedEngineer((*script, ONE_MORE))

    def bench(given: Setup, secret: int) -> WiredBench:
        return WiredBench("0-inside", given, secret, lambda line: None, worker)

    conduct_run(store, "0-inside", bench, lambda line: None)
    store.close()
    asyncio.run(by_stdio())
    line = kernelwright("mcp", *asked, "--http", "--port", "0")
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=home_environment(tmp_path))
    assert process.stderr is not None
    told = [process.stderr.readline() for _ in range(2)]
    token = told[1].rsplit(maxsplit=1)[1]
    try:
        asyncio.run(by_http(Place(told[0].rsplit(maxsplit=1)[1], token)))
    finally:
        process.terminate()
        process.stderr.read()
        process.wait()
        process.stderr.close()
    inside, by_pipe, by_net = (record(SqlLedger(), number) for number in range(3))
    assert work_differences(inside, by_pipe) == ()
    assert work_differences(inside, by_net) == ()
    best = fold(inside).best
    assert best is not None and best.candidate_sha256 == Candidate(source("second")).sha256
    for entries in (by_pipe, by_net):
        found = fold(entries).best
        assert found is not None and found.candidate_sha256 == best.candidate_sha256
