"""From what a model wrote to tool calls: strict JSON first, then what weak models write instead."""

import ast
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kernelwright.core.errors import RequestError
from kernelwright.engineers.model.conversation import Call

# Arguments longer than any source are not even parsed.
MOST_CHARACTERS = 600_000
_TAGGED = re.compile(r"<(tool_call|function_call)>\s*(\{.*?\})\s*</\1>", re.DOTALL)
_FENCED = re.compile(r"```(?:json|tool_call|tool_code)?\s*\n(\{.*?\})\s*\n```", re.DOTALL)
_CODE = re.compile(r"```(?:tool_code|python|py)?\s*\n(.*?)\n\s*```", re.DOTALL)
_NAME_KEYS = ("name", "tool", "tool_name", "function")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input")


@dataclass(frozen=True)
class Malformed(Exception):
    """Arguments that are no JSON object; `text` says what must hold, what came, what to change."""

    text: str

    def __str__(self) -> str:
        return self.text


def parse_arguments(call: Call) -> dict[str, object]:
    """Return the arguments of a call. Raises Malformed with what to change.

    Accepted beside JSON objects: nothing at all, an object inside a JSON string, and a Python literal; none of them
    can be meant otherwise.
    """
    text = call.arguments.strip()
    if not text:
        return {}
    if len(text) > MOST_CHARACTERS:
        raise Malformed(f"arguments of {call.tool} must have at most {MOST_CHARACTERS} characters, got {len(text)}")
    try:
        # Line breaks inside strings are common and mean what they look like.
        value = json.loads(text, strict=False)
        if isinstance(value, str):
            value = json.loads(value, strict=False)
    except json.JSONDecodeError as error:
        return _literal(call, text, error)
    except RecursionError:
        raise Malformed(f"arguments of {call.tool} must be a plain JSON object, they are nested too deep") from None
    return _object(call, value)


def _literal(call: Call, text: str, error: json.JSONDecodeError) -> dict[str, object]:
    try:
        return _object(call, ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        near = " ".join(text[max(0, error.pos - 30) : error.pos + 30].split())
        raise Malformed(
            f"arguments of {call.tool} must be one JSON object: {error.msg} at character {error.pos} of {len(text)}, "
            f"near '{near}'. Write \\n for line breaks and \\\" for quotes inside strings, and end with }}"
        ) from None


def _object(call: Call, value: object) -> dict[str, object]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise Malformed(f"arguments of {call.tool} must be a JSON object, got {json.dumps(value, default=str)[:80]}")
    if not _is_text(value):
        raise Malformed(f"arguments of {call.tool} must be text that UTF-8 can hold, a surrogate pair is halved")
    return value


def _is_text(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def calls_in_text(text: str, tools: Collection[str], number: int) -> tuple[Call, ...]:
    """Return the tool calls that a model wrote as text, none where it is not clear that they are calls.

    Clear are JSON objects with the name of a tool and its arguments, in tags or fences that models were trained
    on, or as the whole text, and fences that hold one Python call of a tool. `number` makes the ids.
    """
    found = [match[2] for match in _TAGGED.finditer(text)] or [match[1] for match in _FENCED.finditer(text)]
    if not found and text.strip().startswith("{"):
        found = [text.strip()]
    calls = [_written(part, tools) for part in found]
    if not any(calls):
        calls = [_called(match[1], tools) for match in _CODE.finditer(text)]
    return tuple(Call(f"text{number}_{at}", *call) for at, call in enumerate(calls) if call is not None)


def _written(text: str, tools: Collection[str]) -> tuple[str, str] | None:
    try:
        value = json.loads(text, strict=False)
    except (json.JSONDecodeError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("function"), dict):
        value = value["function"]
    name = next((value[key] for key in _NAME_KEYS if isinstance(value.get(key), str)), None)
    arguments: object = next((value[key] for key in _ARGUMENT_KEYS if key in value), {})
    if name is None or name not in tools or not isinstance(arguments, dict | str):
        return None
    return name, arguments if isinstance(arguments, str) else json.dumps(arguments)


def _called(text: str, tools: Collection[str]) -> tuple[str, str] | None:
    """Return the call that a piece of Python is, if it is one call of a tool with plain values and nothing else."""
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if (
            not isinstance(call, ast.Call)
            or not isinstance(call.func, ast.Name)
            or call.func.id not in tools
            or call.args
        ):
            return None
        given = {keyword.arg or "": ast.literal_eval(keyword.value) for keyword in call.keywords}
        return call.func.id, json.dumps(given)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None


def holds_code(text: str, entry: str) -> bool:
    """Return whether a reply's text seems to hold a candidate."""
    return bool(entry) and f"def {entry}" in text


def refusal_text(error: RequestError) -> str:
    """Return how a refused call is told to a model."""
    return json.dumps({"refused": str(error)}, ensure_ascii=False)


def shortened(call: Call, most: int) -> Call:
    """Return the call as it may stand in a conversation: a name and a JSON object of at most `most` characters."""
    tool = re.sub(r"[^A-Za-z0-9_-]", "_", call.tool)[:60] or "unnamed"
    try:
        value: Mapping[str, object] = parse_arguments(call)
        text = call.arguments.strip() or "{}"
        is_plain = json.loads(text) == value
    except (Malformed, json.JSONDecodeError):
        value, is_plain = {"malformed": call.arguments[:200]}, False
        text = json.dumps(value)
    if tool == call.tool and is_plain and len(text) <= most:
        return call if text == call.arguments else Call(call.id, tool, text)
    return Call(call.id, tool, json.dumps(_cut(value, most), ensure_ascii=False))


def _cut(value: Mapping[str, object], most: int) -> dict[str, object]:
    """Return the arguments with long texts cut, so that together they have about `most` characters."""
    longest = max(100, most // max(1, len(value)))
    kept = list(value.items())[:20]
    return {
        name[:60]: f"{item[:longest]}[cut: {longest} of {len(item)} characters]"
        if isinstance(item, str) and len(item) > longest
        else item
        if isinstance(item, str | int | float | bool | None)
        else str(item)[:longest]
        for name, item in kept
    }
