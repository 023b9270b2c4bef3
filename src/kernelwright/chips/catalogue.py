"""Chips by name: entry points of the group `kernelwright.chips`, the emulated profiles of this package, TOML files."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from kernelwright.chips.emulated.chip import EmulatedChip
from kernelwright.chips.emulated.profiles.profile import is_profile_path, load_profile, profile_names
from kernelwright.core.errors import UnknownNameError
from kernelwright.core.protocols import Chip

GROUP = "kernelwright.chips"


def chip_names() -> tuple[str, ...]:
    """Return the names of all chips that can be loaded, sorted; TOML files of other chips can be loaded too."""
    return tuple(sorted({*_entries(), *profile_names()}))


def load_chip(name: str) -> Chip:
    """Return the chip called `name`, or the emulated one whose profile is the TOML file at that path.

    Raises UnknownNameError with the known names and the nearest one, RequestError for a profile that is wrong.
    """
    entries = _entries()
    if name in entries:
        make = cast(Callable[[], Chip], entries[name].load())
        return make()
    if name in profile_names() or is_profile_path(name):
        return EmulatedChip(load_profile(name))
    raise UnknownNameError("chip", name, chip_names())


def chip_sha256(chip: Chip) -> str:
    """Return the identity of every number of an emulated chip; empty for a real one."""
    return chip.times.identity if isinstance(chip, EmulatedChip) else ""


def require_chip(name: str) -> None:
    """Raise UnknownNameError, with the nearest name, unless `name` is a chip's or a path to a profile."""
    if name not in chip_names() and not is_profile_path(name):
        raise UnknownNameError("chip", name, chip_names())


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
