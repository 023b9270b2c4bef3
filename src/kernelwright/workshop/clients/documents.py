"""Texts of configuration files in which one entry is set and everything else stays."""

import re
import tomllib
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from typing import Any, Literal

from kernelwright.core.errors import RequestError
from kernelwright.workshop.clients.json_text import set_member

Syntax = Literal["json", "toml", "yaml"]


@dataclass(frozen=True)
class Setting:
    """One entry of a file: `value` at `keys`, or the members of `value` where there are none.

    `begin` are further members that a file gets which is not there yet.
    """

    syntax: Syntax
    keys: tuple[str, ...]
    value: object
    begin: Mapping[str, object] | None = None


def text_with(setting: Setting, text: str) -> str:
    """Return `text` with the setting in it; comments and all other entries stay.

    Raises ValueError, one line with the place, for a text that cannot be read or holds something else on the way.
    """
    entries: list[tuple[Sequence[str], object]] = []
    if not text.strip():
        entries += [((name,), value) for name, value in (setting.begin or {}).items()]
    if setting.keys:
        entries.append((setting.keys, setting.value))
    else:
        assert isinstance(setting.value, Mapping)
        entries += [((name,), value) for name, value in setting.value.items()]
    after = text
    for keys, value in entries:
        after = _SETTERS[setting.syntax](after, keys, value)
    if setting.syntax != "json":
        _require_same(_READERS[setting.syntax], text, after, entries)
    return after


def _require_same(
    read: Callable[[str], Any], before: str, after: str, entries: Sequence[tuple[Sequence[str], object]]
) -> None:
    """Raise ValueError unless `after` says what `before` said and the entries: libraries have faults too."""
    wanted = read(before) or {}
    for keys, value in entries:
        place = wanted
        for name in keys[:-1]:
            place[name] = place.get(name) or {}
            place = place[name]
        place[keys[-1]] = value
    if _canonical(read(after)) != _canonical(wanted):
        raise ValueError("it cannot be written back with all that it says")


def _canonical(value: object) -> object:
    """Return a value whose text is equal for equal values, whatever the order of names; NaN too."""
    if isinstance(value, Mapping):
        return sorted((repr(name), repr(_canonical(item))) for name, item in value.items())
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return repr(value)


def _read_yaml(text: str) -> Any:
    ruamel = _package("ruamel.yaml")
    try:
        return ruamel.YAML(typ="safe", pure=True).load(text)
    except ruamel.error.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _set_toml(text: str, keys: Sequence[str], value: object) -> str:
    tomlkit = _package("tomlkit")
    try:
        document = tomlkit.parse(text)
    except tomlkit.exceptions.ParseError as error:
        raise ValueError(" ".join(str(error).split())) from None
    place = document
    for depth, name in enumerate(keys[:-1]):
        if name not in place:
            # A table of tables alone has no heading of its own.
            place[name] = tomlkit.table(is_super_table=True)
        place = place[name]
        _require_mapping(place, keys[: depth + 1])
    old = place.get(keys[-1])
    if isinstance(value, Mapping) and isinstance(old, tomlkit.items.Table):
        _update_table(old, value)
    elif isinstance(value, Mapping) and not isinstance(place, tomlkit.items.InlineTable):
        table = tomlkit.table()
        _update_table(table, value)
        table.add(tomlkit.nl())
        place[keys[-1]] = table
    else:
        place[keys[-1]] = _toml_inline(value)
    return str(tomlkit.dumps(document)).rstrip("\n") + "\n"


def _update_table(table: MutableMapping[str, Any], value: Mapping[str, object]) -> None:
    """Make `table` hold what `value` holds; what stays equal keeps its place and comments."""
    for name in [name for name in table if name not in value]:
        del table[name]
    for name, item in value.items():
        if name not in table or table[name] != item:
            table[name] = _toml_inline(item)


def _toml_inline(value: object) -> Any:
    """Return a value as it stands on one line."""
    if not isinstance(value, Mapping):
        return value
    table = _package("tomlkit").inline_table()
    table.update({name: _toml_inline(item) for name, item in value.items()})
    return table


def _set_yaml(text: str, keys: Sequence[str], value: object) -> str:
    ruamel = _package("ruamel.yaml")
    yaml = ruamel.YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 16  # lines stay as long as they are
    yaml.indent(**_yaml_indents(text))
    try:
        document = yaml.load(text)
    except ruamel.error.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    # Comments without a document are lost on the library.
    alone = text.rstrip() + "\n" if text.strip() and document is None else ""
    place = document = ruamel.comments.CommentedMap() if document is None else document
    for depth, name in enumerate(keys):
        _require_mapping(place, keys[:depth])
        if depth == len(keys) - 1:
            place[name] = value
        elif place.get(name) is None:
            place[name] = ruamel.comments.CommentedMap()
        place = place[name]
    written = StringIO()
    yaml.dump(document, written)
    return alone + written.getvalue()


def _yaml_indents(text: str) -> dict[str, int]:
    """Return how the text is indented: mappings, sequences, and dashes in them."""
    nested = re.search(r"^[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\n(?:[ \t]*(?:#[^\n]*)?\n)*( +)[^\s#-]", text, re.MULTILINE)
    dashed = re.search(r"^[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\n(?:[ \t]*(?:#[^\n]*)?\n)*( *)- ", text, re.MULTILINE)
    offset = len(dashed[1]) if dashed else 0
    return {"mapping": len(nested[1]) if nested else 2, "sequence": offset + 2, "offset": offset}


def _require_mapping(place: object, keys: Sequence[str]) -> None:
    if not isinstance(place, Mapping):
        raise ValueError(f"{'.'.join(keys) or 'the whole'} is no table of names and values")


def _package(name: str) -> Any:
    """Return a module that only these files need; raises RequestError where the extra is not installed."""
    root = name.partition(".")[0]
    if find_spec(root) is None or find_spec(name) is None:
        raise RequestError(
            f"files of this kind are written by package {name}, which is not installed. "
            "Install it: pip install 'kernelwright[mcp]'"
        )
    return import_module(name)


_SETTERS: Mapping[Syntax, Callable[[str, Sequence[str], object], str]] = {
    "json": set_member,
    "toml": _set_toml,
    "yaml": _set_yaml,
}
_READERS: Mapping[Syntax, Callable[[str], Any]] = {"toml": tomllib.loads, "yaml": _read_yaml}
