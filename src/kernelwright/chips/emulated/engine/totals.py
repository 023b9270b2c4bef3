"""What a launch adds up to, whatever its order: work by resource, energy, busy shares, droop, the final nanoseconds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.costs import IS_BULK, OP_CODE, OP_RESOURCE, PORT_CYCLES, SERVICE, Costs
from kernelwright.chips.emulated.engine.op_costs import RESOURCES, SHARED, padded_flops
from kernelwright.chips.emulated.engine.op_rows import LOCAL
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.result import LaunchTime, Occupancy, Slice
from kernelwright.chips.emulated.tile_program import Kind, TileOp, TileProgram
from kernelwright.chips.emulated.trace import Trace

# Below this share no resource is said to set the time.
BUSY_ENOUGH = 0.6


@dataclass(frozen=True)
class BlockTotals:
    """Sums over all blocks of a launch: unit cycles by resource, compute energy in pJ by component."""

    blocks: int
    steps: int
    unit_cycles: Mapping[str, float]
    energy_pj: Mapping[str, float]


def block_totals(machine: Machine, program: TileProgram, costs: Costs, trace: Trace) -> BlockTotals:
    """Return what all blocks of `trace` ask of the units, exactly, from how often each segment runs."""
    runs = np.bincount(trace.segments, minlength=len(program.segments)).astype(np.float64)
    access_share = _active_shares(program, trace)
    return sum_totals(machine, program, costs, trace.programs, runs, access_share)


def sum_totals(
    machine: Machine,
    program: TileProgram,
    costs: Costs,
    blocks: int,
    runs: NDArray[np.float64],
    passes: NDArray[np.float64],
) -> BlockTotals:
    """Return totals from `runs` of each segment and `passes` of each access, masked-out elements not counted."""
    residency, ops = costs.residency, costs.ops
    cycles = dict.fromkeys(RESOURCES, 0.0)
    for index in range(len(program.segments)):
        for row in range(ops.first[index], ops.first[index + 1]):
            if ops.rows[row, OP_CODE] == LOCAL:
                resource = int(ops.rows[row, OP_RESOURCE])
                share = residency.share if resource < SHARED else 1.0
                busy = float(ops.cycles[row, SERVICE]) * residency.sets * share
                cycles[RESOURCES[resource]] += float(runs[index]) * busy
    for access in range(len(program.accesses)):
        bulk = bool(costs.accesses.marks[access, IS_BULK])
        of_block = float(costs.accesses.amounts[access, PORT_CYCLES]) * (1 if bulk else residency.sets)
        cycles["bulk" if bulk else "copy"] += float(passes[access]) * of_block
    energy: dict[str, float] = {}
    for segment_runs, segment in zip(runs.tolist(), program.segments, strict=True):
        for op in segment.ops:
            for component, amount in _op_energy(machine, program.warps, op):
                energy[component] = energy.get(component, 0.0) + segment_runs * amount
    return BlockTotals(blocks, int(runs.sum()), cycles, energy)


def finish_launch(  # noqa: PLR0913
    machine: Machine,
    totals: BlockTotals,
    *,
    cycles: float,
    moved: Mapping[str, float],
    occupancy: Occupancy,
    waits: Mapping[str, float],
    events: int,
    noise: float = 1.0,
    slices: tuple[Slice, ...] = (),
) -> LaunchTime:
    """Return the record of a launch from its cycles at full clock: energy, droop, noise, floor, whole nanoseconds."""
    energy = {**totals.energy_pj, **_moved_energy(machine, moved)}
    clock = droop(machine, sum(energy.values()), cycles) * machine.clock_hz
    run_ns = cycles / clock * 1e9 * noise
    busy = _busy(machine, totals, moved, cycles)
    floor = float(machine.launch_floor_ns)
    return LaunchTime(
        time_ns=round(floor + run_ns),
        cycles=cycles,
        occupancy=occupancy,
        busy=busy,
        waits=waits,
        bytes=_levels(moved),
        energy_pj=energy,
        bound=_bound(busy, run_ns, floor),
        clock_hz=clock,
        events=events,
        slices=slices,
    )


def droop(machine: Machine, energy_pj: float, cycles: float) -> float:
    """Return the share of its clock that the chip runs at so that mean power meets the limit, or the lowest share."""
    if cycles <= 0.0:
        return 1.0
    watts = energy_pj * 1e-12 / (cycles / machine.clock_hz)
    room = max(machine.tdp_w - machine.idle_w, 0.0)
    return 1.0 if watts <= room else max(machine.droop_floor, room / watts)


def _active_shares(program: TileProgram, trace: Trace) -> NDArray[np.float64]:
    """Return how many whole passes of each access all blocks make, counted by active elements."""
    passes = np.zeros(len(program.accesses))
    first = trace.first_access[:-1]
    for index, segment in enumerate(program.segments):
        if not segment.accesses:
            continue
        at = first[trace.segments == index]
        for ordinal, access in enumerate(segment.accesses):
            elements = float(np.prod(program.accesses[access].shape))
            passes[access] += float(trace.active[at + ordinal].sum(dtype=np.int64)) / elements
    return passes


def _op_energy(machine: Machine, warps: int, op: TileOp) -> list[tuple[str, float]]:
    """Return the energy of one op of one block by component."""
    pj = machine.energy_pj
    if op.kind is Kind.LANES:
        return [("lanes", sum(op.amounts.values()) * pj.get("lane", 0.0))]
    if op.kind is Kind.SPECIAL:
        return [("special", sum(op.amounts.values()) * pj.get("special", 0.0))]
    if op.kind in (Kind.SHARED_READ, Kind.SHARED_WRITE):
        return [("shared", op.amounts.get("wavefront_bytes", 0.0) * pj.get("shared_byte", 0.0))]
    if op.kind is Kind.DOT and op.dot is not None:
        return [("matrix", padded_flops(machine, warps, op.dot) * pj.get(f"dot_{op.dot.dtype}", 0.0))]
    return []


def _moved_energy(machine: Machine, moved: Mapping[str, float]) -> dict[str, float]:
    pj = machine.energy_pj
    memory = moved["memory_read"] + moved["memory_write"]
    return {
        "l2": moved["l2"] * pj.get("l2_byte", 0.0),
        "llc": moved["llc"] * pj.get("llc_byte", 0.0),
        "memory": memory * pj.get("memory_byte", 0.0),
        "link": moved["link"] * pj.get("link_byte", 0.0),
    }


def _busy(machine: Machine, totals: BlockTotals, moved: Mapping[str, float], cycles: float) -> dict[str, float]:
    if cycles <= 0.0:
        return {}
    span = cycles * machine.usable_units
    busy = {name: amount / span for name, amount in totals.unit_cycles.items()}
    memory_rate = machine.memory_bytes_per_s / machine.clock_hz
    l2s = -(-machine.usable_units // machine.l2_units)
    busy["l2"] = moved["l2"] / (machine.l2_bytes_per_cycle * l2s * cycles) if machine.l2_bytes else 0.0
    busy["llc"] = moved["llc"] / (machine.llc_bytes_per_cycle * cycles) if machine.llc_bytes else 0.0
    busy["memory"] = (moved["memory_read"] + moved["memory_write"]) / (memory_rate * cycles)
    busy["dispatch"] = totals.blocks * machine.dispatch_cycles / cycles
    return busy


def _levels(moved: Mapping[str, float]) -> dict[str, float]:
    return {**moved, "memory": moved["memory_read"] + moved["memory_write"]}


def _bound(busy: Mapping[str, float], run_ns: float, floor_ns: float) -> str:
    """Return the resource that sets the time: the launch floor, the busiest, or latency where none is busy."""
    if floor_ns > run_ns or not busy:
        return "launch"
    name = max(busy, key=lambda key: busy[key])
    return name if busy[name] >= BUSY_ENOUGH else "latency"
