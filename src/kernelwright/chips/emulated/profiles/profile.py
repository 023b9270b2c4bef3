"""Profiles of emulated chips: every number with its standing and source, read from TOML."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from kernelwright.chips.emulated.machine import Atom, Machine
from kernelwright.chips.emulated.profiles.fact import Fact, Value
from kernelwright.chips.emulated.profiles.fields import FIELDS, FieldSpec
from kernelwright.chips.emulated.profiles.text import ProfileText, parse_profile, require_value
from kernelwright.core.errors import RequestError, UnknownNameError

_FOLDER = files("kernelwright.chips.emulated") / "profiles"


@dataclass(frozen=True)
class Profile:
    """One emulated chip; `facts` by field name ("units", "dot_flops.f16"), in the order of the fields' table.

    `notes` are sentences that belong beside every use, such as what the method does not show of this chip.
    """

    name: str
    title: str
    family: str
    projected: bool
    notes: tuple[str, ...]
    facts: Mapping[str, Fact]

    def machine(self) -> Machine:
        """Return the numbers as the engine reads them."""
        values: dict[str, object] = {}
        for name, fact in self.facts.items():
            field, _, key = name.partition(".")
            value = Atom(*_numbers(fact.value)) if FIELDS[name].kind == "atom" else fact.value
            if key:
                mapping = values.setdefault(field, {})
                assert isinstance(mapping, dict)
                mapping[key] = value
            else:
                values[field] = value
        return Machine(self.name, self.title, self.family, self.projected, **values)  # type: ignore[arg-type]

    def with_values(self, values: Mapping[str, Value]) -> "Profile":
        """Return a copy in which each field of `values` is that, with standing assumed and no range.

        Raises RequestError for a field that does not exist, with the nearest, and for a value that it cannot hold.
        """
        facts = dict(self.facts)
        for name, value in values.items():
            spec = require_field(name)
            public = facts[name].public if name in facts else spec.public
            checked = require_value(spec, value, f"{self.name}: {name}")
            facts[name] = Fact(checked, "assumed", "set by hand", public)
        return replace(self, facts=_ordered(facts))

    def public_values(self) -> Mapping[str, Value]:
        """Return what engineers may see, by field."""
        return {name: fact.value for name, fact in self.facts.items() if fact.public}


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that are part of the package, sorted."""
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir() if entry.name.endswith(".toml"))
    )


def is_profile_path(name: str) -> bool:
    """Return whether `name` is meant as a path to a TOML file rather than as a name."""
    return name.endswith(".toml") or "/" in name


def load_profile(name: str) -> Profile:
    """Return the profile called `name`, or the one in the TOML file at that path.

    Raises UnknownNameError for a name that is not known, RequestError for a file that cannot be read or is wrong.
    """
    return _complete(parse_profile(_read(name), name), (name,))


def require_field(name: str) -> FieldSpec:
    """Return what is known of the field called `name`; raise UnknownNameError with the nearest."""
    if name not in FIELDS:
        raise UnknownNameError("field", name, FIELDS)
    return FIELDS[name]


def _read(name: str) -> str:
    if not is_profile_path(name):
        if name not in profile_names():
            raise UnknownNameError("profile", name, profile_names())
        return (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise RequestError(f"profile '{name}' cannot be read: {reason}. Give a name or a TOML file.") from None


def _complete(text: ProfileText, trail: tuple[str, ...]) -> Profile:
    facts = dict(text.facts)
    if text.base:
        if text.base in trail:
            raise RequestError(f"profile {text.name}: base '{text.base}' leads back to itself. Name another.")
        below = _complete(parse_profile(_read(text.base), text.base), (*trail, text.base))
        facts = {name: _taken_over(fact, text) for name, fact in below.facts.items()} | facts
    missing = [spec.name for spec in FIELDS.values() if not spec.optional and spec.name not in facts]
    if missing:
        raise RequestError(f"profile {text.name}: fields are missing: {', '.join(missing)}. Add them, with a standing.")
    return Profile(text.name, text.title, text.family, text.projected, text.notes, _ordered(facts))


def _taken_over(fact: Fact, text: ProfileText) -> Fact:
    source = f"as {text.base}: {fact.source}"
    if text.keeps_standing:
        return replace(fact, source=source)
    low, high = fact.low, fact.high
    if isinstance(fact.value, int | float) and low is None:
        low, high = float(fact.value), float(fact.value)
    return Fact(fact.value, "assumed", source, fact.public, low, high)


def _ordered(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    return {name: facts[name] for name in FIELDS if name in facts}


def _numbers(value: Value) -> tuple[int, ...]:
    assert isinstance(value, tuple)
    return value
