"""Claude Code, headless: `claude -p`, its own tools switched off, the user's login and settings kept."""

import json

from kernelwright.engineers.agents.json_lines import MessageStream
from kernelwright.engineers.agents.kind import Kind, Launch, Task
from kernelwright.workshop.clients.claude_code import CLIENT, entry
from kernelwright.workshop.clients.connection import SERVER


def _launch(task: Task) -> Launch:
    config = task.state / "mcp.json"
    command = [task.program, "--print", task.prompt, "--output-format", "stream-json", "--verbose"]
    command += ["--mcp-config", str(config), "--strict-mcp-config", "--setting-sources", "user"]
    command += ["--tools", "", "--allowedTools", f"mcp__{SERVER}", "--permission-mode", "dontAsk"]
    command += ["--no-session-persistence"]
    command += ["--model", task.model] if task.model else []
    command += [] if task.usd_left is None else ["--max-budget-usd", f"{task.usd_left:.4f}"]
    return Launch(
        tuple(command),
        {"DISABLE_AUTOUPDATER": "1"},
        # Set inside a session of Claude Code, which then refuses another one.
        without=("CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT"),
        files={config: json.dumps({"mcpServers": {SERVER: entry(task.tools)}}, indent=2)},
    )


KIND = Kind(CLIENT.name, "claude", _launch, lambda task: MessageStream(), limits_money=True)
