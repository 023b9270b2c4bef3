"""Claude Code: `.mcp.json` of a project, or the user's `~/.claude.json`.

Source: docs of Claude Code, "Connect Claude Code to tools via MCP"; checked against the program, see docs/agents.md.
"""

from pathlib import Path

from kernelwright.workshop.clients.client import Client, ConfigFile, Surroundings
from kernelwright.workshop.clients.connection import CALL_TIMEOUT_S, SERVER, Connection, Local
from kernelwright.workshop.clients.documents import Setting


def entry(connection: Connection) -> dict[str, object]:
    """Return the server's entry; the tools stand in every prompt, not behind a search for tools."""
    limits: dict[str, object] = {"timeout": CALL_TIMEOUT_S * 1000, "alwaysLoad": True}
    if isinstance(connection, Local):
        return {"type": "stdio", **connection.entry, **limits}
    return {"type": "http", "url": connection.url, "headers": connection.headers, **limits}


def _file(connection: Connection, where: Surroundings) -> ConfigFile:
    user = Path(where.environment.get("CLAUDE_CONFIG_DIR") or where.home).expanduser().absolute() / ".claude.json"
    path = user if where.for_user else where.project / ".mcp.json"
    return ConfigFile(path, Setting("json", ("mcpServers", SERVER), entry(connection)))


def _skill(where: Surroundings) -> Path:
    return where.folder("CLAUDE_CONFIG_DIR", ".claude") if where.for_user else where.project / ".claude"


CLIENT = Client(
    name="claude-code",
    title="Claude Code",
    install="npm install -g @anthropic-ai/claude-code",
    file=_file,
    skill=_skill,
    then="start claude in this folder and approve the server, or: claude -p --allowedTools mcp__kernelwright",
)
