"""Readers of output in which each line is a JSON object."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kernelwright.engineers.agents.kind import Report, Said, Used


def object_of(line: str) -> Mapping[str, Any]:
    """Return the object on a line, an empty one where there is none."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def count_of(usage: Mapping[str, Any], *names: str) -> int:
    """Return the sum of the counts of these names; what is not there, or no number, counts nothing."""
    counts = (usage.get(name) for name in names)
    return sum(int(count) for count in counts if isinstance(count, int | float) and count > 0)


class MessageStream:
    """Reads `--output-format stream-json`, as Claude Code writes it and Qwen Code and Qoder after it.

    Each message tells its tokens when it begins, the last line those of the whole session, and money.
    """

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, int]] = {}
        self._model = ""

    def line(self, text: str) -> Iterable[Report]:
        """See `kind.Reader`."""
        event = object_of(text)
        if event.get("type") == "assistant" and isinstance(event.get("message"), dict):
            yield from self._message(event["message"])
        elif event.get("type") == "result":
            yield from self._result(event)

    def end(self) -> Iterable[Report]:
        """See `kind.Reader`."""
        return ()

    def _message(self, message: Mapping[str, Any]) -> Iterator[Report]:
        content = message.get("content")
        blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
        said = "".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text")
        if said:
            yield Said(said)
        self._model = str(message.get("model") or self._model)
        # A message comes in several lines, each with the same tokens.
        name = str(message.get("id", len(self._told)))
        before = self._told.get(name, (0, 0))
        read, written = _tokens(message.get("usage"))
        now = (max(read, before[0]), max(written, before[1]))
        self._told[name] = now
        if now != before:
            yield Used(self._model, now[0] - before[0], now[1] - before[1])

    def _result(self, event: Mapping[str, Any]) -> Iterator[Report]:
        error = event.get("error")
        words = event.get("result") or (error.get("message") if isinstance(error, dict) else error)
        if event.get("is_error") and words:
            yield Said(str(words))
        read, written = _tokens(event.get("usage"))
        usd = event.get("total_cost_usd")
        more = (
            max(0, read - sum(told[0] for told in self._told.values())),
            max(0, written - sum(told[1] for told in self._told.values())),
        )
        if any(more) or usd:
            yield Used(self._model, *more, float(usd) if isinstance(usd, int | float) else None)


def _tokens(usage: object) -> tuple[int, int]:
    """Return tokens read, from caches too, and tokens written."""
    if not isinstance(usage, dict):
        return 0, 0
    read = count_of(usage, "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return read, count_of(usage, "output_tokens")


class ThreadEvents:
    """Reads `codex exec --json`: items as they are done, tokens at the end of each turn."""

    def __init__(self, model: str) -> None:
        self._model = model

    def line(self, text: str) -> Iterable[Report]:
        """See `kind.Reader`."""
        event = object_of(text)
        item = event.get("item")
        if event.get("type") == "item.completed" and isinstance(item, dict):
            words = item.get("text") if item.get("type") == "agent_message" else item.get("message")
            if isinstance(words, str) and words:
                yield Said(words)
        elif event.get("type") in ("turn.failed", "error"):
            error = event.get("error")
            yield Said(str(error.get("message", error) if isinstance(error, dict) else event.get("message", error)))
        elif event.get("type") == "turn.completed" and isinstance(event.get("usage"), dict):
            usage = event["usage"]
            # What comes from a cache is part of what was read.
            yield Used(self._model, count_of(usage, "input_tokens"), count_of(usage, "output_tokens"))

    def end(self) -> Iterable[Report]:
        """See `kind.Reader`."""
        return ()


class PlainWords:
    """Reads output that is words alone."""

    def line(self, text: str) -> Iterable[Report]:
        """See `kind.Reader`."""
        return (Said(text.rstrip("\n")),) if text.strip() else ()

    def end(self) -> Iterable[Report]:
        """See `kind.Reader`."""
        return ()
