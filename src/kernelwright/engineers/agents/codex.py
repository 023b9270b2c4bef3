"""Codex, headless: `codex exec`, its own tools switched off, the user's login and configuration kept."""

import json

from kernelwright.engineers.agents.json_lines import ThreadEvents
from kernelwright.engineers.agents.kind import Kind, Launch, Task
from kernelwright.workshop.clients.codex import CLIENT, entry
from kernelwright.workshop.clients.connection import SERVER

_OTHER_TOOLS = ("shell_tool", "unified_exec", "multi_agent", "goals", "view_image")


def _launch(task: Task) -> Launch:
    # The turn waits for the tools, or would begin without them.
    server = {**entry(task.tools), "required": True}
    settings = {f"mcp_servers.{SERVER}.{name}": value for name, value in server.items()}
    settings |= {"approval_policy": "never", "web_search": "disabled"}
    command = [task.program, "exec", "--json", "--skip-git-repo-check", "--sandbox", "read-only"]
    command += ["--cd", str(task.folder)]
    for name, value in settings.items():
        # JSON of texts, numbers and booleans is TOML too.
        command += ["--config", f"{name}={json.dumps(value)}"]
    for name in _OTHER_TOOLS:
        command += ["--disable", name]
    command += ["--model", task.model] if task.model else []
    return Launch((*command, task.prompt))


KIND = Kind(CLIENT.name, "codex", _launch, lambda task: ThreadEvents(task.model or "codex"))
