"""An engineer that plays a fixed list of tool calls: for tests, replays and examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kernelwright.core.errors import RequestError
from kernelwright.core.protocols import Tools


@dataclass(frozen=True)
class ToolCall:
    """One call of a tool by name."""

    tool: str
    arguments: Mapping[str, object] = field(default_factory=dict)


class ScriptedEngineer:
    """Makes its calls in order and keeps what was answered, a refused request included, in `answers`."""

    repeats_calls = True

    def __init__(self, calls: Sequence[ToolCall], name: str = "scripted") -> None:
        self._calls = tuple(calls)
        self._name = name
        self.answers: list[Mapping[str, object]] = []

    @property
    def name(self) -> str:
        """Return the public name."""
        return self._name

    def work(self, tools: Tools, seed: int) -> None:
        """Make the calls; a refused request is an answer, as it is for any engineer."""
        self.answers = []
        for call in self._calls:
            try:
                self.answers.append(tools.call(call.tool, call.arguments))
            except RequestError as error:
                self.answers.append({"refused": str(error)})
