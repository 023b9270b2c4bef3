"""What is true of an emulated chip under the names that engineers note their rates by; told when a run closes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.profiles.fact import STANDINGS
from kernelwright.chips.emulated.profiles.profile import Profile
from kernelwright.core.rates import TrueRate

# Tile rows that the search probes products at, and the elements that its atomics all add to.
_DOT_ROWS = (16, 32, 64, 128)
_ATOMIC_BYTES = 512
_CLOCK = ("units", "clock_hz")


@dataclass(frozen=True)
class _Figure:
    """A figure with the fields of the profile that it is made of; `value` None where the chip has none."""

    name: str
    value: float | None
    unit: str
    fields: tuple[str, ...]
    basis: str


@dataclass(frozen=True)
class _Limit:
    """A rate in bytes a second that something can be bound by."""

    bytes_per_s: float
    fields: tuple[str, ...]
    basis: str


def true_rates(profile: Profile) -> tuple[TrueRate, ...]:
    """Return what is true of a chip, by the names of `engineers.search.PipelineRates`, in their order."""
    machine = profile.machine()
    figures = (*_launches(machine), *_dots(machine), *_lanes(machine), *_memory(machine), *_shared(machine))
    return tuple(
        TrueRate(one.name, None, one.unit, "", one.basis)
        if one.value is None
        else TrueRate(one.name, float(one.value), one.unit, _standing(profile, one.fields), one.basis)
        for one in figures
    )


def _launches(machine: Machine) -> Iterator[_Figure]:
    yield _Figure("units", machine.usable_units, "", ("units",), "units that can be used")
    yield _Figure("launch_ns", machine.launch_floor_ns, "ns", ("launch_floor_ns",), "least that a launch takes")
    dispatch = machine.dispatch_cycles / machine.clock_hz * 1e9
    yield _Figure("dispatch_ns", dispatch, "ns", ("dispatch_cycles", "clock_hz"), "starting one block")


def _dots(machine: Machine) -> Iterator[_Figure]:
    for dtype in ("bf16", "f16", "tf32", "f8"):
        name = f"dot_{dtype}_flops_per_s"
        if dtype in machine.dot_flops:
            yield _dot(machine, name, dtype, f"full rate of {dtype} products, all units")
        else:
            yield _Figure(name, None, "FLOP/s", (), f"the chip does not multiply {dtype}")
    for rows in _DOT_ROWS if "bf16" in machine.dot_flops else ():
        basis = f"none of its own for tiles of {rows} rows: full rate of bf16 products"
        yield _dot(machine, f"dot_rows.{rows}", "bf16", basis)


def _dot(machine: Machine, name: str, dtype: str, basis: str) -> _Figure:
    rate = machine.dot_flops[dtype] * machine.usable_units * machine.clock_hz
    return _Figure(name, rate, "FLOP/s", (*_CLOCK, f"dot_flops.{dtype}"), basis)


def _lanes(machine: Machine) -> Iterator[_Figure]:
    cycles = machine.usable_units * machine.clock_hz
    special = machine.special_per_cycle["exp"] * cycles
    for name in ("exp_per_s", "exp2_per_s"):
        yield _Figure(name, special, "/s", (*_CLOCK, "special_per_cycle.exp"), "results of exp, all units")
    lanes, cost = machine.lanes * cycles, machine.lane_cost
    classes = {"lane_ops_per_s": ("f32", "f32 operations"), "wide_ops_per_s": ("wide", "64-bit integer operations")}
    classes |= {"divide_per_s": ("divide", "divisions")}
    for name, (kind, words) in classes.items():
        fields = (*_CLOCK, "lanes", f"lane_cost.{kind}")
        yield _Figure(name, lanes / cost[kind], "/s", fields, f"{words}, all lanes")
    pair = 2.0 * lanes / (cost["select"] + cost["f32"])
    both = (*_CLOCK, "lanes", "lane_cost.select", "lane_cost.f32")
    yield _Figure("select_per_s", pair, "/s", both, "selections and their comparisons, both counted, all lanes")


def _memory(machine: Machine) -> Iterator[_Figure]:
    stream = machine.memory_bytes_per_s * machine.memory_efficiency
    limits = [_Limit(stream, ("memory_bytes_per_s", "memory_efficiency"), "memory as streaming sustains it")]
    if machine.l2_bytes and machine.l2_fill_bytes_per_cycle > 0.0:
        fill = machine.l2_fill_bytes_per_cycle * _l2_count(machine) * machine.clock_hz
        fields = ("l2_fill_bytes_per_cycle", "l2_units", *_CLOCK)
        limits.append(_Limit(fill, fields, "what all L2s take of what they lack, less than memory gives"))
    yield _least("stream_bytes_per_s", limits)
    yield _least("cached_bytes_per_s", _cached(machine) or limits)
    gathered = min(limits, key=lambda limit: limit.bytes_per_s)
    basis = f"none of its own for scattered rows: {gathered.basis}"
    yield _Figure("gather_bytes_per_s", gathered.bytes_per_s, "B/s", gathered.fields, basis)
    lines = _ATOMIC_BYTES // machine.line_bytes or 1
    slices = min(max(1, machine.llc_slices), lines)
    atomics = machine.line_bytes / 4 * slices / machine.atomic_cycles * machine.clock_hz
    fields = ("atomic_cycles", "line_bytes", "llc_slices", "clock_hz")
    yield _Figure("atomics_per_s", atomics, "/s", fields, "f32 additions where all blocks add to the same 512 bytes")


def _cached(machine: Machine) -> Sequence[_Limit]:
    """Return what bounds reads that a cache holds: the cache, or the way into the units; nothing without a cache."""
    if machine.l2_bytes:
        rate = machine.l2_bytes_per_cycle * _l2_count(machine) * machine.clock_hz
        cache = _Limit(rate, (*_CLOCK, "l2_units", "l2_bytes_per_cycle"), "all L2s")
    elif machine.llc_bytes:
        rate = machine.llc_bytes_per_cycle * machine.clock_hz
        cache = _Limit(rate, ("clock_hz", "llc_bytes_per_cycle"), "the last-level cache")
    else:
        return ()
    way = machine.copy_bytes_per_cycle * machine.usable_units * machine.clock_hz
    return cache, _Limit(way, (*_CLOCK, "copy_bytes_per_cycle"), "what all units take, less than their cache gives")


def _shared(machine: Machine) -> Iterator[_Figure]:
    port = machine.shared_bytes_per_cycle * machine.usable_units * machine.clock_hz
    yield _Figure("shared_bytes_per_s", port, "B/s", (*_CLOCK, "shared_bytes_per_cycle"), "ports of on-chip memory")
    yield _Figure(
        "shared_bytes", machine.shared_block_bytes, "B", ("shared_block_bytes",), "most that a block can have"
    )


def _least(name: str, limits: Sequence[_Limit]) -> _Figure:
    least = min(limits, key=lambda limit: limit.bytes_per_s)
    return _Figure(name, least.bytes_per_s, "B/s", least.fields, least.basis)


def _l2_count(machine: Machine) -> int:
    return -(-machine.units // machine.l2_units)


def _standing(profile: Profile, fields: tuple[str, ...]) -> str:
    """Return the standing of a figure: that of its least certain number, at best derived if there are several."""
    facts = [profile.facts[name].standing for name in fields if name in profile.facts]
    worst = max(map(STANDINGS.index, facts))
    return STANDINGS[worst if len(facts) == 1 else max(worst, STANDINGS.index("derived"))]
