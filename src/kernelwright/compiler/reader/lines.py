"""The pretty text of a module as a stream of ops, block labels and region ends."""

import re
from dataclasses import dataclass, field

# A value name, an op name (quoted in generic form), the rest of the line.
_OP = re.compile(r'(?:(%[^=]+?) = )?"?([a-z_][\w.]*)"?[ ]?(.*)', re.DOTALL)
_LABEL = re.compile(r"\^([\w$.\-]+)")
_ARGUMENT = re.compile(r"%([\w$.\-]+):")
_FOR_ARGUMENT = re.compile(r"%([\w$.\-]+) = ")


@dataclass(slots=True)
class TextOp:
    """One op: `head` is what follows its name up to its types' end or region, `tail` what follows its regions."""

    name: str
    results: list[str]
    head: str
    tail: str = ""
    location: str = ""


@dataclass(slots=True)
class TextLabel:
    """The start of a labelled block with its arguments' names."""

    label: str
    args: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TextEnd:
    """The end of one region."""


TextItem = TextOp | TextLabel | TextEnd


def split_lines(text: str) -> tuple[list[TextItem], dict[str, str]]:
    """Return the items of a printed module in order, and its location aliases by name."""
    items: list[TextItem] = []
    aliases: dict[str, str] = {}
    opened: list[TextOp] = []
    for raw_line in text.split("\n"):
        line = raw_line.strip()
        if not line:
            continue
        if line.startswith("#loc"):
            name, _, rest = line.partition(" = ")
            aliases[name] = rest[4:-1]
        elif line.startswith("^"):
            items.append(_label(line))
        elif line.startswith("}"):
            items.append(TextEnd())
            if not line.endswith("{"):
                op = opened.pop()
                op.tail, op.location = _split_location(line[1:])
        else:
            op = _op(line)
            items.append(op)
            if line.endswith("{"):
                opened.append(op)
    return items, aliases


def value_names(op: TextOp) -> list[str]:
    """Return the names of the values that a loop's first line defines for its body."""
    return _FOR_ARGUMENT.findall(op.head)


def _op(line: str) -> TextOp:
    if line.endswith("{"):
        body, location = line[:-1], ""
    else:
        body, location = _split_location(line)
    match = _OP.match(body)
    assert match is not None, line
    return TextOp(match[2], _result_names(match[1]), match[3], location=location)


def _result_names(text: str | None) -> list[str]:
    if text is None:
        return []
    names: list[str] = []
    for part in text.split(","):
        name, _, count = part.strip()[1:].partition(":")
        names += [f"{name}#{i}" for i in range(int(count))] if count else [name]
    return names


def _label(line: str) -> TextLabel:
    match = _LABEL.match(line)
    assert match is not None, line
    return TextLabel(match[1], _ARGUMENT.findall(line))


def _split_location(line: str) -> tuple[str, str]:
    start = line.rfind(" loc(")
    return (line, "") if start < 0 else (line[:start], line[start + 5 : -1])
