"""The server as a client starts it: a process, spoken to by its standard input and output."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TextIO

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import Implementation, TextContent, TextResourceContents

from kernelwright.core.entry import Entry
from tests.runs.scripted import candidate
from tests.workshop.mcp.clients import answer_of, call, refusal
from tests.workshop.mcp.scripted_server import ledger_of

MODULE = "tests.workshop.mcp.scripted_server"
GOOD, BETTER = candidate(1.5, "arch0"), candidate(2.5, "arch1")


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", MODULE, str(folder), *options]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "KERNELWRIGHT_HOME": str(folder / "home")}


@contextlib.asynccontextmanager
async def started(
    folder: Path, *options: str, errors: TextIO = sys.stderr, mode: str = "auto"
) -> AsyncIterator[Client]:
    line = command(folder, *options)
    server = StdioServerParameters(command=line[0], args=line[1:], env=environment(folder))
    async with Client(
        stdio_client(server, errors), client_info=Implementation(name="by-hand", version="1"), mode=mode
    ) as client:
        yield client


def entries(folder: Path, run: int = 0) -> tuple[Entry, ...]:
    ledger = ledger_of(folder)
    try:
        return ledger.entries(ledger.runs()[run])
    finally:
        ledger.close()


def kinds(folder: Path, run: int = 0) -> list[str]:
    return [entry.kind for entry in entries(folder, run)]


def test_a_client_that_only_looks_opens_no_run(tmp_path: Path) -> None:
    async def look() -> None:
        async with started(tmp_path) as client:
            assert len((await client.list_tools()).tools) == 13
            assert [r.name for r in (await client.list_resources()).resources] == [
                "brief", "notebook", "history", "report",
            ]  # fmt: skip
            assert [p.name for p in (await client.list_prompts()).prompts] == ["start"]

    asyncio.run(look())
    ledger = ledger_of(tmp_path)
    assert ledger.runs() == ()
    ledger.close()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_session_works_until_it_submits_and_the_run_is_judged_and_closed_meanwhile(tmp_path: Path, mode: str) -> None:
    async def work() -> None:
        async with started(tmp_path, mode=mode) as client:
            assert (await call(client, "brief"))["text"] == "Say a larger number."
            assert (await call(client, "evaluate", {"source": GOOD}))["is_best"]
            assert "Did you mean 'evaluate'" in await refusal(client, "evaluat")
            submitted = await call(client, "submit")
            assert submitted["submitted"] == 1
            run = submitted["run"]
            assert isinstance(run, dict) and run["reason"] == "submitted by the engineer"
            while run["state"] == "judging":
                answer = await call(client, "evaluate", {"source": BETTER})
                assert isinstance(answer["run"], dict)
                run = answer["run"]
            assert (run["state"], run["result"]["geomean_speedup"]) == ("closed", 1.5)
            (report,) = (await client.read_resource("kernelwright://report")).contents
            assert isinstance(report, TextResourceContents)
            assert '"final_status": "accepted"' in report.text

    asyncio.run(work())
    assert kinds(tmp_path) == [
        "opened", "session", "reference", "tool_call", "evaluation", "tool_call", "submitted", "tool_call",
        "work_ended", "baseline_tuned", "final", "closed",
    ]  # fmt: skip
    assert {e.payload["client"] for e in entries(tmp_path) if e.kind == "tool_call"} == {"by-hand"}


def test_when_the_last_evaluation_is_spent_the_answer_says_so_and_the_run_ends(tmp_path: Path) -> None:
    async def work() -> None:
        async with started(tmp_path, "--evals", "2") as client:
            first = await call(client, "evaluate", {"source": GOOD})
            assert "run" not in first
            last = await call(client, "evaluate", {"source": BETTER})
            assert (last["status"], last["is_best"]) == ("accepted", True)
            assert isinstance(last["run"], dict) and last["run"]["reason"] == "evaluations are spent"

    asyncio.run(work())


def test_the_brief_is_a_prompt_and_a_resource_and_reading_it_is_a_call(tmp_path: Path) -> None:
    async def read() -> None:
        async with started(tmp_path) as client:
            await call(client, "notes", {"text": "larger is better"})
            (message,) = (await client.get_prompt("start")).messages
            assert isinstance(message.content, TextContent)
            assert "Say a larger number." in message.content.text and "call submit" in message.content.text
            texts = []
            for name in ("brief", "notebook", "history", "report"):
                (contents,) = (await client.read_resource(f"kernelwright://{name}")).contents
                assert isinstance(contents, TextResourceContents)
                texts.append(contents.text)
            assert "# accepted 1.0 reference" in texts[0]
            assert texts[1] == "larger is better"
            assert '"evaluations": []' in texts[2]
            assert '"state": "open"' in texts[3]

    asyncio.run(read())
    assert [e.payload["name"] for e in entries(tmp_path) if e.kind == "tool_call"] == [
        "notes", "brief", "brief", "notes", "history",
    ]  # fmt: skip


def test_when_the_client_leaves_the_run_stays_open_and_the_next_session_takes_it_up(tmp_path: Path) -> None:
    async def first() -> None:
        async with started(tmp_path) as client:
            await call(client, "evaluate", {"source": GOOD, "note": "first try"})

    async def second() -> None:
        async with started(tmp_path) as client:
            history = await call(client, "history")
            assert [row["note"] for row in history["evaluations"]] == ["first try"]  # type: ignore[attr-defined]
            assert (await call(client, "evaluate", {"source": GOOD}))["repeats"] == 1

    asyncio.run(first())
    # Nothing is tuned, judged or closed when a client leaves.
    assert kinds(tmp_path) == ["opened", "session", "reference", "evaluation", "tool_call"]
    asyncio.run(second())
    assert kinds(tmp_path)[5:] == ["session", "tool_call", "tool_call"]

    async def anew() -> None:
        async with started(tmp_path, "--new") as client:
            assert (await call(client, "history"))["evaluations"] == []

    asyncio.run(anew())
    assert kinds(tmp_path, 1) == ["opened", "session", "reference", "tool_call"]


def test_a_server_killed_in_the_middle_of_an_evaluation_loses_that_one_only(tmp_path: Path) -> None:
    async def first() -> str:
        with contextlib.suppress(Exception):
            async with started(tmp_path, "--pace", "2", "--patience", "0.2") as client:
                await call(client, "notes", {"text": "before"})
                job = answer_of(await client.call_tool("evaluate", {"source": GOOD}))
                while (job := answer_of(await client.call_tool("poll", {"job": job["job"]}))).get("state") == "running":
                    pass
                lost = answer_of(await client.call_tool("evaluate", {"source": BETTER}))
                for process in _processes(tmp_path):
                    os.kill(process, signal.SIGKILL)
                return str(lost["job"])
        return str(lost["job"])

    async def second(lost: str) -> None:
        async with started(tmp_path) as client:
            assert "Call history" in await refusal(client, "poll", {"job": lost})
            assert await call(client, "notes") == {"notes": ["before"], "left_out": 0, "next_offset": None}
            history = await call(client, "history")
            assert [row["evaluation"] for row in history["evaluations"]] == [1]  # type: ignore[attr-defined]
            assert (await call(client, "evaluate", {"source": GOOD}))["repeats"] == 1
            again = await call(client, "evaluate", {"source": BETTER})
            assert (again["evaluation"], again["repeats"]) == (2, None)

    asyncio.run(second(asyncio.run(first())))
    ledger = ledger_of(tmp_path)
    assert ledger.check_chain(ledger.runs()[0]) == ()
    ledger.close()


def _processes(folder: Path) -> list[int]:
    found = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if place.name.isdigit() and f"{MODULE}\0{folder}\0" in (place / "cmdline").read_text():
                found.append(int(place.name))
    return found


def test_a_second_process_on_the_run_is_told_which_one_writes_it(tmp_path: Path) -> None:
    async def both() -> None:
        async with started(tmp_path) as client:
            await call(client, "brief")
            (process,) = _processes(tmp_path)
            done = subprocess.run(
                command(tmp_path), input="", capture_output=True, text=True, env=environment(tmp_path), check=False
            )
            assert done.returncode == 2
            assert f"process {process} is writing it now" in done.stderr and "--http" in done.stderr
            assert done.stdout == ""

    asyncio.run(both())


def test_an_interrupt_ends_the_process_and_nothing_is_lost(tmp_path: Path) -> None:
    async def work() -> int:
        line = command(tmp_path, "--pace", "30", "--patience", "0.2")
        server = StdioServerParameters(command=line[0], args=line[1:], env=environment(tmp_path))
        with contextlib.suppress(Exception):
            async with Client(stdio_client(server)) as client:
                await call(client, "notes", {"text": "before"})
                await client.call_tool("evaluate", {"source": GOOD})
                (process,) = _processes(tmp_path)
                os.kill(process, signal.SIGINT)
                while process in _processes(tmp_path):
                    await asyncio.sleep(0.05)
        return 0

    asyncio.run(work())
    assert kinds(tmp_path) == ["opened", "session", "reference", "note", "tool_call"]


def test_leaving_in_the_middle_of_an_evaluation_ends_the_process_within_seconds_with_exit_0(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, "--pace", "300"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=environment(tmp_path),
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    opening = (
        '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},'
        '"clientInfo":{"name":"raw","version":"1"}}}\n'
        '{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
        "this is no message\n"
        '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"list_files","arguments":{}}}\n'
    )
    process.stdin.write(opening)
    process.stdin.flush()
    told = [process.stdout.readline() for _ in range(3)]
    assert '"id":1' in told[0] and '"code":-32700' in told[1] and '{\\"files\\": []}' in told[2]
    evaluate = f'{{"name":"evaluate","arguments":{{"source":{GOOD!r}}}}}'.replace("'", '"')
    process.stdin.write(f'{{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{evaluate}}}\n')
    process.stdin.close()
    # The judgement takes minutes; communicate would wait for it.
    assert process.wait(60) == 0
    assert "Connection closed" in process.stdout.read()
    assert "Go on with: kernelwright mcp --run" in process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    assert kinds(tmp_path) == ["opened", "session", "reference", "tool_call"]
