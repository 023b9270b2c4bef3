"""The tools over streamable HTTP, asked by the SDK's own client."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest
from mcp_types import TextResourceContents

from kernelwright.core.errors import RequestError
from kernelwright.workshop.mcp.answers import PAGE_TOKENS, token_estimate
from kernelwright.workshop.mcp.http import Place, served
from kernelwright.workshop.mcp.server import ToolServer
from kernelwright.workshop.tools import TOOLS
from tests.workshop.mcp.benches import SOURCE, worked
from tests.workshop.mcp.clients import answer_of, call, http_client, refusal, text_of

ERAS = ("auto", "legacy")


@pytest.mark.parametrize("mode", ERAS)
def test_the_tools_are_those_of_the_table_with_schemas_and_hints(tmp_path: Path, mode: str) -> None:
    async def listed(place: Place) -> None:
        async with http_client(place, mode=mode) as client:
            tools = (await client.list_tools()).tools
            assert client.instructions is not None and "Begin with brief" in client.instructions
        assert [tool.name for tool in tools] == list(TOOLS)
        for tool in tools:
            spec = TOOLS[tool.name]
            assert tool.description == spec.description
            assert tool.input_schema == spec.arguments.model_json_schema()
            hints = tool.annotations
            assert hints is not None
            assert (hints.read_only_hint, hints.idempotent_hint) == (spec.is_read_only, spec.is_idempotent)
            assert (hints.destructive_hint, hints.open_world_hint) == (spec.is_destructive, False)

    with worked(tmp_path) as run, served(run.tools.call) as place:
        assert place.url.startswith("http://127.0.0.1:")
        asyncio.run(listed(place))


@pytest.mark.parametrize("mode", ERAS)
def test_calls_are_entries_that_name_the_client_and_answer_what_the_entry_holds(tmp_path: Path, mode: str) -> None:
    async def work(place: Place) -> None:
        async with http_client(place, "claude code!", mode) as client:
            assert await call(client, "write_file", {"path": "mine.py", "text": SOURCE}) == {
                "path": "mine.py",
                "size_bytes": len(SOURCE),
            }
            verdict = await call(client, "evaluate", {"source": SOURCE, "note": "first"})
            assert (verdict["status"], verdict["evaluation"]) == ("accepted", 1)
        async with http_client(place, "claude code!", mode, "?client=second") as client:
            assert (await call(client, "history"))["evaluations"]

    with worked(tmp_path) as run, served(run.tools.call) as place:
        asyncio.run(work(place))
        calls = run.calls()
    assert [entry["name"] for entry in calls] == ["write_file", "evaluate", "history"]
    assert [entry["client"] for entry in calls] == ["claude-code", "claude-code", "second"]


@pytest.mark.parametrize("mode", ERAS)
def test_wrong_requests_are_answered_in_one_line_and_the_session_goes_on(tmp_path: Path, mode: str) -> None:
    async def ask(place: Place) -> None:
        async with http_client(place, mode=mode) as client:
            assert "Did you mean 'evaluate'" in await refusal(client, "evaluat")
            assert "argument source of evaluate" in await refusal(client, "evaluate", {"source": 7})
            assert "argument source of check" in await refusal(client, "check")
            assert "Did you mean 'source'" in await refusal(client, "check", {"source": "x", "sourc": "y"})
            assert "none was found yet" in await refusal(client, "submit")
            assert "Call history" in await refusal(client, "poll", {"job": "1"})
            assert (await call(client, "list_files")) == {"files": []}

    with worked(tmp_path) as run, served(run.tools.call) as place:
        asyncio.run(ask(place))


def test_without_the_token_nobody_is_served(tmp_path: Path) -> None:
    def status(place: Place, headers: dict[str, str]) -> tuple[int, str]:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accept = {"Accept": "application/json, text/event-stream"}
        answer = httpx2.post(place.url, json=body, headers={**accept, **headers}, timeout=30)
        return answer.status_code, answer.text

    with worked(tmp_path) as run, served(run.tools.call) as place:
        for headers in ({}, {"Authorization": "Bearer none"}, {"Authorization": f"Bearer {place.token}x"}):
            code, text = status(place, headers)
            assert (code, place.token in text) == (401, False)
            assert "Authorization: Bearer" in json.loads(text)["error"]
        right = {"Authorization": f"Bearer {place.token}"}
        # A page of the web that made its name resolve to this machine, and one that calls it by its address.
        assert status(place, {**right, "Host": "evil.example:80"})[0] == 421
        assert status(place, {**right, "Origin": "https://evil.example"})[0] == 403
        assert not run.calls()


def test_a_call_that_takes_long_is_a_job_and_its_answer_comes_by_poll(tmp_path: Path) -> None:
    heard: list[str | None] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    async def work(place: Place) -> None:
        async with http_client(place) as client:
            begun = await client.call_tool("evaluate", {"source": SOURCE}, progress_callback=on_progress)
            job = answer_of(begun)
            assert (job["state"], job["doing"]) == ("running", "timing workload 3 of 9")
            # The same call again is the same job; other tools are answered meanwhile.
            assert answer_of(await client.call_tool("evaluate", {"source": SOURCE})) == job
            assert await call(client, "list_files") == {"files": []}
        run.gate.set()
        # Another session asks for it.
        async with http_client(place, "someone-else") as client:
            verdict = await call(client, "poll", {"job": job["job"]})
            assert verdict["status"] == "accepted"
            assert await call(client, "poll", {"job": job["job"]}) == verdict

    with worked(tmp_path, gated=True) as run:
        server = ToolServer(run.tools.call, patience_s=0.5, doing=lambda: "timing workload 3 of 9", progress_s=0.1)
        with served(server) as place:
            asyncio.run(work(place))
        assert [entry["name"] for entry in run.calls()] == ["list_files", "evaluate"]
    assert set(heard) == {"timing workload 3 of 9"}


def test_long_answers_come_in_pages_that_join_to_the_whole(tmp_path: Path) -> None:
    digits = "0123456789" * 2500
    texts = {"digits.txt": digits, "asian.txt": "核" * 29_000, "control.txt": "\x01" * 30_000}

    async def read(place: Place) -> None:
        async with http_client(place) as client:
            for name, text in texts.items():
                result = await client.call_tool("read_file", {"path": name})
                assert token_estimate(text_of(result)) <= PAGE_TOKENS
                assert answer_of(result)["state"] == "cut"
                assert (await call(client, "read_file", {"path": name}))["text"] == text[:30_000]
            beyond = {"job": answer_of(result)["job"], "offset": 10_000_000}
            last = answer_of(await client.call_tool("poll", beyond))
            assert (last["text"], last["next_offset"]) == ("", None)

    with worked(tmp_path) as run, served(run.tools.call) as place:
        for name, text in texts.items():
            run.tools.call("write_file", {"path": name, "text": text})
        asyncio.run(read(place))


def test_a_huge_notebook_and_a_huge_source_come_in_pages(tmp_path: Path) -> None:
    notes = [f"{number} " + "n" * 7900 for number in range(40)]
    source = SOURCE + "# 0123456789 0123456789\n" * 9000

    async def read(place: Place) -> None:
        async with http_client(place) as client:
            offset, found = 0, list[object]()
            while offset is not None:
                result = await client.call_tool("notes", {"offset": offset})
                assert token_estimate(text_of(result)) <= PAGE_TOKENS
                page = answer_of(result)
                found = [*page["notes"], *found]  # type: ignore[misc]
                offset = page["next_offset"]  # type: ignore[assignment]
            assert found == notes
            assert (await call(client, "history", {"evaluation": 1}))["source"] == source
            (notebook,) = (await client.read_resource("kernelwright://notebook")).contents
            assert isinstance(notebook, TextResourceContents)
            assert notebook.text.startswith("(37 older notes") and token_estimate(notebook.text) <= PAGE_TOKENS

    with worked(tmp_path) as run, served(run.tools.call) as place:
        for note in notes:
            run.tools.note(note)
        run.tools.evaluate(source)
        asyncio.run(read(place))


def test_many_clients_at_once_leave_a_whole_chain_with_every_call(tmp_path: Path) -> None:
    names = [f"client-{number}" for number in range(6)]

    async def work(place: Place, name: str) -> object:
        async with http_client(place, name) as client:
            await call(client, "write_file", {"path": f"{name}.py", "text": name})
            await call(client, "notes", {"text": f"{name} was here"})
            found = await call(client, "evaluate", {"source": f"{SOURCE}# {name}\n"})
            await call(client, "read_file", {"path": f"{name}.py"})
            return found["evaluation"]

    async def all_at_once(place: Place) -> list[object]:
        return await asyncio.gather(*(work(place, name) for name in names))

    with worked(tmp_path, evaluations=20) as run, served(run.tools.call) as place:
        assert sorted(asyncio.run(all_at_once(place))) == [1, 2, 3, 4, 5, 6]  # type: ignore[type-var]
        made = [(entry["client"], entry["name"]) for entry in run.calls()]
        assert sorted(made) == sorted(
            (name, tool) for name in names for tool in ("write_file", "notes", "evaluate", "read_file")
        )
        assert run.ledger.check_chain("r") == ()


def test_an_address_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    with worked(tmp_path) as run, served(run.tools.call) as place:
        port = int(place.url.split(":")[2].split("/")[0])
        with pytest.raises(RequestError, match=f"port {port}"), served(run.tools.call, port=port):
            pass
