"""Hermes Agent: `config.yaml` of the user.

Source: docs of Hermes Agent, "MCP Integration"; checked against the program, see docs/agents.md.
"""

from pathlib import Path

from kernelwright.workshop.clients.client import Client, ConfigFile, Surroundings
from kernelwright.workshop.clients.connection import CALL_TIMEOUT_S, SERVER, START_TIMEOUT_S, Connection, Local
from kernelwright.workshop.clients.documents import Setting


def entry(connection: Connection) -> dict[str, object]:
    """Return the server's entry; times in seconds."""
    limits: dict[str, object] = {"timeout": CALL_TIMEOUT_S, "connect_timeout": START_TIMEOUT_S}
    if isinstance(connection, Local):
        return {**connection.entry, **limits}
    return {"url": connection.url, "headers": connection.headers, **limits}


def _file(connection: Connection, where: Surroundings) -> ConfigFile:
    return ConfigFile(_folder(where) / "config.yaml", Setting("yaml", ("mcp_servers", SERVER), entry(connection)))


def _folder(where: Surroundings) -> Path:
    return where.folder("HERMES_HOME", ".hermes")


CLIENT = Client(
    name="hermes",
    title="Hermes Agent",
    # Without its extra it has no MCP at all.
    install="pip install 'hermes-agent[mcp]'",
    file=_file,
    skill=_folder,
    then="look: hermes mcp test kernelwright",
)
