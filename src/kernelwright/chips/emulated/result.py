"""What timing one launch gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Occupancy:
    """Blocks that one unit holds at once, what limits them (warps, blocks, registers, shared memory, grid), waves."""

    blocks_per_unit: int
    limiter: str
    waves: float


@dataclass(frozen=True)
class Slice:
    """One stay of a block's op on a resource, for trace files; times in cycles from the start of the launch."""

    track: str
    name: str
    begin: float
    end: float
    block: int
    unit: int


@dataclass(frozen=True)
class LaunchTime:
    """One launch on an emulated chip; `time_ns` is emulated, launch floor included.

    `busy` is the share of its peak that each resource was kept busy (matrix, lanes, special, shared, copy, bulk, l2,
    llc, memory, dispatch), `waits` the share of block time spent by reason (dependency, copies, barrier, resource by
    name), `bytes` what moved at each level (l2, llc, memory, link, with hits), `energy_pj` by component, relative
    only. `bound` names the resource that sets the time. `events` is how many the engine worked through (0: wave tier).
    """

    time_ns: int
    cycles: float
    occupancy: Occupancy
    busy: Mapping[str, float]
    waits: Mapping[str, float]
    bytes: Mapping[str, float]
    energy_pj: Mapping[str, float]
    bound: str
    clock_hz: float
    events: int = 0
    slices: tuple[Slice, ...] = field(default=(), repr=False)
