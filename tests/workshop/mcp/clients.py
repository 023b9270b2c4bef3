"""MCP clients of the SDK, as short as tests like them."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, Implementation, TextContent

from kernelwright.workshop.mcp.http import Place


@contextlib.asynccontextmanager
async def http_client(place: Place, name: str = "tester", mode: str = "auto", query: str = "") -> AsyncIterator[Client]:
    """Yield a client connected to `place`; `mode` 'legacy' speaks the protocol with sessions."""
    headers = {"Authorization": f"Bearer {place.token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(
            streamable_http_client(place.url + query, http_client=http),
            client_info=Implementation(name=name, version="1"),
            mode=mode,
        ) as client,
    ):
        yield client


def text_of(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


def answer_of(result: CallToolResult) -> dict[str, object]:
    """Return the JSON object of an answer that is no error."""
    assert not result.is_error, text_of(result)
    value = json.loads(text_of(result))
    assert isinstance(value, dict)
    return value


async def call(client: Client, name: str, arguments: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return what a tool answers in the end: jobs are polled, pages joined."""
    answer = answer_of(await client.call_tool(name, dict(arguments or {})))
    while answer.get("state") == "running":
        answer = answer_of(await client.call_tool("poll", {"job": answer["job"]}))
    if answer.get("state") != "cut":
        return answer
    texts = [answer["text"]]
    while answer["next_offset"] is not None:
        following = {"job": answer["job"], "offset": answer["next_offset"]}
        answer = answer_of(await client.call_tool("poll", following))
        texts.append(answer["text"])
    whole = json.loads("".join(map(str, texts)))
    assert isinstance(whole, dict)
    return whole


async def refusal(client: Client, name: str, arguments: Mapping[str, object] | None = None) -> str:
    """Return the one line of a call that must be refused."""
    result = await client.call_tool(name, dict(arguments or {}))
    assert result.is_error
    assert "\n" not in text_of(result)
    return text_of(result)
