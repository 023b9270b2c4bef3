"""Times of calls, what the machine took from them, and the conditions that they were taken under."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Conditions:
    """How a machine was while calls were timed. What it does not tell is None, never a guess.

    Calls run on `threads` threads, number i kept on `cores[i]`; `scheduling` is "real time" where
    they run before all ordinary threads, "shared" where they take turns with them.
    `governor` and `frequency_hz` are those of the first core, the frequency the lowest seen.
    Over `called_ns` of timed calls, `waited_ns` is what the unluckiest thread of each spent ready and without its
    core. `stolen_share` is the part of the session that the hypervisor gave to others, `switches` and `migrations`
    count how often our threads were put aside, and moved, in it. `load` is the system's average over a minute, the
    highest seen. Of `blocks` blocks `repeated` more had been discarded as polluted.
    """

    cores: tuple[int, ...] = ()
    threads: int | None = None
    scheduling: str | None = None
    governor: str | None = None
    frequency_hz: float | None = None
    wall_ns: int = 0
    called_ns: int = 0
    waited_ns: int | None = None
    stolen_share: float | None = None
    switches: int | None = None
    migrations: int | None = None
    load: float | None = None
    blocks: int = 0
    repeated: int = 0


@dataclass(frozen=True)
class Timing:
    """Wall times of calls in ns, in order, and for each what the machine took from it: `lost_ns`, None if unknown.

    Lost is the time that the unluckiest thread of the call stood ready and had no core, and what the hypervisor took.
    """

    times_ns: tuple[int, ...]
    lost_ns: tuple[int | None, ...]
    conditions: Conditions | None = None


def joined_conditions(parts: Iterable[Conditions | None], blocks: int, repeated: int) -> Conditions | None:
    """Return the conditions of several timings taken one after another as one; None if no part is known."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    wall_ns = sum(part.wall_ns for part in known)
    stolen = _total([None if part.stolen_share is None else part.stolen_share * part.wall_ns for part in known])
    return replace(
        known[0],
        frequency_hz=_extreme([part.frequency_hz for part in known], -1),
        wall_ns=wall_ns,
        called_ns=sum(part.called_ns for part in known),
        waited_ns=_total([part.waited_ns for part in known]),
        stolen_share=None if stolen is None or not wall_ns else stolen / wall_ns,
        switches=_total([part.switches for part in known]),
        migrations=_total([part.migrations for part in known]),
        load=_extreme([part.load for part in known], 1),
        blocks=blocks,
        repeated=repeated,
    )


def _total(values: Sequence[Number | None]) -> Number | None:
    """Return the sum, None when one is not known."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known and len(known) == len(values) else None


def _extreme(values: Sequence[float | None], sign: int) -> float | None:
    known = [value for value in values if value is not None]
    return max(known, key=lambda value: sign * value) if known else None
