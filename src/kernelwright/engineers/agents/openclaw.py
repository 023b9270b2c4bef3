"""OpenClaw, headless: `openclaw agent exec` with a configuration that includes the user's; our tools alone."""

import json
from collections.abc import Iterable

from kernelwright.engineers.agents.json_lines import count_of, object_of
from kernelwright.engineers.agents.kind import Kind, Launch, Report, Said, Task, Used
from kernelwright.workshop.clients.connection import SERVER
from kernelwright.workshop.clients.openclaw import CLIENT, entry

# A session has a deadline; the run's own rules end it long before.
_DEADLINE_S = 1_000_000


def _launch(task: Task) -> Launch:
    folder = task.user_folder("OPENCLAW_STATE_DIR", ".openclaw")
    named = task.environment.get("OPENCLAW_CONFIG_PATH")
    user = task.user_folder("OPENCLAW_CONFIG_PATH", "") if named else folder / "openclaw.json"
    config = {
        **({"$include": [str(user)]} if user.is_file() else {}),
        # Tools stand in the prompt, not behind a search for them.
        "tools": {"allow": [f"{SERVER}__*"], "toolSearch": False},
        "mcp": {"servers": {SERVER: entry(task.tools)}},
    }
    file, prompt = task.state / "openclaw.json", task.state / "prompt.md"
    command = [task.program, "agent", "exec", "--config", str(file), "--cwd", str(task.folder), "--json"]
    command += ["--timeout", str(_DEADLINE_S), "--message-file", str(prompt)]
    command += ["--model", task.model] if task.model else []
    return Launch(
        tuple(command),
        {"OPENCLAW_INCLUDE_ROOTS": str(user.parent)},
        files={file: json.dumps(config, indent=2), prompt: task.prompt},
    )


class _Reader:
    """One object over many lines, complete when the client has ended."""

    def __init__(self, task: Task) -> None:
        self._lines: list[str] = []

    def line(self, text: str) -> Iterable[Report]:
        """See `kind.Reader`."""
        self._lines.append(text)
        return ()

    def end(self) -> Iterable[Report]:
        """See `kind.Reader`."""
        told = object_of("".join(self._lines))
        error = told.get("error")
        words = told.get("final") or (error.get("message") if isinstance(error, dict) else "")
        if words:
            yield Said(str(words))
        usage = told.get("usage")
        if isinstance(usage, dict):
            usd = told.get("costUsd")
            read, written = count_of(usage, "input", "cacheRead", "cacheWrite"), count_of(usage, "output")
            yield Used(
                str(told.get("model") or ""), read, written, float(usd) if isinstance(usd, int | float) else None
            )


KIND = Kind(CLIENT.name, "openclaw", _launch, _Reader)
