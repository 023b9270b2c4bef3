"""OpenClaw: `openclaw.json` of the user, which may be JSON5.

It refuses variables that change interpreters, PYTHONPATH among them, in an entry's `env`.

Source: docs of OpenClaw, "MCP registry" and "Transports"; checked against the program, see docs/agents.md.
"""

from pathlib import Path

from kernelwright.workshop.clients.client import Client, ConfigFile, Surroundings
from kernelwright.workshop.clients.connection import CALL_TIMEOUT_S, SERVER, START_TIMEOUT_S, Connection, Local
from kernelwright.workshop.clients.documents import Setting


def entry(connection: Connection) -> dict[str, object]:
    """Return the server's entry; times in ms."""
    limits: dict[str, object] = {
        "connectionTimeoutMs": START_TIMEOUT_S * 1000,
        "requestTimeoutMs": CALL_TIMEOUT_S * 1000,
    }
    if isinstance(connection, Local):
        return {**connection.entry, **limits}
    return {"url": connection.url, "transport": "streamable-http", "headers": connection.headers, **limits}


def _file(connection: Connection, where: Surroundings) -> ConfigFile:
    named = where.environment.get("OPENCLAW_CONFIG_PATH")
    path = Path(named).expanduser().absolute() if named else _folder(where) / "openclaw.json"
    return ConfigFile(path, Setting("json", ("mcp", "servers", SERVER), entry(connection)))


def _folder(where: Surroundings) -> Path:
    return where.folder("OPENCLAW_STATE_DIR", ".openclaw")


CLIENT = Client(
    name="openclaw",
    title="OpenClaw",
    install="npm install -g openclaw",
    file=_file,
    skill=_folder,
    then="look: openclaw mcp probe kernelwright",
)
