"""Qwen Code, headless: its own tools switched off, the user's login and settings kept."""

import json

from kernelwright.engineers.agents.json_lines import MessageStream
from kernelwright.engineers.agents.kind import Kind, Launch, Task
from kernelwright.workshop.clients.connection import SERVER
from kernelwright.workshop.clients.qwen_code import CLIENT, entry

# What stays when `--core-tools` allows none: helpers that do nothing for a kernel, and cost tokens in every request.
_OTHER_TOOLS = (
    "agent", "list_agents", "send_message", "skill", "enter_worktree", "exit_worktree", "record_artifact",
    "report_findings", "task_stop", "tool_search", "tool_call", "get_goal", "update_goal",
)  # fmt: skip


def _launch(task: Task) -> Launch:
    config = task.state / "mcp.json"
    command = [task.program, task.prompt, "--output-format", "stream-json", "--mcp-config", str(config)]
    command += ["--allowed-mcp-server-names", SERVER, "--core-tools", "none", "--exclude-tools", ",".join(_OTHER_TOOLS)]
    command += ["--chat-recording", "false"]
    command += ["--model", task.model] if task.model else []
    # Variables in this file are not expanded, as they are in its settings.
    server = {**entry(task.tools), "headers": {"Authorization": f"Bearer {task.token}"}}
    return Launch(tuple(command), files={config: json.dumps({"mcpServers": {SERVER: server}}, indent=2)})


KIND = Kind(CLIENT.name, "qwen", _launch, lambda task: MessageStream())
