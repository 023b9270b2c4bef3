"""Profiles as TOML text: strict reading, and writing.

A file has `name`, `title`, `family`, `projected`, `notes`, optionally `base` (another profile whose facts are taken
over, as assumed unless `base_standing` is "kept": the same architecture), a table `sources` of texts by key, and one
table a section whose entries are facts:
`clock_hz = {value = 1.2e9, standing = "assumed", source = "guess", low = 1e9, high = 1.4e9}`; `note` adds to the
source, `public` says whether engineers see it.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kernelwright.chips.emulated.profiles.fact import STANDINGS, Fact, Value
from kernelwright.chips.emulated.profiles.fields import FIELDS, SECTIONS, FieldSpec
from kernelwright.core.errors import RequestError

_HEAD: Mapping[str, type] = {
    "name": str, "title": str, "family": str, "projected": bool, "notes": list, "base": str, "base_standing": str,
}  # fmt: skip
_OPTIONAL_HEAD = ("notes", "base", "base_standing")
_BASE_STANDINGS = ("", "kept", "assumed")
_FACT_KEYS = ("value", "standing", "source", "note", "public", "low", "high")


@dataclass(frozen=True)
class ProfileText:
    """What a file says, before the facts of its base are taken over."""

    name: str
    title: str
    family: str
    projected: bool
    notes: tuple[str, ...]
    base: str
    keeps_standing: bool
    facts: Mapping[str, Fact]


def parse_profile(text: str, place: str) -> ProfileText:
    """Return what the TOML `text` says; `place` names it in errors.

    Raises RequestError for anything that is unknown, missing, of the wrong type or out of range.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"profile {place} is not TOML: {error}.") from None
    _require_known(tables, (*_HEAD, "sources", *SECTIONS), f"profile {place}")
    head = {key: _head_value(tables, key, place) for key in _HEAD}
    sources = _text_table(tables.get("sources", {}), f"profile {place}: sources")
    facts: dict[str, Fact] = {}
    for section in SECTIONS:
        facts |= _section_facts(tables.get(section, {}), section, sources, place)
    notes = tuple(str(note) for note in head["notes"])
    if head["base_standing"] not in _BASE_STANDINGS:
        raise _wrong(f"profile {place}: base_standing", "kept or assumed", head["base_standing"])
    keeps = head["base_standing"] == "kept"
    return ProfileText(
        head["name"], head["title"], head["family"], head["projected"], notes, head["base"], keeps, facts
    )


def require_value(spec: FieldSpec, value: object, place: str) -> Value:
    """Return `value` in the type of the field; raise RequestError if it has another or lies out of bounds."""
    if spec.kind in ("ints", "atom"):
        if not isinstance(value, list | tuple) or not all(_is_int(item) for item in value):
            raise _wrong(place, "a list of whole numbers", value)
        if spec.kind == "atom" and len(value) != 3:
            raise _wrong(place, "three numbers m, n, k", value)
        return tuple(int(_bounded(spec, item, place)) for item in value)
    if spec.kind == "bool":
        if not isinstance(value, bool):
            raise _wrong(place, "true or false", value)
        return value
    if spec.kind == "int":
        if not _is_int(value):
            raise _wrong(place, "a whole number", value)
        return int(_bounded(spec, value, place))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(place, "a number", value)
    return float(_bounded(spec, value, place))


def format_profile(head: Mapping[str, object], facts: Mapping[str, Fact]) -> str:
    """Return TOML text that `parse_profile` reads back to the same facts; `head` without sources."""
    lines = [f"{key} = {_toml(value)}" for key, value in head.items()]
    keys = {source: f"s{number}" for number, source in enumerate(dict.fromkeys(fact.source for fact in facts.values()))}
    lines += ["", "[sources]", *(f"{key} = {_toml(source)}" for source, key in keys.items())]
    for section in SECTIONS:
        found = [(name, fact) for name, fact in facts.items() if FIELDS[name].section == section]
        lines += ["", f"[{section}]"] if found else []
        lines += [f"{name} = {_fact_text(fact, keys[fact.source])}" for name, fact in found]
    return "\n".join(lines) + "\n"


def _head_value(tables: Mapping[str, Any], key: str, place: str) -> Any:
    if key not in tables:
        if key in _OPTIONAL_HEAD:
            return _HEAD[key]()
        raise RequestError(f"profile {place}: '{key}' is missing. Add it.")
    if not isinstance(tables[key], _HEAD[key]):
        raise _wrong(f"profile {place}: {key}", f"of type {_HEAD[key].__name__}", tables[key])
    return tables[key]


def _section_facts(table: object, section: str, sources: Mapping[str, str], place: str) -> dict[str, Fact]:
    known = [spec.name for spec in FIELDS.values() if spec.section == section]
    found: dict[str, object] = {}
    for key, item in _table(table, f"profile {place}: {section}").items():
        if key in known or not isinstance(item, dict) or "value" in item:
            found[key] = item
        else:
            found |= {f"{key}.{part}": value for part, value in item.items()}
    _require_known(found, known, f"profile {place}: [{section}]")
    return {name: _fact(FIELDS[name], found[name], sources, place) for name in known if name in found}


def _fact(spec: FieldSpec, item: object, sources: Mapping[str, str], place: str) -> Fact:
    where = f"profile {place}: {spec.name}"
    table = _table(item, where)
    _require_known(table, _FACT_KEYS, where)
    for key in ("value", "standing", "source"):
        if key not in table:
            raise RequestError(f"{where}: '{key}' is missing. Add it.")
    value = require_value(spec, table["value"], where)
    if table["standing"] not in STANDINGS:
        raise RequestError(f"{where}: standing must be one of {', '.join(STANDINGS)}, got {table['standing']!r}.")
    if table["source"] not in sources:
        raise RequestError(
            f"{where}: source {table['source']!r} is not a key of [sources].{_near(table['source'], sources)}"
        )
    low, high = _range(spec, value, table, where)
    note = table.get("note", "")
    source = sources[table["source"]] + (f"; {note}" if note else "")
    public = table.get("public", spec.public)
    if not isinstance(public, bool):
        raise _wrong(f"{where}: public", "true or false", public)
    return Fact(value, table["standing"], source, public, low, high)


def _range(spec: FieldSpec, value: Value, table: Mapping[str, Any], where: str) -> tuple[float | None, float | None]:
    if isinstance(value, bool | tuple):
        if "low" in table or "high" in table:
            raise RequestError(f"{where}: only a number has a range. Remove low and high.")
        return None, None
    if ("low" in table) != ("high" in table) or ("low" not in table and table["standing"] == "assumed"):
        raise RequestError(f"{where}: an assumed number needs both low and high. Add the ends of its range.")
    if "low" not in table:
        return None, None
    low, high = (_number(require_value(spec, table[key], f"{where}: {key}")) for key in ("low", "high"))
    if not low <= value <= high:
        raise RequestError(
            f"{where}: value {value} must lie between low {low:g} and high {high:g}. Change one of them."
        )
    return low, high


def _table(item: object, where: str) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise _wrong(where, "a table", item)
    return item


def _text_table(item: object, where: str) -> Mapping[str, str]:
    table = _table(item, where)
    for key, value in table.items():
        if not isinstance(value, str):
            raise _wrong(f"{where}: {key}", "a text", value)
    return table


def _require_known(found: Iterable[str], known: Iterable[str], where: str) -> None:
    names = list(known)
    for key in found:
        if key not in names:
            raise RequestError(f"{where}: '{key}' is not known.{_near(key, names)}")


def _near(name: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.0)
    return f" Did you mean '{near[0]}'?" if near else ""


def _number(value: Value) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bounded(spec: FieldSpec, value: Any, place: str) -> int | float:
    if not spec.low <= value <= spec.high:
        raise RequestError(f"{place} must lie between {spec.low:g} and {spec.high:g}, got {value!r}.")
    found: int | float = value
    return found


def _wrong(place: str, must: str, value: object) -> RequestError:
    return RequestError(f"{place} must be {must}, got {str(value)[:80]!r}.")


def _fact_text(fact: Fact, source: str) -> str:
    parts: dict[str, object] = {"value": fact.value, "standing": fact.standing, "source": source, "public": fact.public}
    if fact.low is not None and fact.high is not None and isinstance(fact.value, int | float):
        number = type(fact.value)
        parts |= {"low": number(fact.low), "high": number(fact.high)}
    return "{" + ", ".join(f"{key} = {_toml(value)}" for key, value in parts.items()) + "}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return repr(value)
