"""Whether two records tell the same story: what clocks and names say is left out, nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from kernelwright.core.entry import Entry, canonical_json
from kernelwright.core.protocols import REMARKS

# What comes from clocks of the machine that worked, wherever it stands in an entry.
CLOCK_FIELDS = frozenset({"seconds", "host_ns", "lost_ns", "compile_ns", "wall_s"})
_MOST_TOLD = 20
# Number, kind and payload of an entry.
_Told = tuple[int, str, str]
# Who worked, and what they say of themselves, is no part of the work.
_OF_THE_WORKER = frozenset({"client"})
_OF_ITS_SETUP = frozenset({"engineer", "options", "tokens", "usd", "machine"})


def record_differences(left: Sequence[Entry], right: Sequence[Entry]) -> tuple[str, ...]:
    """Return what differs between two runs, a line each; empty when they are equal apart from clocks and names."""
    return _differences(_told(left), _told(right))


def work_differences(left: Sequence[Entry], right: Sequence[Entry]) -> tuple[str, ...]:
    """Return what differs in the work of two runs whoever did it, a line each; empty when the same was done and found.

    Beside clocks and names are left out who worked and how it was asked: the engineer and its options, names of
    clients, entries in which engineers speak of themselves, and how often a process went on with the run.
    """
    return _differences(_work(left), _work(right))


def _differences(left: Iterator[_Told], right: Iterator[_Told]) -> tuple[str, ...]:
    found = []
    for mine, other in zip_longest(left, right):
        if mine != other:
            found.append(_difference(mine, other))
        if len(found) == _MOST_TOLD:
            break
    return tuple(found)


def _work(entries: Sequence[Entry]) -> Iterator[_Told]:
    """Yield what `_told` does of the entries that are work, counted anew, without who did it."""
    kept = [entry for entry in entries if entry.kind not in REMARKS and entry.kind != "session"]
    for number, entry in enumerate(kept, 1):
        payload = {key: value for key, value in entry.payload.items() if key not in _OF_THE_WORKER}
        setup = payload.get("setup")
        if isinstance(setup, dict):
            payload["setup"] = {key: value for key, value in setup.items() if key not in _OF_ITS_SETUP}
        yield number, entry.kind, canonical_json(_timeless(payload))


def _told(entries: Sequence[Entry]) -> Iterator[_Told]:
    """Yield number, kind and payload of each entry, clocks left out."""
    for entry in entries:
        yield entry.number, entry.kind, canonical_json(_timeless(entry.payload))


def _timeless(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _timeless(item) for key, item in value.items() if key not in CLOCK_FIELDS}
    if isinstance(value, list | tuple):
        return [_timeless(item) for item in value]
    return value


def _difference(left: _Told | None, right: _Told | None) -> str:
    if left is None or right is None:
        number, kind, _ = left or right or (0, "", "")
        return f"entry {number} ({kind}): only one of the runs has it"
    if left[:2] != right[:2]:
        return f"entry {left[0]}: {left[1]} in one run, {right[1]} in the other"
    place = next((i for i, (a, b) in enumerate(zip(left[2], right[2], strict=False)) if a != b), 0)
    first = max(place - 40, 0)
    return f"entry {left[0]} ({left[1]}): {left[2][first : place + 40]} against {right[2][first : place + 40]}"
