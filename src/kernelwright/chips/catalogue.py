"""Chips by name: every installed package can add some through the entry point group `kernelwright.chips`."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from kernelwright.core.errors import UnknownNameError
from kernelwright.core.protocols import Chip

GROUP = "kernelwright.chips"


def chip_names() -> tuple[str, ...]:
    """Return the names of all chips that can be loaded, sorted."""
    return tuple(sorted(_entries()))


def load_chip(name: str) -> Chip:
    """Return the chip called `name`.

    Raises UnknownNameError with the known names and the nearest one.
    """
    entries = _entries()
    if name not in entries:
        raise UnknownNameError("chip", name, entries)
    make = cast(Callable[[], Chip], entries[name].load())
    return make()


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
