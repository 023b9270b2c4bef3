"""Qwen Code: `.qwen/settings.json` of a project or of the user.

Source: docs of Qwen Code, "MCP servers"; checked against the program, see docs/agents.md.
"""

from pathlib import Path

from kernelwright.workshop.clients.client import Client, ConfigFile, Surroundings
from kernelwright.workshop.clients.connection import CALL_TIMEOUT_S, SERVER, Connection, Local
from kernelwright.workshop.clients.documents import Setting


def entry(connection: Connection) -> dict[str, object]:
    """Return the server's entry: time in ms; calls are not asked about, and no tool is hidden behind a search."""
    limits: dict[str, object] = {"timeout": CALL_TIMEOUT_S * 1000, "trust": True, "alwaysLoadTools": True}
    if isinstance(connection, Local):
        return {**connection.entry, **limits}
    return {"httpUrl": connection.url, "headers": connection.headers, **limits}


def _file(connection: Connection, where: Surroundings) -> ConfigFile:
    return ConfigFile(_folder(where) / "settings.json", Setting("json", ("mcpServers", SERVER), entry(connection)))


def _folder(where: Surroundings) -> Path:
    return where.folder("QWEN_HOME", ".qwen") if where.for_user else where.project / ".qwen"


CLIENT = Client(
    name="qwen-code",
    title="Qwen Code",
    install="npm install -g @qwen-code/qwen-code",
    file=_file,
    skill=_folder,
    then="in this folder: qwen mcp approve kernelwright",
)
