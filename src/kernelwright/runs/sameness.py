"""Whether two records tell the same story: what clocks and names say is left out, nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from kernelwright.core.entry import Entry, canonical_json

# What comes from clocks of the machine that worked, wherever it stands in an entry.
CLOCK_FIELDS = frozenset({"seconds", "host_ns", "lost_ns", "compile_ns", "wall_s"})
_MOST_TOLD = 20


def record_differences(left: Sequence[Entry], right: Sequence[Entry]) -> tuple[str, ...]:
    """Return what differs between two runs, a line each; empty when they are equal apart from clocks and names."""
    found = []
    for mine, other in zip_longest(_told(left), _told(right)):
        if mine != other:
            found.append(_difference(mine, other))
        if len(found) == _MOST_TOLD:
            break
    return tuple(found)


def _told(entries: Sequence[Entry]) -> Iterator[tuple[int, str, str]]:
    """Yield number, kind and payload of each entry, clocks left out."""
    for entry in entries:
        yield entry.number, entry.kind, canonical_json(_timeless(entry.payload))


def _timeless(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _timeless(item) for key, item in value.items() if key not in CLOCK_FIELDS}
    if isinstance(value, list | tuple):
        return [_timeless(item) for item in value]
    return value


def _difference(left: tuple[int, str, str] | None, right: tuple[int, str, str] | None) -> str:
    if left is None or right is None:
        number, kind, _ = left or right or (0, "", "")
        return f"entry {number} ({kind}): only one of the runs has it"
    if left[:2] != right[:2]:
        return f"entry {left[0]}: {left[1]} in one run, {right[1]} in the other"
    place = next((i for i, (a, b) in enumerate(zip(left[2], right[2], strict=False)) if a != b), 0)
    first = max(place - 40, 0)
    return f"entry {left[0]} ({left[1]}): {left[2][first : place + 40]} against {right[2][first : place + 40]}"
