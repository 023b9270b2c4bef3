"""Rates of a chip under fixed names: as an engineer noted them, and as they are true of an emulated chip."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# How a note begins that holds rates; the rest of it is one JSON object.
RATES_PREFIX = "rates: "


@dataclass(frozen=True)
class TrueRate:
    """What is true of a chip under one name; `value` in `unit`, None where the chip has no such rate.

    `standing` is that of the least certain number it is made of (see profiles), `basis` says what exactly it is: the
    rate itself, or what stands in for one that has no single true figure.
    """

    name: str
    value: float | None
    unit: str
    standing: str
    basis: str


def rates_note(figures: Mapping[str, object]) -> str:
    """Return the note that tells `figures`: numbers by name, or by name and key where a rate depends on something."""
    return RATES_PREFIX + json.dumps(figures, sort_keys=True)


def noted_rates(notes: Sequence[str]) -> Mapping[str, object]:
    """Return the JSON object of the newest note that holds rates, empty if there is none."""
    for note in reversed(notes):
        if note.startswith(RATES_PREFIX):
            try:
                found = json.loads(note.removeprefix(RATES_PREFIX))
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
    return {}


def flat_rates(figures: Mapping[str, object]) -> dict[str, float]:
    """Return one number a name; those by name and key are called `name.key`, what is no number is left out."""
    return dict(_numbers(figures))


def _numbers(figures: Mapping[str, object]) -> Iterable[tuple[str, float]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", number) for key, number in _numbers(value))
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield name, float(value)
