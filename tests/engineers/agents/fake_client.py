"""A client that speaks MCP by the SDK, takes Claude Code's flags, and does in each session what a script says.

The script is a list of sessions, each a list of steps:
["call", tool, arguments], ["say", text], ["use", input_tokens, output_tokens], ["cost", usd], ["err", text],
["child", file] (a process that ignores requests to end, its id in `file`), ["beat", file] (a byte more all the time),
["sleep", seconds], ["exit", code].
Prompts and commands are kept in the folder of the script.
"""

import argparse
import asyncio
import contextlib
import json
import os
import string
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

_CHILD = (
    "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
)


def main(script: Path) -> int:
    if sys.argv[1:] == ["--version"]:
        print("9.9.9 (fake)")
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("--print", dest="prompt")
    parser.add_argument("--mcp-config", type=Path)
    given, others = parser.parse_known_args()
    number = len(list(script.parent.glob("prompt-*")))
    (script.parent / f"prompt-{number}").write_text(given.prompt)
    (script.parent / f"flags-{number}").write_text(json.dumps(others))
    (script.parent / f"folder-{number}").write_text(json.dumps([str(Path.cwd()), os.listdir()]))
    sessions = json.loads(script.read_text())
    server = json.loads(given.mcp_config.read_text())["mcpServers"]["kernelwright"]
    return asyncio.run(_play(sessions[min(number, len(sessions) - 1)], server))


async def _play(steps: list[list[Any]], server: dict[str, Any]) -> int:
    async with contextlib.AsyncExitStack() as stack:
        return await _steps(steps, server, stack)


async def _steps(steps: list[list[Any]], server: dict[str, Any], stack: contextlib.AsyncExitStack) -> int:
    client: Any = None
    for number, (kind, *rest) in enumerate(steps):
        match kind:
            case "call":
                client = client or await stack.enter_async_context(_connected(server))
                answer = await client.call_tool(rest[0], rest[1] if len(rest) > 1 else {})
                print(answer.content, file=sys.stderr, flush=True)
            case "say":
                _line(type="assistant", message={"id": f"m{number}", "model": "fake", "content": [_text(rest[0])]})
            case "use":
                usage = {"input_tokens": rest[0], "output_tokens": rest[1]}
                _line(type="assistant", message={"id": f"m{number}", "model": "fake", "content": [], "usage": usage})
            case "cost":
                _line(type="result", is_error=False, usage={}, total_cost_usd=rest[0])
            case "err":
                print(rest[0], file=sys.stderr, flush=True)
            case "child":
                subprocess.Popen([sys.executable, "-c", _CHILD, rest[0]])
                while not Path(rest[0]).exists():
                    time.sleep(0.01)
            case "beat":
                while True:
                    with Path(rest[0]).open("a") as file:
                        file.write(".")
                    time.sleep(0.01)
            case "sleep":
                await asyncio.sleep(rest[0])
            case "exit":
                return int(rest[0])
    return 0


@contextlib.asynccontextmanager
async def _connected(server: dict[str, Any]) -> AsyncIterator[Any]:
    import httpx2  # noqa: PLC0415  # lazy: the version is asked for more often
    from mcp.client import Client  # noqa: PLC0415
    from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415

    # As clients expand what their files say.
    headers = {name: string.Template(value).substitute(os.environ) for name, value in server["headers"].items()}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(server["url"], http_client=http)) as client,
    ):
        yield client


def _text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def _line(**event: object) -> None:
    print(json.dumps(event), flush=True)
