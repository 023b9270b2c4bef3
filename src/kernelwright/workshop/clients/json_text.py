"""Changes one member of a JSON text and nothing else: comments, order and spacing stay as they are.

Reads what clients read: JSON, and where a file has them comments, trailing commas, bare names, single quotes (JSON5).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

_INDENT = "  "
_GAP = re.compile(r"(?:\s|\ufeff|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'', re.DOTALL)
_BARE = re.compile(r"[^\s,:\[\]{}\"'/]+")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")


@dataclass(frozen=True)
class Value:
    """A value of the text, from `start` to before `end`; `members` are those of an object, None for anything else."""

    start: int
    end: int
    members: "tuple[Member, ...] | None" = None


@dataclass(frozen=True)
class Member:
    """One name and its value in an object; the name begins at `start`."""

    name: str
    start: int
    value: Value


def set_member(text: str, path: Sequence[str], value: object) -> str:
    """Return `text` with the member at `path` (names from the root) set to `value`, objects on the way made.

    An empty text becomes an object. Raises ValueError, with the line, for text that cannot be read or holds something
    else than an object on the way.
    """
    if _gap_end(text, 0) == len(text):
        return text + json.dumps(_nested(path, value), indent=_INDENT, ensure_ascii=False) + "\n"
    root = _parse(text)
    unit = _unit_of(text, root)
    place = root
    for depth, name in enumerate(path):
        if place.members is None:
            raise ValueError(f"line {_line(text, place.start)}: {'.'.join(path[:depth]) or 'the whole'} is no object")
        # The last of equal names counts, as for every reader of JSON.
        found = next((member for member in reversed(place.members) if member.name == name), None)
        if found is None:
            return _inserted(text, place, name, _nested(path[depth + 1 :], value), unit)
        place = found.value
        if depth == len(path) - 1:
            own = _indent_at(text, found.start)
            written = _written(value, own, unit, "\n" in text[place.start : place.end] or own is not None)
            return text[: place.start] + written + text[place.end :]
    raise ValueError("a path must name a member")


def member_of(text: str, path: Sequence[str]) -> str | None:
    """Return the text of the value at `path`, None where there is none. Raises ValueError as `set_member` does."""
    if _gap_end(text, 0) == len(text):
        return None
    place = _parse(text)
    for name in path:
        found = next((member for member in reversed(place.members or ()) if member.name == name), None)
        if found is None:
            return None
        place = found.value
    return text[place.start : place.end]


def _nested(path: Sequence[str], value: object) -> object:
    for name in reversed(path):
        value = {name: value}
    return value


def _inserted(text: str, place: Value, name: str, value: object, unit: str) -> str:
    """Return `text` with one more member, the last, in the object at `place`."""
    inner_end = place.end - 1
    last = place.members[-1].value.end if place.members else place.start + 1
    gap = text[last:inner_end]
    in_lines = "\n" in text[place.start : inner_end] or not place.members
    own = _indent_of_line(text, place.start)
    key = json.dumps(name, ensure_ascii=False)
    if not in_lines:
        member = f"{key}: {json.dumps(value, ensure_ascii=False)}"
        comma = "" if _has_comma(gap) else ","
        return f"{text[:last]}{comma}{gap.rstrip()} {member}{_trailing_space(gap)}{text[inner_end:]}"
    indent = _member_indent(text, place) or own + unit
    member = f"{indent}{key}: {_written(value, indent, unit, True)}"
    comma = "" if not place.members or _has_comma(gap) else ","
    after = "," if place.members and _has_comma(gap) else ""
    return f"{text[:last]}{comma}{gap.rstrip()}\n{member}{after}\n{own}{text[inner_end:]}"


def _written(value: object, indent: str | None, unit: str, in_lines: bool) -> str:
    if not in_lines:
        return json.dumps(value, ensure_ascii=False)
    written = json.dumps(value, indent=unit or _INDENT, ensure_ascii=False)
    return written.replace("\n", "\n" + (indent or ""))


def _has_comma(gap: str) -> bool:
    return "," in re.sub(r"//[^\n]*|/\*.*?\*/", "", gap, flags=re.DOTALL)


def _trailing_space(gap: str) -> str:
    return gap[len(gap.rstrip()) :]


def _unit_of(text: str, root: Value) -> str:
    """Return what one level of nesting is indented by."""
    if root.members:
        return _member_indent(text, root) or _INDENT
    return _INDENT


def _member_indent(text: str, place: Value) -> str | None:
    """Return the spaces before the last member that begins a line, None where none does."""
    for member in reversed(place.members or ()):
        indent = _indent_at(text, member.start)
        if indent is not None:
            return indent
    return None


def _indent_at(text: str, at: int) -> str | None:
    before = text[text.rfind("\n", 0, at) + 1 : at]
    return before if not before.strip() and "\n" in text[:at] else None


def _indent_of_line(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _parse(text: str) -> Value:
    try:
        value = _value(text, _gap_end(text, 0))
    except RecursionError:
        raise ValueError("line 1: objects and lists must not be nested hundreds deep") from None
    end = _gap_end(text, value.end)
    if end != len(text):
        raise _fault(text, end, "the end of the file")
    return value


def _value(text: str, at: int) -> Value:
    sign = text[at : at + 1]
    if sign == "{":
        return _object(text, at)
    if sign == "[":
        return _array(text, at)
    found = _STRING.match(text, at) or _BARE.match(text, at)
    if found is None:
        raise _fault(text, at, "a value")
    return Value(at, found.end())


def _object(text: str, start: int) -> Value:
    members: list[Member] = []
    at = _gap_end(text, start + 1)
    while text[at : at + 1] != "}":
        named = _STRING.match(text, at) or _NAME.match(text, at)
        if named is None:
            raise _fault(text, at, "a name or }")
        colon = _gap_end(text, named.end())
        if text[colon : colon + 1] != ":":
            raise _fault(text, colon, "a colon")
        value = _value(text, _gap_end(text, colon + 1))
        members.append(Member(_name(named[0]), at, value))
        at = _after(text, value.end, "}")
    return Value(start, at + 1, tuple(members))


def _array(text: str, start: int) -> Value:
    at = _gap_end(text, start + 1)
    while text[at : at + 1] != "]":
        at = _after(text, _value(text, at).end, "]")
    return Value(start, at + 1)


def _after(text: str, at: int, closing: str) -> int:
    """Return where the next item, or `closing`, begins."""
    at = _gap_end(text, at)
    if text[at : at + 1] == ",":
        return _gap_end(text, at + 1)
    if text[at : at + 1] != closing:
        raise _fault(text, at, f"a comma or {closing}")
    return at


def _name(written: str) -> str:
    if written[0] not in "\"'":
        return written
    if written[0] == "'":
        inner = written[1:-1].replace("\\'", "'")
        written = '"' + re.sub(r'(?<!\\)"', r"\"", inner) + '"'
    try:
        return str(json.loads(written))
    except ValueError:
        return written[1:-1]


def _gap_end(text: str, at: int) -> int:
    found = _GAP.match(text, at)
    assert found is not None  # it matches nothing too
    return found.end()


def _fault(text: str, at: int, wanted: str) -> ValueError:
    got = text[at : at + 20].partition("\n")[0] or "the end"
    return ValueError(f"line {_line(text, at)}: {wanted} must come, got {got}")


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
