"""Launches in emulated time without events: one unit looked at closely, the rest by arithmetic. For sweeps.

Four units run a short piece of the longest block: the first steps and twice as many, on a full unit and alone. What
they take gives a block's time by its steps and by how many share its unit; blocks are then dealt out over the chip's
places. Caches are what fits of the tiles that neighbouring blocks share; bandwidths of what units share are bounds.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.caches import empty_caches
from kernelwright.chips.emulated.engine.costs import (
    CAMPING,
    IS_BULK,
    MOVED_BYTES,
    OP_ACCESS,
    OP_CODE,
    OP_NUMBER,
    PORT_CYCLES,
    SERVICE,
    Costs,
    cost_program,
)
from kernelwright.chips.emulated.engine.event_loop import run_blocks
from kernelwright.chips.emulated.engine.event_state import Layout, Program, Work
from kernelwright.chips.emulated.engine.events import empty_log, make_marks, make_rates
from kernelwright.chips.emulated.engine.jit import compiled, inlined
from kernelwright.chips.emulated.engine.memory_path import COUNTED, SERVERS, Memory, Rates
from kernelwright.chips.emulated.engine.op_rows import ATOMIC, STORE
from kernelwright.chips.emulated.engine.summary import TraceSummary
from kernelwright.chips.emulated.engine.totals import finish_launch, sum_totals
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.result import LaunchTime
from kernelwright.chips.emulated.tile_program import TileProgram

# Events that the close look may take, and the fewest steps of a loop in its longer half.
CLOSE_EVENTS = 2000
FEWEST_STEPS = 6
# How sharply time turns from one bound to another: two equal bounds take 9 % more than one.
SHARPNESS = 8.0
DEALT_BLOCKS = 8192


@dataclass(frozen=True)
class Traffic:
    """Bytes by level as a launch moves them, and the mean cycles from a load to its value."""

    moved: dict[str, float]
    latency: float


@dataclass(frozen=True)
class CloseLook:
    """Cycles of a block on a full unit and alone: `fixed + slope * weight`, weight as `segment_weights` has it."""

    full_fixed: float
    full_slope: float
    alone_fixed: float
    alone_slope: float


def wave_launch(machine: Machine, program: TileProgram, summary: TraceSummary) -> LaunchTime:
    """Return about what one launch takes on `machine`, with cold caches; `waits` and `slices` are empty.

    Raises:
        OverLimitError: a block does not fit a unit.
        UnsupportedOpError: the machine has no rate for an op.
    """
    costs = cost_program(machine, program, summary.facts)
    occupancy = costs.residency.occupancy(machine, summary.blocks)
    traffic = find_traffic(machine, costs, summary)
    totals = sum_totals(machine, program, costs, summary.blocks, summary.runs, summary.passes)
    cycles = 0.0
    if summary.blocks:
        held = occupancy.blocks_per_unit
        look = look_closely(costs, machine, summary, held, traffic.latency)
        placed = _deal(machine, costs, summary, held, look)
        bounds = [placed, *_shared_bounds(machine, costs, summary, traffic)]
        top = max(bounds)
        cycles = top * float(sum((bound / top) ** SHARPNESS for bound in bounds)) ** (1.0 / SHARPNESS)
    return finish_launch(machine, totals, cycles=cycles, moved=traffic.moved, occupancy=occupancy, waits={}, events=0)


def segment_weights(costs: Costs) -> NDArray[np.float64]:
    """Return cycles of one run of each segment if nothing overlapped."""
    ops, table = costs.ops, costs.accesses
    access = ops.rows[:, OP_ACCESS]
    port = np.concatenate([table.amounts[:, PORT_CYCLES], [0.0]])
    rows = ops.cycles[:, SERVICE] + port[access]
    sums = np.concatenate([[0.0], np.cumsum(rows)])
    weights: NDArray[np.float64] = sums[ops.first[1:]] - sums[ops.first[:-1]] + 1.0
    return weights


def find_traffic(machine: Machine, costs: Costs, summary: TraceSummary) -> Traffic:
    """Return what moves where: reuse within the blocks that run together, or that a cache's size spans."""
    table = costs.accesses
    parts = np.where(table.marks[:, IS_BULK] == 1, 1.0, float(costs.residency.sets))
    sizes = table.amounts[:, MOVED_BYTES] * parts
    is_write = np.zeros(len(sizes), bool)
    stores = np.isin(costs.ops.rows[:, OP_CODE], (STORE, ATOMIC))
    is_write[costs.ops.rows[stores, OP_ACCESS]] = True
    touched = summary.passes * sizes
    resident = machine.usable_units * costs.residency.blocks_per_unit
    near = max(float(machine.l2_units), _kept_window(summary, sizes, machine.l2_bytes))
    far = max(float(resident), _kept_window(summary, sizes, machine.llc_bytes or machine.l2_bytes))
    beyond = summary.fetches_beyond(far) * sizes
    after_l2 = summary.fetches(near) * sizes if machine.l2_bytes else touched
    after_llc = np.minimum(after_l2, beyond) if machine.llc_bytes else after_l2
    reads = ~is_write
    to_llc = float(after_l2[reads].sum() + touched[is_write].sum())
    moved = {
        "l2": float(touched.sum()),
        "l2_hits": float((touched - after_l2)[reads].sum()),
        "llc": to_llc,
        "llc_hits": float((after_l2 - after_llc)[reads].sum()),
        "memory_read": float(after_llc[reads].sum()),
        "memory_write": float(beyond[is_write].sum()),
        "link": to_llc * (machine.dies - 1) / machine.dies,
        "atomic_cycles": 0.0,
    }
    total = max(float(touched[reads].sum()), 1.0)
    hits = (total - float(after_l2[reads].sum())) / total
    misses = float(after_llc[reads].sum()) / total
    link = machine.die_link_latency if machine.dies > 1 else 0
    latency = hits * machine.l2_latency + misses * (machine.memory_latency + link)
    return Traffic(moved, latency + (1.0 - hits - misses) * (machine.llc_latency + link))


def look_closely(costs: Costs, machine: Machine, summary: TraceSummary, held: int, latency: float) -> CloseLook:
    """Return how a block's time goes with its length, on a unit of `held` blocks and alone."""
    rows = len(costs.ops.rows) * costs.residency.sets * held / max(1, len(costs.ops.first) - 1)
    long = max(FEWEST_STEPS, int(CLOSE_EVENTS / max(rows, 1.0)))
    pieces = [cut_steps(costs, summary, cap) for cap in (max(3, long // 2), long)]
    ends = _run_pieces(costs, machine, pieces, held, latency)
    weights = segment_weights(costs)
    short, longer = (float(weights[segments].sum()) for segments, _ in pieces)
    spread = longer - short
    if spread <= 0.0:
        return CloseLook(0.0, ends[1] / longer, 0.0, ends[3] / longer)
    full, alone = max(0.0, (ends[1] - ends[0]) / spread), max(0.0, (ends[3] - ends[2]) / spread)
    return CloseLook(ends[1] - full * longer, full, ends[3] - alone * longer, alone)


def cut_steps(costs: Costs, summary: TraceSummary, cap: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the steps of the longest block, no segment more than `cap` times in a row, and their active elements."""
    segments = summary.segments
    change = np.concatenate([[True], segments[1:] != segments[:-1]])
    starts = np.flatnonzero(change)
    in_run = np.arange(len(segments)) - starts[np.cumsum(change) - 1]
    kept = in_run < cap
    per_step = _accesses_of(costs)[segments]
    return segments[kept], summary.active[np.repeat(kept, per_step)]


def _accesses_of(costs: Costs) -> NDArray[np.int64]:
    """Return how many accesses one run of each segment makes."""
    sums = np.concatenate([[0], np.cumsum(costs.ops.rows[:, OP_ACCESS] >= 0)])
    found: NDArray[np.int64] = sums[costs.ops.first[1:]] - sums[costs.ops.first[:-1]]
    return found


def _run_pieces(
    costs: Costs,
    machine: Machine,
    pieces: list[tuple[NDArray[np.int32], NDArray[np.int32]]],
    held: int,
    latency: float,
) -> list[float]:
    """Return when four units are done: with the shorter and the longer piece, `held` blocks each, and one block."""
    # Blocks are dealt to units in turn: block 4 p + u runs on place p of unit u; one without steps leaves at once.
    (short, short_active), (longer, longer_active) = pieces
    none, no_active = short[:0], short_active[:0]
    first = [short, longer, short, longer]
    first_active = [short_active, longer_active, short_active, longer_active]
    steps = first + [short, longer, none, none] * (held - 1)
    active = first_active + [short_active, longer_active, no_active, no_active] * (held - 1)
    segments = np.concatenate(steps)
    actives = np.concatenate(active)
    work = Work(
        first_step=np.cumsum([0, *(len(piece) for piece in steps)]),
        segments=segments,
        first_access=np.concatenate([[0], np.cumsum(_accesses_of(costs)[segments])]),
        addresses=np.zeros(len(actives), np.int64),
        active=actives,
    )
    residency = costs.residency
    layout = Layout(
        units=np.zeros((4, 2), np.int64), places=held, sets=residency.sets,
        groups=residency.groups, slots=costs.slots, bulk_depth=machine.bulk_depth,
        bulk_setup=float(machine.bulk_setup_cycles), barrier=float(machine.barrier_cycles), dispatch=0.0,
    )  # fmt: skip
    log = empty_log(4)
    memory = Memory(_NO_CACHES, _latency_only(latency), np.zeros((SERVERS, 2)), np.zeros(len(COUNTED)), _NO_MARKS)
    run_blocks(Program(costs.ops, costs.accesses, work), layout, memory, log)
    return [float(end) for end in log.unit_end]


_NO_CACHES = empty_caches((0, 0))
_NO_MARKS = make_marks(())


def _latency_only(latency: float) -> Rates:
    """Return a memory that is never busy."""
    plenty = 1e30
    return Rates(plenty, plenty, plenty, plenty, 0.0, latency, latency, latency, 0.0, 0, 0, 1, 0, 1, 1)


def _kept_window(summary: TraceSummary, sizes: NDArray[np.float64], capacity: int) -> float:
    """Return how many blocks in a row have tiles that fit `capacity` together; no limit if all have."""
    few, many = 0.0, float(summary.blocks)
    if float((summary.fetches(many) * sizes).sum()) <= capacity:
        return 1e18
    for _ in range(12):
        middle = (few + many) / 2.0
        footprint = float((summary.fetches(middle) * sizes).sum()) * middle / summary.blocks
        few, many = (middle, many) if footprint <= capacity else (few, middle)
    return few


def _shared_bounds(machine: Machine, costs: Costs, summary: TraceSummary, traffic: Traffic) -> list[float]:
    """Return the least cycles that what all units share needs: L2s, last level, link, memory, atomics, dispatcher."""
    rates, moved = make_rates(machine), traffic.moved
    l2s = machine.usable_units / machine.l2_units
    camping = float(np.max(costs.accesses.amounts[:, CAMPING], initial=1.0))
    memory = (moved["memory_read"] + moved["memory_write"]) * camping
    bounds = [memory / rates.memory_rate, summary.blocks * machine.dispatch_cycles]
    if rates.l2:
        bounds.append(moved["l2"] / (rates.l2_rate * l2s))
    if rates.l2 and rates.fill_rate > 0.0:
        used = min(l2s, -(-summary.blocks // machine.l2_units))
        bounds.append((moved["l2"] - moved["l2_hits"]) / (rates.fill_rate * used))
    if rates.llc:
        bounds.append(moved["llc"] / rates.llc_rate)
    if machine.dies > 1:
        bounds.append(moved["link"] / (rates.link_rate * machine.dies))
    for row in np.flatnonzero(costs.ops.rows[:, OP_CODE] == ATOMIC):
        access = costs.ops.rows[row, OP_ACCESS]
        cycles = float(costs.ops.cycles[row, SERVICE]) * costs.residency.sets
        spread = min(rates.slices, max(1, int(costs.ops.rows[row, OP_NUMBER])))
        bounds += [summary.hottest[access] * cycles / spread, summary.passes[access] * cycles / rates.slices]
    return [bound for bound in bounds if bound > 0.0]


def _deal(machine: Machine, costs: Costs, summary: TraceSummary, held: int, look: CloseLook) -> float:
    """Return when the last block is done, blocks dealt to places as they come free."""
    weights = summary.classes.astype(np.float64) @ segment_weights(costs)
    full = np.maximum(look.full_fixed + look.full_slope * weights, 1.0)
    alone = np.minimum(np.maximum(look.alone_fixed + look.alone_slope * weights, 1.0), full)
    units, blocks = machine.usable_units, summary.blocks
    if len(weights) == 1 or blocks > DEALT_BLOCKS:
        mean_full = float(full[summary.class_of].mean())
        rounds, rest = divmod(blocks, units * held)
        last = -(-rest // units)
        tail = _between(float(alone.max()), float(full.max()), last, held) if last else 0.0
        return rounds * mean_full + tail
    places = Dealt(np.zeros((units, held)), np.full((units, held), -1), np.zeros((units, 2)), np.zeros(units, np.int64))
    return float(deal_blocks(full[summary.class_of], alone[summary.class_of], places))


def _between(alone: float, full: float, residents: int, held: int) -> float:
    return full if held == 1 else alone + (full - alone) * (residents - 1) / (held - 1)


class Dealt(NamedTuple):
    """Who is where: `remaining` [unit, place] the share of a block still to do, `block` its number or -1; by unit
    `times` when it changed last and when its first block will be done, and `first` the place of that block.
    """

    remaining: NDArray[np.float64]
    block: NDArray[np.int64]
    times: NDArray[np.float64]
    first: NDArray[np.int64]


@inlined
def block_cycles(full: float, alone: float, residents: int, held: int) -> float:
    """Return what a block takes where `residents` of at most `held` share its unit."""
    share = (residents - 1) / (held - 1) if held > 1 else 1.0
    return alone + (full - alone) * share


@inlined
def residents_of(dealt: Dealt, unit: int) -> int:
    """Return how many blocks a unit holds."""
    count = 0
    for place in range(dealt.block.shape[1]):
        count += dealt.block[unit, place] >= 0
    return count


@inlined
def find_first(full: NDArray[np.float64], alone: NDArray[np.float64], dealt: Dealt, unit: int) -> None:
    """Note which block of a unit will be done first, and when; never if it holds none."""
    held = dealt.block.shape[1]
    residents = residents_of(dealt, unit)
    dealt.times[unit, 1] = np.inf
    for place in range(held):
        block = dealt.block[unit, place]
        if block >= 0:
            cycles = block_cycles(full[block], alone[block], residents, held)
            end = dealt.times[unit, 0] + dealt.remaining[unit, place] * cycles
            if end < dealt.times[unit, 1]:
                dealt.times[unit, 1], dealt.first[unit] = end, place


@compiled
def deal_blocks(full: NDArray[np.float64], alone: NDArray[np.float64], dealt: Dealt) -> float:
    """Return when the last of unequal blocks is done: those on one unit slow each other down."""
    units, held = dealt.block.shape
    blocks = full.shape[0]
    following = 0
    for place in range(held):
        for unit in range(units):
            if following < blocks:
                dealt.remaining[unit, place], dealt.block[unit, place] = 1.0, following
                following += 1
    for unit in range(units):
        find_first(full, alone, dealt, unit)
    last = 0.0
    while True:
        soonest, at = np.inf, -1
        for unit in range(units):
            if dealt.times[unit, 1] < soonest:
                soonest, at = dealt.times[unit, 1], unit
        if at < 0:
            return last
        residents = residents_of(dealt, at)
        passed = soonest - dealt.times[at, 0]
        for place in range(held):
            block = dealt.block[at, place]
            if block >= 0:
                cycles = block_cycles(full[block], alone[block], residents, held)
                dealt.remaining[at, place] = max(0.0, dealt.remaining[at, place] - passed / cycles)
        dealt.times[at, 0] = last = soonest
        dealt.block[at, dealt.first[at]] = -1
        if following < blocks:
            dealt.remaining[at, dealt.first[at]], dealt.block[at, dealt.first[at]] = 1.0, following
            following += 1
        find_first(full, alone, dealt, at)
