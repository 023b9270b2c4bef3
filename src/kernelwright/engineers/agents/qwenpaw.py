"""QwenPaw, headless: over the Agent Client Protocol, since its own `task` command has no MCP servers.

The session's workspace is new; models and keys are the user's. QwenPaw's own tools cannot be switched off this way;
what asks for permission and is not ours is refused.
"""

import sys
from collections.abc import Iterable

from kernelwright.engineers.agents.json_lines import count_of, object_of
from kernelwright.engineers.agents.kind import Kind, Launch, Report, Said, Task, Used
from kernelwright.workshop.clients.connection import SERVER, TOKEN_VARIABLE
from kernelwright.workshop.clients.qwenpaw import CLIENT


def _launch(task: Task) -> Launch:
    prompt = task.state / "prompt.md"
    # An installation's own interpreter knows this package, from whatever folder it is started.
    driver = [sys.executable, "-m", "kernelwright.engineers.agents.acp", "--prompt-file", str(prompt)]
    driver += ["--server", SERVER, "--url", task.tools.url, "--token-variable", TOKEN_VARIABLE]
    driver += ["--model", task.model] if task.model else []
    agent = [task.program, "acp", "--local-diagnostics", "--workspace", str(task.state / "workspace")]
    # Set by whoever wants a provider of the environment instead of QwenPaw's own configuration.
    named = task.environment.get("OPENAI_BASE_URL") and task.environment.get("OPENAI_MODEL")
    agent += ["--runtime-provider", "openai-env"] if named else []
    return Launch((*driver, "--", *agent), files={prompt: task.prompt})


class _Reader:
    """Lines of the driver: {"said": text} and {"used": {...}}."""

    def line(self, text: str) -> Iterable[Report]:
        """See `kind.Reader`."""
        told = object_of(text)
        if isinstance(told.get("said"), str):
            yield Said(told["said"])
        used = told.get("used")
        if isinstance(used, dict):
            yield Used(str(used.get("model", "")), count_of(used, "inputTokens"), count_of(used, "outputTokens"))

    def end(self) -> Iterable[Report]:
        """See `kind.Reader`."""
        return ()


KIND = Kind(CLIENT.name, "qwenpaw", _launch, lambda task: _Reader())
