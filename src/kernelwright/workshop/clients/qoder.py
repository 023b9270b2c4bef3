"""Qoder CLI: `.mcp.json` of a project, or `settings.json` of the user.

Source: docs of Qoder CLI, "MCP"; checked against the program, see docs/agents.md.
"""

from pathlib import Path

from kernelwright.workshop.clients.client import Client, ConfigFile, Surroundings
from kernelwright.workshop.clients.connection import CALL_TIMEOUT_S, SERVER, Connection, Local
from kernelwright.workshop.clients.documents import Setting


def entry(connection: Connection) -> dict[str, object]:
    """Return the server's entry; time in ms."""
    limits: dict[str, object] = {"timeout": CALL_TIMEOUT_S * 1000}
    if isinstance(connection, Local):
        return {"type": "stdio", **connection.entry, **limits}
    return {"type": "http", "url": connection.url, "headers": connection.headers, **limits}


def _file(connection: Connection, where: Surroundings) -> ConfigFile:
    path = _user(where) / "settings.json" if where.for_user else where.project / ".mcp.json"
    return ConfigFile(path, Setting("json", ("mcpServers", SERVER), entry(connection)))


def _user(where: Surroundings) -> Path:
    return where.folder("QODER_CONFIG_DIR", ".qoder")


def _skill(where: Surroundings) -> Path:
    return _user(where) if where.for_user else where.project / ".qoder"


CLIENT = Client(name="qoder", title="Qoder CLI", install="npm install -g @qoder-ai/qodercli", file=_file, skill=_skill)
