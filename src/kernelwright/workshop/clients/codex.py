"""Codex: `config.toml` of the user.

Source: docs of Codex, "MCP"; checked against the program, see docs/agents.md.
"""

from pathlib import Path

from kernelwright.workshop.clients.client import Client, ConfigFile, Surroundings
from kernelwright.workshop.clients.connection import CALL_TIMEOUT_S, SERVER, START_TIMEOUT_S, Connection, Local
from kernelwright.workshop.clients.documents import Setting


def entry(connection: Connection) -> dict[str, object]:
    """Return the server's entry: times in seconds, calls are not asked about."""
    limits: dict[str, object] = {
        "startup_timeout_sec": START_TIMEOUT_S,
        "tool_timeout_sec": CALL_TIMEOUT_S,
        "default_tools_approval_mode": "approve",
    }
    if isinstance(connection, Local):
        return {**connection.entry, **limits}
    return {"url": connection.url, "bearer_token_env_var": connection.token_variable, **limits}


def _file(connection: Connection, where: Surroundings) -> ConfigFile:
    return ConfigFile(_folder(where) / "config.toml", Setting("toml", ("mcp_servers", SERVER), entry(connection)))


def _folder(where: Surroundings) -> Path:
    return where.folder("CODEX_HOME", ".codex")


CLIENT = Client(
    name="codex",
    title="Codex",
    install="npm install -g @openai/codex",
    file=_file,
    skill=_folder,
    # Without it the first turn may begin before the server has told its tools; in the file it would keep
    # Codex from starting anywhere as soon as the run is closed.
    then="headless: codex exec -c mcp_servers.kernelwright.required=true",
)
