"""What the conversations of one run share, and how each of them reaches the tools: without keys, under its own name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from kernelwright.core.protocols import Tools
from kernelwright.core.recall import Recall
from kernelwright.engineers.model.conversation import Call, Said, Tool
from kernelwright.engineers.model.keys import KeyFilter
from kernelwright.engineers.model.outage_clock import OutageClock
from kernelwright.engineers.model.prices import PriceTable, Usage
from kernelwright.engineers.model.providers import ModelName
from kernelwright.engineers.model.purse import Purse
from kernelwright.workshop.tools import TOOLS

# What models need not read of a schema; the tools refuse what does not fit, in words.
_LEFT_OUT = ("title", "default", "maxLength", "minimum")


@dataclass(frozen=True)
class Shared:
    """One run's prices, budgets, outages and limits; `is_last` says whether no other conversation is at work."""

    prices: PriceTable
    purse: Purse
    outages: OutageClock
    window: int
    silent_turns: int
    is_last: Callable[[str], bool]


class Desk:
    """The tools as one conversation uses them: keys taken out of all that is written, its name in every entry.

    `client` is empty for the only conversation of a run.
    """

    def __init__(self, tools: Tools, keys: KeyFilter, client: str, prices: PriceTable) -> None:
        self._tools, self._keys, self.client, self._prices = tools, keys, client, prices

    def call(self, name: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """Return what a tool answers; raises as `core.protocols.Tools.call` does."""
        return self._keys.clean_object(self._tools.call(name, self._keys.clean_object(arguments), self.client))

    def recall(self, after: int = 0) -> Recall:
        """Return what the record holds; see `core.protocols.Tools.recall`."""
        return self._tools.recall(after, self.client)

    def remaining(self) -> Mapping[str, float]:
        """Return what is left of each budget."""
        return self._tools.remaining()

    def heed(self) -> None:
        """Raise BudgetSpent when the run is over."""
        self._tools.heed()

    def remark(self, kind: str, payload: Mapping[str, object]) -> None:
        """Write an entry of this conversation's own."""
        named = {**payload, "client": self.client} if self.client else payload
        self._tools.remark(kind, self._keys.clean_object(named))

    def nudge(self, rule: str, text: str) -> str:
        """Write down that the model is told something by a rule; return the text."""
        self.remark("nudge", {"rule": rule, "text": text})
        return text

    def outage(self, reason: str, lost_ns: int) -> None:
        """Write down time that nobody could work."""
        self.remark("outage", {"reason": reason, "lost_ns": lost_ns})

    def spent(self, name: ModelName, usage: Usage) -> None:
        """Write down what a request took."""
        price = self._prices.of(name)
        payload: dict[str, object] = {
            "model": str(name),
            "input_tokens": usage.read,
            "output_tokens": usage.said,
            "usd": price.usd(usage) if price else None,
        }
        if usage.cached:
            payload["cached_tokens"] = usage.cached
        self.remark("model_usage", payload)

    def clean(self, said: Said) -> Said:
        """Return a reply without keys: it is written down, and sent back with the next request."""
        keyless = self._keys.clean
        calls = tuple(Call(keyless(call.id), keyless(call.tool), keyless(call.arguments)) for call in said.calls)
        cleaned = replace(said, text=keyless(said.text), reasoning=keyless(said.reasoning), calls=calls)
        return said if cleaned == said else replace(cleaned, raw=None)


def offered_tools() -> tuple[Tool, ...]:
    """Return the workshop's tools as models are told of them, in as few words as hold everything."""
    return tuple(
        Tool(spec.name, spec.description, plain_schema(spec.arguments.model_json_schema())) for spec in TOOLS.values()
    )


def plain_schema(schema: Mapping[str, object]) -> dict[str, object]:
    """Return a schema without titles and limits, optional values as values that may be left out."""
    given = schema.get("properties")
    properties = given if isinstance(given, dict) else {}
    plain: dict[str, object] = {
        "type": "object",
        "properties": {name: _plain_property(value) for name, value in properties.items()},
        "additionalProperties": False,
    }
    if "required" in schema:
        plain["required"] = schema["required"]
    return plain


def _plain_property(value: Mapping[str, object]) -> dict[str, object]:
    kept = {name: item for name, item in value.items() if name not in _LEFT_OUT}
    choices = kept.pop("anyOf", None)
    if isinstance(choices, list):
        first: Mapping[str, object] = next((choice for choice in choices if choice.get("type") != "null"), {})
        kept = {**{name: item for name, item in first.items() if name not in _LEFT_OUT}, **kept}
    return kept
