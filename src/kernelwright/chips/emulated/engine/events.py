"""Launches in emulated time, event by event: `time_launch`, and the caches that outlive a launch."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.access_costs import PRIORITIES
from kernelwright.chips.emulated.engine.caches import Caches, empty_caches, start_launch
from kernelwright.chips.emulated.engine.costs import Costs, cost_program
from kernelwright.chips.emulated.engine.event_loop import run_blocks
from kernelwright.chips.emulated.engine.event_state import (
    BLOCK_TIME,
    END_TIME,
    EVENTS,
    REASONS,
    SLICES,
    WAITS,
    Layout,
    Log,
    Program,
    Work,
)
from kernelwright.chips.emulated.engine.memory_path import COUNTED, SERVERS, Memory, Rates
from kernelwright.chips.emulated.engine.op_costs import RESOURCES
from kernelwright.chips.emulated.engine.totals import BlockTotals, block_totals, finish_launch
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.result import LaunchTime, Slice
from kernelwright.chips.emulated.tile_program import TileProgram
from kernelwright.chips.emulated.trace import Trace

REASON_NAMES = ("dependency", "copies", "barrier", *RESOURCES)
TIMELINE_UNITS = 2
TIMELINE_SLICES = 20_000


@dataclass(frozen=True)
class PriorityRange:
    """Addresses from `begin` up to `end` that a launch marks keep, normal or stream; a later range wins."""

    begin: int
    end: int
    priority: str


@dataclass
class CacheState:
    """What L2s and the last-level cache hold between launches; `time_launch` changes it."""

    caches: Caches
    launches: int = field(default=0)

    @classmethod
    def cold(cls, machine: Machine) -> "CacheState":
        """Return caches that hold nothing."""
        return cls(empty_caches((*[machine.l2_bytes] * _l2_count(machine), machine.llc_bytes)))


def time_launch(
    machine: Machine,
    program: TileProgram,
    trace: Trace,
    state: CacheState | None = None,
    priorities: Sequence[PriorityRange] = (),
    timeline: bool = False,
) -> LaunchTime:
    """Return what one launch takes on `machine`; caches are cold without `state`.

    The clock droops when the launch's mean power would pass the limit: the first pass gives energy and cycles, and time
    is stretched by what the clock must give way for the power to meet the limit.

    Raises:
        OverLimitError: a block does not fit a unit.
        UnsupportedOpError: the machine has no rate for an op.
    """
    costs = cost_program(machine, program, trace.facts)
    state = state or CacheState.cold(machine)
    start_launch(state.caches)
    log = empty_log(machine.usable_units, timeline)
    memory = Memory(
        state.caches, make_rates(machine), _servers(machine), np.zeros(len(COUNTED)), make_marks(priorities)
    )
    if trace.programs:
        run_blocks(Program(costs.ops, costs.accesses, _work(trace)), make_layout(machine, costs), memory, log)
    state.launches += 1
    totals = block_totals(machine, program, costs, trace)
    moved = dict(zip(COUNTED, memory.counted.tolist(), strict=True))
    return finish_launch(
        machine,
        totals,
        cycles=float(log.totals[END_TIME]),
        moved=moved,
        occupancy=costs.residency.occupancy(machine, trace.programs),
        waits=_waits(log),
        events=int(log.totals[EVENTS]),
        noise=noise_factor(machine, program, totals, state.launches),
        slices=_slices(log, costs) if timeline else (),
    )


def noise_factor(machine: Machine, program: TileProgram, totals: BlockTotals, launch: int) -> float:
    """Return the factor of a noisy chip on one launch: the same for the same kernel, work and place in the plan."""
    if machine.noise <= 0.0:
        return 1.0
    seed = f"{machine.noise_seed}/{program.name}/{totals.blocks}/{totals.steps}/{launch}"
    digest = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    deviate = NormalDist().inv_cdf((digest + 0.5) / 2.0**64)
    return max(0.5, 1.0 + machine.noise * max(-3.0, min(3.0, deviate)))


def make_layout(machine: Machine, costs: Costs) -> Layout:
    """Return where blocks run: usable units with their L2 and die."""
    usable = [unit for unit in range(machine.units) if unit not in machine.fused_off]
    of_die = -(-machine.units // machine.dies)
    residency = costs.residency
    return Layout(
        units=np.array([(unit // machine.l2_units, unit // of_die) for unit in usable], np.int64),
        places=residency.blocks_per_unit,
        sets=residency.sets,
        groups=residency.groups,
        slots=costs.slots,
        bulk_depth=machine.bulk_depth,
        bulk_setup=float(machine.bulk_setup_cycles),
        barrier=float(machine.barrier_cycles),
        dispatch=float(machine.dispatch_cycles),
    )


def make_rates(machine: Machine) -> Rates:
    """Return bandwidths in bytes a cycle and latencies in cycles."""
    return Rates(
        l2_rate=machine.l2_bytes_per_cycle,
        llc_rate=machine.llc_bytes_per_cycle,
        memory_rate=machine.memory_bytes_per_s * machine.memory_efficiency / machine.clock_hz,
        link_rate=max(machine.die_link_bytes_per_cycle, 1e-9),
        fill_rate=machine.l2_fill_bytes_per_cycle,
        l2_latency=float(machine.l2_latency),
        llc_latency=float(machine.llc_latency),
        memory_latency=float(machine.memory_latency),
        link_latency=float(machine.die_link_latency),
        l2=int(machine.l2_bytes > 0),
        llc=int(machine.llc_bytes > 0),
        dies=machine.dies,
        die_hash_bits=machine.die_hash_bits,
        slices=max(1, machine.llc_slices),
        stream_first=int(machine.stream_evicts_first),
    )


def _l2_count(machine: Machine) -> int:
    return -(-machine.units // machine.l2_units)


def _work(trace: Trace) -> Work:
    return Work(trace.first_step, trace.segments, trace.first_access, trace.addresses, trace.active)


def _servers(machine: Machine) -> NDArray[np.float64]:
    return np.zeros((SERVERS, max(_l2_count(machine), machine.dies, machine.llc_slices + 1)))


def make_marks(priorities: Sequence[PriorityRange]) -> NDArray[np.int64]:
    """Return the marks of a launch as rows of begin, end and priority."""
    rows = [(mark.begin, mark.end, PRIORITIES[mark.priority]) for mark in priorities]
    return np.array(rows, np.int64).reshape(-1, 3)


def empty_log(units: int, timeline: bool = False) -> Log:
    """Return a log that nothing has been written to."""
    return Log(
        totals=np.zeros(WAITS + REASONS),
        unit_end=np.zeros(units),
        slices=np.zeros((TIMELINE_SLICES if timeline else 0, 6)),
        slice_units=TIMELINE_UNITS if timeline else 0,
    )


def _waits(log: Log) -> Mapping[str, float]:
    """Return shares of block time by reason."""
    time = max(float(log.totals[BLOCK_TIME]), 1.0)
    found: NDArray[np.float64] = log.totals[WAITS:] / time
    return {name: float(share) for name, share in zip(REASON_NAMES, found, strict=True) if share > 0.0}


def _slices(log: Log, costs: Costs) -> tuple[Slice, ...]:
    found = []
    for op, resource, begin, end, block, unit in log.slices[: int(log.totals[SLICES])].tolist():
        source = costs.sources[int(op)]
        track = f"unit {int(unit)} {RESOURCES[int(resource)]}"
        found.append(Slice(track, source.name if source else "spill", begin, end, int(block), int(unit)))
    return tuple(found)
