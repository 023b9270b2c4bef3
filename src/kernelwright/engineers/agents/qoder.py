"""Qoder CLI, headless: `qodercli -p`, its own tools switched off; it wants Qoder's own login or access token."""

import json

from kernelwright.engineers.agents.json_lines import MessageStream
from kernelwright.engineers.agents.kind import Kind, Launch, Task
from kernelwright.workshop.clients.connection import SERVER
from kernelwright.workshop.clients.qoder import CLIENT, entry


def _launch(task: Task) -> Launch:
    config = task.state / "mcp.json"
    command = [task.program, "--print", task.prompt, "--output-format", "stream-json"]
    command += ["--mcp-config", str(config), "--strict-mcp-config", "--tools", ""]
    command += ["--allowed-tools", f"mcp__{SERVER}__*", "--permission-mode", "dont_ask", "--no-session-persistence"]
    command += ["--model", task.model] if task.model else []
    server = {**entry(task.tools), "headers": {"Authorization": f"Bearer {task.token}"}}
    return Launch(tuple(command), files={config: json.dumps({"mcpServers": {SERVER: server}}, indent=2)})


KIND = Kind(CLIENT.name, "qodercli", _launch, lambda task: MessageStream())
