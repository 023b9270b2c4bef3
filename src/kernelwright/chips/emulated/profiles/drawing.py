"""Undocumented chips: hidden quirks and rates drawn from a family's prior, by hashing, the same everywhere."""

import hashlib
from collections.abc import Mapping

from kernelwright.chips.emulated.profiles.fact import Fact, Value
from kernelwright.chips.emulated.profiles.fields import FIELDS
from kernelwright.chips.emulated.profiles.prior import DOT_RATIOS, POWERS_OF_TWO, QUIRKS, STEPS, TOGETHER
from kernelwright.chips.emulated.profiles.profile import Profile
from kernelwright.chips.emulated.profiles.text import format_profile
from kernelwright.core.errors import RequestError

TITLE = "undocumented"


class _Dice:
    """Even draws by key, of a family and a seed."""

    def __init__(self, family: str, seed: int) -> None:
        self._family, self._seed = family, seed

    def digest(self, key: str) -> str:
        """Return 64 hexadecimal digits."""
        return hashlib.sha256(f"instance|{self._family}|{self._seed}|{key}".encode()).hexdigest()

    def number(self, key: str) -> int:
        """Return a whole number below 2**52."""
        return int(self.digest(key)[:13], 16)

    def share(self, key: str) -> float:
        """Return a number from 0 up to, not including, 1."""
        return self.number(key) / (1 << 52)

    def choice(self, key: str, choices: tuple[Value, ...]) -> Value:
        """Return one of `choices`."""
        return choices[self.number(key) % len(choices)]


def draw_instance(family: Profile, seed: int) -> Profile:
    """Return an undocumented chip: quirks from the prior, assumed numbers of `family` anywhere in their ranges.

    The same family and seed give the same chip on every machine. Name and title tell neither.
    Raises RequestError for a family that the prior was not made for, or that is a projection.
    """
    if family.projected or family.family != "zhenwu":
        raise RequestError(f"instances are drawn from m890, zw810e or zw810, got {family.name}. Change --family.")
    dice = _Dice(family.name, seed)
    drawn = _drawn_values(family, dice)
    facts = {}
    for name in FIELDS:
        if name in drawn:
            facts[name] = _drawn_fact(name, drawn[name], family)
        elif name in family.facts:
            facts[name] = _kept_fact(family.facts[name], family.name)
    return Profile(f"instance-{dice.digest('name')[:6]}", TITLE, TITLE, False, (), facts)


def format_instance(instance: Profile) -> str:
    """Return the TOML text of a profile."""
    head = {
        "name": instance.name,
        "title": instance.title,
        "family": instance.family,
        "projected": instance.projected,
        "notes": list(instance.notes),
    }
    return format_profile(head, instance.facts)


def _drawn_values(family: Profile, dice: _Dice) -> dict[str, Value]:
    drawn: dict[str, Value] = {}
    for name in FIELDS:
        if name in QUIRKS:
            drawn[name] = _quirk(name, family, dice)
        elif name in family.facts and _is_open(family.facts[name]):
            drawn[name] = _rate(name, family, dice)
    return drawn


def _is_open(fact: Fact) -> bool:
    return fact.low is not None and fact.high is not None and fact.low < fact.high


def _rate(name: str, family: Profile, dice: _Dice) -> Value:
    fact = family.facts[name]
    if not _is_open(fact):
        return fact.value
    if name in DOT_RATIOS:
        other, ratios = DOT_RATIOS[name]
        return _float(_rate(other, family, dice)) * _float(dice.choice(name, ratios))
    return _between(name, fact, dice)


def _quirk(name: str, family: Profile, dice: _Dice) -> Value:
    if QUIRKS[name].choices:
        return dice.choice(name, QUIRKS[name].choices)
    if name == "noise_seed":
        return dice.number(name)
    machine = family.machine()
    order = sorted(range(machine.units), key=lambda unit: dice.digest(f"{name} {unit}"))
    return tuple(sorted(order[: len(machine.fused_off)]))


def _between(name: str, fact: Fact, dice: _Dice) -> Value:
    """Return a number in the fact's range, at four digits, so that it is the same text everywhere."""
    assert fact.low is not None and fact.high is not None
    share = dice.share(TOGETHER.get(name, name))
    if name in POWERS_OF_TWO:
        powers = tuple(1 << bit for bit in range(31) if fact.low <= 1 << bit <= fact.high)
        return powers[int(share * len(powers))]
    step = STEPS.get(name)
    if step is not None:
        steps = int((fact.high - fact.low) / step)
        number = fact.low + step * int(share * (steps + 1))
    else:
        number = float(f"{fact.low + (fact.high - fact.low) * share:.4g}")
        number = min(max(number, fact.low), fact.high)
    return round(number) if isinstance(fact.value, int) else number


def _drawn_fact(name: str, value: Value, family: Profile) -> Fact:
    known = family.facts.get(name)
    public = known.public if known else FIELDS[name].public
    source = f"drawn from the prior of {family.name}"
    if isinstance(value, bool | tuple):
        return Fact(value, "assumed", source, public)
    low, high = _ends(name, value, known)
    return Fact(value, "assumed", source, public, low, high)


def _ends(name: str, value: int | float, known: Fact | None) -> tuple[float, float]:
    choices = (
        [float(choice) for choice in QUIRKS[name].choices if not isinstance(choice, tuple)] if name in QUIRKS else []
    )
    ends = [*choices, float(value)]
    if not choices and known is not None and known.low is not None and known.high is not None:
        ends += [known.low, known.high]
    return min(ends), max(ends)


def _kept_fact(fact: Fact, family: str) -> Fact:
    is_number = isinstance(fact.value, int | float) and not isinstance(fact.value, bool)
    end = _float(fact.value) if is_number else None
    return Fact(fact.value, "assumed", f"taken over from {family}", fact.public, end, end)


def _float(value: Value) -> float:
    assert isinstance(value, int | float)
    return float(value)


def quirk_values(instance: Profile) -> Mapping[str, Value]:
    """Return the hidden quirks of an instance, for comparing with what an engineer found out."""
    return {name: instance.facts[name].value for name in QUIRKS if name in instance.facts}
