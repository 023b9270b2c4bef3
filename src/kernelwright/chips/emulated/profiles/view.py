"""A profile as rows, for tables and JSON."""

from kernelwright.chips.emulated.profiles.fields import FIELDS
from kernelwright.chips.emulated.profiles.profile import Profile


def fact_rows(profile: Profile) -> tuple[dict[str, object], ...]:
    """Return one row a fact: field, section, value, unit, standing, low, high, hidden, source, text.

    `hidden` is true for what engineers do not see.
    """
    rows: list[dict[str, object]] = []
    for name, fact in profile.facts.items():
        spec = FIELDS[name]
        value = list(fact.value) if isinstance(fact.value, tuple) else fact.value
        row: dict[str, object] = {"field": name, "section": spec.section, "value": value, "unit": spec.unit}
        row |= {
            "standing": fact.standing,
            "low": fact.low,
            "high": fact.high,
            "hidden": not fact.public,
            "source": fact.source,
            "text": spec.text,
        }
        rows.append(row)
    return tuple(rows)
