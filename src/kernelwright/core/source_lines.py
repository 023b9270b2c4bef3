"""The text of the source lines that a fault names: a number alone sends its reader to look the line up."""

import re
from collections.abc import Mapping

from kernelwright.core.fault import Fault

CODE_CHARACTERS = 160
# Facts that hold a line, or several, and the fact that holds its text.
_CODE_OF = {"line": "code", "other_line": "other_code", "user_line": "user_code", "store_lines": "store_code"}
# How our own reasons name a line where the facts do not.
_NAMED = re.compile(r"(?:^|: |\(|\bat )line (\d+)\b")


def with_code(fault: Fault, source: str) -> Fault:
    """Return the fault with the text of every line of `source` that it names among its facts.

    `line` goes with `code`, `other_line` with `other_code` and so on; texts that are there already stay.
    """
    facts = dict(fault.facts)
    if not facts.get("line") and (found := _NAMED.search(fault.reason)):
        facts["line"] = int(found[1])
    lines = source.splitlines()
    codes = {code: _code(facts[name], lines) for name, code in _CODE_OF.items() if name in facts and code not in facts}
    return Fault(fault.status, fault.reason, {**facts, **{name: code for name, code in codes.items() if code}})


def format_code(facts: Mapping[str, object]) -> tuple[str, ...]:
    """Return the lines that facts name, each once, as `number | text`."""
    found: dict[int, str] = {}
    for name, code in _CODE_OF.items():
        numbers, texts = facts.get(name), facts.get(code)
        for number, text in zip(_listed(numbers), _listed(texts), strict=False):
            if isinstance(number, int) and text:
                found[number] = str(text)
    width = max((len(str(number)) for number in found), default=0)
    return tuple(f"{number:>{width}} | {text}" for number, text in found.items())


def _code(value: object, lines: list[str]) -> object:
    if isinstance(value, list | tuple):
        texts = [_text(number, lines) for number in value]
        return texts if any(texts) else ""
    return _text(value, lines)


def _text(number: object, lines: list[str]) -> str:
    is_line = isinstance(number, int) and 0 < number <= len(lines)
    return lines[number - 1].strip()[:CODE_CHARACTERS] if is_line and isinstance(number, int) else ""


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]
