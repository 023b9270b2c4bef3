"""QwenPaw: `agent.json` of an agent's workspace, or a driver card in it once the workspace has been started.

At its first start a workspace turns `mcp.clients` of `agent.json` into cards, `drivers/mcp/NAME.yaml`, sets
`mcp.migration_version` and reads the cards alone from then on.

Source: `drivers/adapters/mcp_legacy_config.py` and `drivers/contracts.py` of QwenPaw 2.2; see docs/agents.md.
"""

from pathlib import Path

from kernelwright.workshop.clients.client import Client, ConfigFile, Surroundings
from kernelwright.workshop.clients.connection import CALL_TIMEOUT_S, SERVER, Connection, Local
from kernelwright.workshop.clients.documents import Setting
from kernelwright.workshop.clients.json_text import member_of

AGENT = "default"


def entry(connection: Connection) -> dict[str, object]:
    """Return the server's entry in `agent.json`."""
    named: dict[str, object] = {"name": SERVER, "enabled": True}
    if isinstance(connection, Local):
        return {**named, "transport": "stdio", **connection.entry}
    limits = {"http_timeout": CALL_TIMEOUT_S}
    return {**named, "transport": "streamable_http", "url": connection.url, "headers": connection.headers, **limits}


def card(connection: Connection) -> dict[str, object]:
    """Return the server's card; its tools are called without asking."""
    endpoint: dict[str, object]
    credentials: dict[str, object] = {}
    if isinstance(connection, Local):
        endpoint = {"transport": "stdio", **connection.entry}
    else:
        bearer = {"source": "credential", "credential": "token", "field": "value", "format": "Bearer {value}"}
        headers = {"Authorization": bearer}
        limits = {"http_timeout": CALL_TIMEOUT_S}
        endpoint = {"transport": "streamable_http", "url": connection.url, "headers": headers, **limits}
        credentials = {"token": {"kind": "static", "ref": f"env:{connection.token_variable}"}}
    return {
        "name": SERVER,
        "protocol": "mcp",
        "endpoint": endpoint,
        "credentials": credentials,
        "config": {"display_name": SERVER},
        "enabled": True,
        "policy": {"default_effect": "allow"},
    }


def _file(connection: Connection, where: Surroundings) -> ConfigFile:
    agent = _folder(where) / "agent.json"
    text = where.existing(agent)
    if text is not None and _reads_cards(text):
        path = _folder(where) / "drivers" / "mcp" / f"{SERVER}.yaml"
        return ConfigFile(path, Setting("yaml", (), card(connection)))
    begin = {"id": AGENT, "name": AGENT.capitalize()}
    return ConfigFile(agent, Setting("json", ("mcp", "clients", SERVER), entry(connection), begin))


def _reads_cards(agent: str) -> bool:
    return member_of(agent, ("mcp", "migration_version")) not in (None, "0")


def _folder(where: Surroundings) -> Path:
    return where.folder("QWENPAW_WORKING_DIR", ".qwenpaw") / "workspaces" / AGENT


CLIENT = Client(
    name="qwenpaw",
    title="QwenPaw",
    install="pip install qwenpaw",
    file=_file,
    skill=_folder,
    then="restart QwenPaw, which reads this file when its agent starts, then: qwenpaw skills enable kernelwright",
)
