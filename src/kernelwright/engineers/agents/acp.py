"""Drives one session of an agent that speaks the Agent Client Protocol, for clients without a better way.

    python -m kernelwright.engineers.agents.acp --prompt-file F --server NAME --url URL --token-variable V -- AGENT...

Starts AGENT, gives it the MCP server and the prompt, and writes what it says and takes to standard output, a JSON
object a line: {"said": text}, {"used": {...}}. Permission is given to the server's tools and to nothing else.
The exit code is 0 when the turn ended by itself, 1 for anything else.

Source: Agent Client Protocol, version 1, agentclientprotocol.com: initialize, session/new, session/prompt,
session/update, session/request_permission.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from kernelwright import __version__

PROTOCOL = 1
_NO_METHOD = -32601
Emit = Callable[[Mapping[str, object]], None]


class AgentError(Exception):
    """The agent answered a request with an error, or ended."""


class Connection:
    """JSON-RPC with an agent over its standard input and output, a message a line."""

    def __init__(self, to_agent: IO[str], from_agent: IO[str], server: str, emit: Emit) -> None:
        self._to, self._from, self._server, self._emit = to_agent, from_agent, server, emit
        self._requests = 0
        self._words: list[str] = []

    def request(self, method: str, params: Mapping[str, object]) -> Mapping[str, Any]:
        """Return the result of a request; answers the agent's own requests until it comes. Raises AgentError."""
        self._requests += 1
        mine = self._requests
        self._send({"id": mine, "method": method, "params": params})
        for line in self._from:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if not isinstance(message, dict):
                continue
            if "method" in message:
                self._hear(message)
            elif message.get("id") == mine:
                self._flush()
                if "error" in message:
                    raise AgentError(f"{method}: {json.dumps(message['error'])[:2000]}")
                return message.get("result") or {}
        raise AgentError(f"{method}: the agent ended without an answer")

    def _hear(self, message: Mapping[str, Any]) -> None:
        params = message.get("params") or {}
        if message["method"] == "session/update":
            self._update(params.get("update") or {})
        elif message["method"] == "session/request_permission":
            self._send({"id": message["id"], "result": {"outcome": self._decision(params)}})
        elif "id" in message:
            self._send({"id": message["id"], "error": {"code": _NO_METHOD, "message": "not offered"}})

    def _update(self, update: Mapping[str, Any]) -> None:
        if update.get("sessionUpdate") != "agent_message_chunk":
            self._flush()
            return
        content = update.get("content") or {}
        if content.get("text"):
            self._words.append(str(content["text"]))
        usage = (update.get("_meta") or {}).get("usage")
        if usage:
            self._flush()
            self._emit({"used": usage})

    def _flush(self) -> None:
        if self._words:
            self._emit({"said": "".join(self._words)})
            self._words = []

    def _decision(self, params: Mapping[str, Any]) -> Mapping[str, object]:
        """Return what is answered to a request for permission: yes to the server's own tools, else no."""
        call = params.get("toolCall") or {}
        wanted = "allow" if f":{self._server}" in str(call.get("title", "")) or _is_session_tool(call) else "reject"
        for option in params.get("options") or ():
            if str(option.get("kind", "")).startswith(wanted):
                return {"outcome": "selected", "optionId": option["optionId"]}
        return {"outcome": "cancelled"}

    def _send(self, message: Mapping[str, object]) -> None:
        self._to.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._to.flush()


def _is_session_tool(call: Mapping[str, Any]) -> bool:
    """Return whether a call goes to an MCP server that the session itself brought: ours is the only one."""
    return str(call.get("title", "")).startswith("driver:mcp:acp_")


def main(arguments: list[str]) -> int:
    """Run one session and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompt-file", type=Path, required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token-variable", required=True)
    parser.add_argument("--model")
    parser.add_argument("agent", nargs="+")
    given = parser.parse_args(arguments)

    def emit(told: Mapping[str, object]) -> None:
        print(json.dumps(told), flush=True)

    with subprocess.Popen(given.agent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdin is not None and agent.stdout is not None
        try:
            _talk(Connection(agent.stdin, agent.stdout, given.server, emit), given)
        except (AgentError, BrokenPipeError) as error:
            emit({"said": str(error)})
            agent.terminate()
            return 1
        agent.stdin.close()
        return 0 if agent.wait() == 0 else 1


def _talk(connection: Connection, given: argparse.Namespace) -> None:
    offered = {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}
    me = {"name": "kernelwright", "version": __version__}
    connection.request("initialize", {"protocolVersion": PROTOCOL, "clientCapabilities": offered, "clientInfo": me})
    token = {"name": "Authorization", "value": f"Bearer {os.environ.get(given.token_variable, '')}"}
    server = {"type": "http", "name": given.server, "url": given.url, "headers": [token]}
    opened = connection.request("session/new", {"cwd": str(Path.cwd()), "mcpServers": [server]})
    session = opened["sessionId"]
    if given.model:
        connection.request("session/set_model", {"sessionId": session, "modelId": given.model})
    text = given.prompt_file.read_text(encoding="utf-8")
    connection.request("session/prompt", {"sessionId": session, "prompt": [{"type": "text", "text": text}]})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
