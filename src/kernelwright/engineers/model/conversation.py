"""A conversation with a model as plain records, and about how many tokens it has: a cache, never the memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from kernelwright.engineers.model.prices import Usage
from kernelwright.workshop.mcp.answers import token_estimate

NOTHING = Usage(0, 0)
# What roles, ids and separators of a message take.
FRAME_TOKENS = 8


@dataclass(frozen=True)
class Call:
    """A tool call of a model; `arguments` is its text as it came, not yet known to be JSON."""

    id: str
    tool: str
    arguments: str


@dataclass(frozen=True)
class Said:
    """One reply of a model.

    `finish` is why it ended: stop, tool_call, length, content_filter, error or empty. `raw` is the reply in the form
    of the library that brought it, to be sent back as it came; None once anything of it was changed.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    finish: str = ""
    usage: Usage = NOTHING
    raw: object = field(default=None, repr=False, compare=False)

    @cached_property
    def tokens(self) -> int:
        """Return about how many tokens it takes when it is sent back."""
        reasoning = self.reasoning if self.raw is not None else ""
        texts = [self.text, reasoning, *(part for call in self.calls for part in (call.tool, call.arguments))]
        return sum(token_estimate(text) for text in texts if text) + FRAME_TOKENS * (1 + len(self.calls))


@dataclass(frozen=True)
class Answer:
    """What a tool call was answered with, as the model reads it."""

    call: Call
    text: str

    @cached_property
    def tokens(self) -> int:
        """Return about how many tokens it takes."""
        return token_estimate(self.text) + FRAME_TOKENS


@dataclass(frozen=True)
class Turn:
    """A reply, the answers to its calls, and what the harness says after them."""

    said: Said
    answers: tuple[Answer, ...] = ()
    words: str = ""

    @cached_property
    def tokens(self) -> int:
        """Return about how many tokens it takes."""
        words = token_estimate(self.words) + FRAME_TOKENS if self.words else 0
        return self.said.tokens + sum(answer.tokens for answer in self.answers) + words


@dataclass(frozen=True)
class Tool:
    """A tool as a model is told of it."""

    name: str
    description: str
    schema: dict[str, object] = field(hash=False)

    @cached_property
    def tokens(self) -> int:
        """Return about how many tokens it takes."""
        return token_estimate(f"{self.name}{self.description}{self.schema}") + FRAME_TOKENS


@dataclass(frozen=True)
class Conversation:
    """All that a request holds: who the model is, the pinned brief with what came before, tools, turns."""

    system: str
    opening: str
    tools: tuple[Tool, ...] = ()
    turns: tuple[Turn, ...] = ()

    @cached_property
    def fixed_tokens(self) -> int:
        """Return about how many tokens it has without its turns."""
        texts = token_estimate(self.system) + token_estimate(self.opening) + 2 * FRAME_TOKENS
        return texts + sum(tool.tokens for tool in self.tools)

    @cached_property
    def tokens(self) -> int:
        """Return about how many tokens it has."""
        return self.fixed_tokens + sum(turn.tokens for turn in self.turns)

    def with_turn(self, turn: Turn) -> "Conversation":
        """Return the conversation after one more turn."""
        return replace(self, turns=(*self.turns, turn))

    def with_words(self, words: str) -> "Conversation":
        """Return the conversation with more words of the harness at its end."""
        if not words:
            return self
        if not self.turns:
            return replace(self, opening=f"{self.opening}\n\n{words}")
        last = self.turns[-1]
        return replace(self, turns=(*self.turns[:-1], replace(last, words=joined(last.words, words))))


def joined(*texts: str) -> str:
    """Return texts that are not empty as paragraphs."""
    return "\n\n".join(text for text in texts if text)


def newest_that_fit(turns: Sequence[Turn], tokens: int) -> tuple[Turn, ...]:
    """Return the last turns that together have at most `tokens` tokens."""
    kept, left = 0, tokens
    for turn in reversed(turns):
        left -= turn.tokens
        if left < 0:
            break
        kept += 1
    return tuple(turns[len(turns) - kept :])


def cut_to(text: str, tokens: int, how_on: str = "") -> str:
    """Return the text, or its beginning and a note of how much was left out and how to read on, within `tokens`."""
    if token_estimate(text) <= tokens:
        return text
    note = f"\n[cut: {{shown}} of {len(text)} characters{how_on}]"
    low, high = 0, len(text)
    room = max(0, tokens - token_estimate(note))
    while low < high:
        middle = (low + high + 1) // 2
        if token_estimate(text[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    # At the end of a line where one is near: code that ends in its middle misleads.
    end = text.rfind("\n", max(0, low - 200), low)
    shown = end if end > 0 else low
    return text[:shown] + note.format(shown=shown)
