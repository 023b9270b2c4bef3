"""What each client's file says, and that it stands where the client looks."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.workshop.clients.catalogue import CLIENTS, find_client
from kernelwright.workshop.clients.client import Surroundings
from kernelwright.workshop.clients.connection import Connection, Local, Remote
from kernelwright.workshop.clients.skill import skill_text
from kernelwright.workshop.clients.writing import existing_text, plan_file, plan_skill
from kernelwright.workshop.tools import TOOLS

pytest.importorskip("tomlkit")
ruamel = pytest.importorskip("ruamel.yaml")

LOCAL = Local("/opt/kw/bin/kernelwright", ("mcp", "--run", "r"), {"KERNELWRIGHT_HOME": "/data/kw"})
REMOTE = Remote("http://127.0.0.1:8765/mcp")
COMMAND = {"command": LOCAL.program, "args": ["mcp", "--run", "r"], "env": {"KERNELWRIGHT_HOME": "/data/kw"}}
HEADERS = {"Authorization": "Bearer ${KERNELWRIGHT_TOKEN}"}


def load_yaml(text: str) -> Any:
    return ruamel.YAML(typ="safe", pure=True).load(text)


def around(folder: Path, for_user: bool = False, **environment: str) -> Surroundings:
    return Surroundings(folder / "project", folder / "home", environment, existing_text, for_user)


def written(name: str, connection: Connection, where: Surroundings) -> tuple[Path, Any]:
    planned = plan_file(CLIENTS[name], connection, where)
    readers: dict[str, Callable[[str], Any]] = {".json": json.loads, ".toml": tomllib.loads, ".yaml": load_yaml}
    return planned.path, readers[planned.path.suffix](planned.text)


@pytest.mark.parametrize(
    ("name", "file", "keys", "local", "remote"),
    [
        (
            "claude-code",
            "project/.mcp.json",
            ("mcpServers",),
            {"type": "stdio", **COMMAND, "timeout": 300_000, "alwaysLoad": True},
            {"type": "http", "url": REMOTE.url, "headers": HEADERS, "timeout": 300_000, "alwaysLoad": True},
        ),
        (
            "qwen-code",
            "project/.qwen/settings.json",
            ("mcpServers",),
            {**COMMAND, "timeout": 300_000, "trust": True, "alwaysLoadTools": True},
            {"httpUrl": REMOTE.url, "headers": HEADERS, "timeout": 300_000, "trust": True, "alwaysLoadTools": True},
        ),
        (
            "qoder",
            "project/.mcp.json",
            ("mcpServers",),
            {"type": "stdio", **COMMAND, "timeout": 300_000},
            {"type": "http", "url": REMOTE.url, "headers": HEADERS, "timeout": 300_000},
        ),
        (
            "qwenpaw",
            "home/.qwenpaw/workspaces/default/agent.json",
            ("mcp", "clients"),
            {"name": "kernelwright", "enabled": True, "transport": "stdio", **COMMAND},
            {
                "name": "kernelwright",
                "enabled": True,
                "transport": "streamable_http",
                "url": REMOTE.url,
                "headers": HEADERS,
                "http_timeout": 300,
            },
        ),
        (
            "openclaw",
            "home/.openclaw/openclaw.json",
            ("mcp", "servers"),
            {**COMMAND, "connectionTimeoutMs": 120_000, "requestTimeoutMs": 300_000},
            {
                "url": REMOTE.url,
                "transport": "streamable-http",
                "headers": HEADERS,
                "connectionTimeoutMs": 120_000,
                "requestTimeoutMs": 300_000,
            },
        ),
        (
            "hermes",
            "home/.hermes/config.yaml",
            ("mcp_servers",),
            {**COMMAND, "timeout": 300, "connect_timeout": 120},
            {"url": REMOTE.url, "headers": HEADERS, "timeout": 300, "connect_timeout": 120},
        ),
        (
            "codex",
            "home/.codex/config.toml",
            ("mcp_servers",),
            {
                **COMMAND,
                "startup_timeout_sec": 120,
                "tool_timeout_sec": 300,
                "default_tools_approval_mode": "approve",
            },
            {
                "url": REMOTE.url,
                "bearer_token_env_var": "KERNELWRIGHT_TOKEN",
                "startup_timeout_sec": 120,
                "tool_timeout_sec": 300,
                "default_tools_approval_mode": "approve",
            },
        ),
    ],
)
def test_each_client_gets_its_own_file(
    tmp_path: Path, name: str, file: str, keys: tuple[str, ...], local: object, remote: object
) -> None:
    for connection, entry in ((LOCAL, local), (REMOTE, remote)):
        path, said = written(name, connection, around(tmp_path))
        for key in keys:
            said = said[key]
        assert (path, said) == (tmp_path / file, {"kernelwright": entry})


def test_where_there_is_no_environment_to_hand_on_none_is_written(tmp_path: Path) -> None:
    for name in CLIENTS:
        assert "env" not in str(written(name, Local("/kw", ("mcp",)), around(tmp_path))[1]).replace("environment", "")


@pytest.mark.parametrize(
    ("name", "variable", "file"),
    [
        ("claude-code", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("qwen-code", "QWEN_HOME", "settings.json"),
        ("qoder", "QODER_CONFIG_DIR", "settings.json"),
        ("qwenpaw", "QWENPAW_WORKING_DIR", "workspaces/default/agent.json"),
        ("openclaw", "OPENCLAW_STATE_DIR", "openclaw.json"),
        ("openclaw", "OPENCLAW_CONFIG_PATH", ""),
        ("hermes", "HERMES_HOME", "config.yaml"),
        ("codex", "CODEX_HOME", "config.toml"),
    ],
)
def test_folders_that_the_environment_names_are_found(tmp_path: Path, name: str, variable: str, file: str) -> None:
    where = around(tmp_path, for_user=True, **{variable: str(tmp_path / "named.json")})
    assert plan_file(CLIENTS[name], LOCAL, where).path == tmp_path / "named.json" / file
    assert (tmp_path / "home") in plan_file(CLIENTS[name], LOCAL, around(tmp_path, for_user=True)).path.parents


def test_a_workspace_of_qwenpaw_that_was_started_gets_a_card(tmp_path: Path) -> None:
    folder = tmp_path / "home/.qwenpaw/workspaces/default"
    folder.mkdir(parents=True)
    agent = folder / "agent.json"
    agent.write_text('{"id": "default", "mcp": {"clients": {"other": {}}, "migration_version": 0}}')
    path, said = written("qwenpaw", LOCAL, around(tmp_path))
    assert (path, set(said["mcp"]["clients"])) == (agent, {"other", "kernelwright"})
    agent.write_text('{"id": "default", "mcp": {"clients": {}, "migration_version": 2}}')
    path, said = written("qwenpaw", LOCAL, around(tmp_path))
    assert path == folder / "drivers/mcp/kernelwright.yaml"
    assert said["endpoint"] == {"transport": "stdio", **COMMAND}
    assert (said["name"], said["protocol"], said["policy"]) == ("kernelwright", "mcp", {"default_effect": "allow"})
    _, said = written("qwenpaw", REMOTE, around(tmp_path))
    assert said["credentials"] == {"token": {"kind": "static", "ref": "env:KERNELWRIGHT_TOKEN"}}
    assert said["endpoint"]["headers"]["Authorization"]["credential"] == "token"
    agent.write_text("{")
    with pytest.raises(RequestError, match="QwenPaw must be readable"):
        plan_file(CLIENTS["qwenpaw"], LOCAL, around(tmp_path))


def test_no_file_holds_a_token(tmp_path: Path) -> None:
    for client in CLIENTS.values():
        assert "KERNELWRIGHT_TOKEN" in plan_file(client, REMOTE, around(tmp_path)).text


def test_the_skill_lies_where_each_client_looks(tmp_path: Path) -> None:
    for client in CLIENTS.values():
        planned = plan_skill(client, around(tmp_path))
        assert planned.path.parts[-3:] == ("skills", "kernelwright", "SKILL.md")
        assert planned.path.is_relative_to(tmp_path)


def test_the_skill_names_every_tool_and_has_a_heading_that_clients_read() -> None:
    _, head, body = skill_text().split("---\n", 2)
    assert set(load_yaml(head)) == {"name", "description"}
    unnamed = {name for name in TOOLS if f"`{name}`" not in body}
    assert unnamed <= {"list_files", "read_file", "write_file"}
    assert len(skill_text()) < 5000


def test_an_unknown_client_is_told_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'claude-code'"):
        find_client("claude_code")
