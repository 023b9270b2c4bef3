"""Hermes Agent, headless: `hermes -z` in a home of its own with the user's configuration and logins in it."""

from collections.abc import Iterable

from kernelwright.engineers.agents.json_lines import PlainWords, count_of, object_of
from kernelwright.engineers.agents.kind import Kind, Launch, Report, Task, Used
from kernelwright.workshop.clients.connection import SERVER
from kernelwright.workshop.clients.documents import Setting, text_with
from kernelwright.workshop.clients.hermes import CLIENT, entry
from kernelwright.workshop.clients.writing import existing_text

_LOGINS = (".env", "auth.json")
_USAGE = "usage.json"
# Turns of one session; the run's own rules end it long before.
_MOST_TURNS = 100_000


def _launch(task: Task) -> Launch:
    user = task.user_folder("HERMES_HOME", ".hermes")
    config = existing_text(user / "config.yaml") or ""
    for setting in (
        Setting("yaml", ("mcp_servers", SERVER), entry(task.tools)),
        Setting("yaml", ("agent", "max_turns"), _MOST_TURNS),
    ):
        config = text_with(setting, config)
    command = [task.program, "--toolsets", SERVER, "--usage-file", str(task.state / _USAGE)]
    command += ["--model", task.model] if task.model else []
    return Launch(
        (*command, "--oneshot", task.prompt),
        {"HERMES_HOME": str(task.state / "home")},
        files={task.state / "home" / "config.yaml": config},
        links={task.state / "home" / name: user / name for name in _LOGINS},
    )


class _Reader(PlainWords):
    """Words on the output, tokens in a file at the end."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def end(self) -> Iterable[Report]:
        """See `kind.Reader`."""
        usage = object_of(existing_text(self._task.state / _USAGE) or "")
        read = count_of(usage, "input_tokens", "cache_read_tokens", "cache_write_tokens")
        written = count_of(usage, "output_tokens")
        known = usage.get("cost_status") not in (None, "unknown")
        usd = usage.get("estimated_cost_usd") if known else None
        if read or written:
            yield Used(str(usage.get("model", "")), read, written, float(usd) if isinstance(usd, int | float) else None)


KIND = Kind(CLIENT.name, "hermes", _launch, _Reader)
