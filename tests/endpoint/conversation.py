"""What a player sees and says, whatever wire a client speaks: plain messages in, a reply or trouble out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]
# Why a reply ends, as chat completions say it; other wires translate.
Finish = Literal["stop", "tool_calls", "length", "content_filter"]


@dataclass(frozen=True)
class Call:
    """A tool call of the model; `arguments` is the text that should be a JSON object, sent as it is."""

    name: str
    arguments: str = "{}"
    id: str = "call_1"


@dataclass(frozen=True)
class Message:
    """One message; `calls` are an assistant's, `call_id` is what a tool's answer belongs to."""

    role: Role
    text: str = ""
    calls: tuple[Call, ...] = ()
    call_id: str = ""


@dataclass(frozen=True)
class Tool:
    """A tool that the client offers; `schema` is the JSON schema of its arguments."""

    name: str
    description: str = ""
    schema: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversation:
    """One request: the model asked for, all messages from the first, the tools, and the key that came with it."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    streams: bool = False
    key: str = ""
    most_tokens: int | None = None

    @property
    def characters(self) -> int:
        """Return how long the conversation is, tools included: what a window must hold."""
        said = sum(len(m.text) + sum(len(c.name) + len(c.arguments) for c in m.calls) for m in self.messages)
        return said + sum(len(t.name) + len(t.description) + len(str(dict(t.schema))) for t in self.tools)

    @property
    def tokens(self) -> int:
        """Return about how many tokens that is."""
        return self.characters // 4 + 1


@dataclass(frozen=True)
class Reply:
    """What the model says. `finish` follows from `calls` when left out; `tokens` is (input, output), else estimated."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    finish: Finish | None = None
    tokens: tuple[int, int] | None = None

    @property
    def finished(self) -> Finish:
        """Return why the reply ends."""
        return self.finish or ("tool_calls" if self.calls else "stop")

    @property
    def output_tokens(self) -> int:
        """Return about how many tokens the reply is."""
        return (len(self.text) + len(self.reasoning) + sum(len(c.name) + len(c.arguments) for c in self.calls)) // 4 + 1


@dataclass(frozen=True)
class Refused:
    """An error of the provider: an HTTP status, its words, and how many seconds to wait where it says so."""

    status: int
    text: str = "as scripted"
    kind: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Reset:
    """The connection breaks off in the middle of `reply`, after `after` events of a stream or half of a body."""

    reply: Reply = field(default_factory=lambda: Reply("half a sentence that never comes to its end"))
    after: int = 2


@dataclass(frozen=True)
class Stall:
    """Nothing comes for `seconds`, then `reply`; in a stream after its first event."""

    seconds: float
    reply: Reply = field(default_factory=Reply)


Played = Reply | Refused | Reset | Stall
Player = Callable[[Conversation], Played]


PIECE = 24


def pieces_of(text: str) -> Iterator[str]:
    """Yield a text as a stream has it; long texts in fewer pieces, a megabyte should not be forty thousand events."""
    size = max(PIECE, len(text) // 200)
    yield from (text[at : at + size] for at in range(0, len(text), size))
