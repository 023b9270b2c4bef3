"""Ops of a tile program as rows that the event loop steps through, neighbours on one resource taken together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kernelwright.chips.emulated.engine.occupancy import Residency
from kernelwright.chips.emulated.engine.op_costs import PORT, OpCost, cost_op
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.tile_program import Kind, Segment, TileOp, TileProgram
from kernelwright.core.errors import UnsupportedOpError

# What the event loop does with a row.
LOCAL, LOAD, COPY, STORE, ATOMIC, MOVE, COMMIT, WAIT, BARRIER = range(9)
_GLOBAL = {Kind.LOAD: LOAD, Kind.COPY: COPY, Kind.STORE: STORE, Kind.ATOMIC: ATOMIC}
_ORDER = {Kind.MOVE: MOVE, Kind.COMMIT: COMMIT, Kind.WAIT: WAIT, Kind.BARRIER: BARRIER}
# Their results come later than the next op of the block can start.
_LATE = (Kind.LOAD, Kind.ATOMIC, Kind.DOT, Kind.SHARED_READ)
_FREE = OpCost(0, 0.0, 0.0, 0.0)
_PORT = OpCost(PORT, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Row:
    """One step of the event loop; `op` is the tile op behind it, the longest of several, None for spills."""

    code: int
    cost: OpCost
    op: TileOp | None
    reads: tuple[int, ...] = ()
    writes: tuple[int, ...] = ()
    number: int = 0
    ordinal: int = 0


def program_rows(
    machine: Machine, residency: Residency, program: TileProgram, lines: Sequence[float]
) -> list[list[Row]]:
    """Return the rows of every segment; `lines` are touched by one pass of each access.

    Raises:
        UnsupportedOpError: the machine has no rate for an op.
    """
    late = late_slots(program)
    return [fuse_rows(_segment_rows(machine, residency, program, segment, lines), late) for segment in program.segments]


def late_slots(program: TileProgram) -> frozenset[int]:
    """Return the slots that hold what a load, a product or a read of on-chip memory gives, renamed or not."""
    ops = [op for segment in program.segments for op in segment.ops]
    late = {slot for op in ops if op.kind in _LATE for slot in op.writes}
    while True:
        moved = {slot for op in ops if op.kind is Kind.MOVE and late & set(op.reads) for slot in op.writes}
        if moved <= late:
            return frozenset(late)
        late |= moved


def fuse_rows(rows: Iterable[Row], late: frozenset[int]) -> list[Row]:
    """Return `rows` with neighbours on one resource as one.

    A block's ops start in order, so a run of vector arithmetic is one stay on the lanes; half of the ops of a softmax
    go that way. A row that waits for a late slot begins a new stay: what comes before it need not wait.
    """
    fused: list[Row] = []
    for row in rows:
        if fused and _fits(fused[-1], row, late):
            fused[-1] = _join(fused[-1], row)
        else:
            fused.append(row)
    return fused


def _fits(before: Row, row: Row, late: frozenset[int]) -> bool:
    if before.code != LOCAL or row.code != LOCAL or before.op is None or row.op is None:
        return False
    if before.op.kind is not row.op.kind or row.op.kind is Kind.DOT or before.cost.pieces != row.cost.pieces:
        return False
    return not (set(row.reads) - set(before.reads) - set(before.writes)) & late


def _join(before: Row, row: Row) -> Row:
    first, second = before.cost, row.cost
    if first.pieces:
        cost = replace(second, service=first.service + second.service, issue=first.issue + second.issue)
    else:
        needs = bool(set(row.reads) & set(before.writes))
        begin = max(first.issue, first.latency) if needs else first.issue
        cost = replace(
            second,
            service=first.service + second.service,
            issue=begin + second.issue,
            latency=begin + second.latency,
        )
    return Row(
        LOCAL,
        cost,
        before.op if first.service >= second.service else row.op,
        tuple(dict.fromkeys(before.reads + tuple(slot for slot in row.reads if slot not in before.writes))),
        tuple(dict.fromkeys(before.writes + row.writes)),
    )


def _segment_rows(
    machine: Machine, residency: Residency, program: TileProgram, segment: Segment, lines: Sequence[float]
) -> list[Row]:
    rows: list[Row] = []
    computes = any(op.kind in (Kind.LANES, Kind.DOT, Kind.SPECIAL) for op in segment.ops)
    if residency.spilled and computes:
        rows.append(Row(LOCAL, _spill(machine, residency, program.warps), None))
    ordinal, after_wait = 0, False
    for op in segment.ops:
        if op.kind is Kind.BARRIER and (after_wait or program.warps == 1):
            continue  # waiting for copies joins the warps already
        after_wait = op.kind is Kind.WAIT
        rows.append(
            _global(machine, residency, op, lines, ordinal)
            if op.kind in _GLOBAL
            else _row(machine, residency, program, segment, op)
        )
        ordinal += op.access >= 0
    return rows


def _global(machine: Machine, residency: Residency, op: TileOp, lines: Sequence[float], ordinal: int) -> Row:
    if op.access < 0:
        raise UnsupportedOpError(f"{op.name} at line {op.line}: an access must be named.", {"line": op.line})
    if op.kind is not Kind.ATOMIC:
        return Row(_GLOBAL[op.kind], _PORT, op, op.reads, op.writes, 0, ordinal)
    of_set = max(1.0, lines[op.access] / residency.sets)
    cost = OpCost(PORT, of_set * machine.atomic_cycles, 0.0, 0.0)
    return Row(ATOMIC, cost, op, op.reads, op.writes, round(of_set), ordinal)


def _row(machine: Machine, residency: Residency, program: TileProgram, segment: Segment, op: TileOp) -> Row:
    if op.kind in _ORDER:
        slot_by_slot = op.kind is Kind.MOVE and len(op.reads) == len(op.writes)
        number = int(slot_by_slot) if op.kind is Kind.MOVE else op.count
        return Row(_ORDER[op.kind], _FREE, op, op.reads, op.writes, number)
    cost = cost_op(machine, residency, program.warps, segment, op)
    if cost.service <= 0.0:
        return Row(MOVE, _FREE, op, op.reads, op.writes)
    return Row(LOCAL, cost, op, op.reads, op.writes)


def _spill(machine: Machine, residency: Residency, warps: int) -> OpCost:
    """Return what registers that a thread lacks cost each time that a segment runs: written and read back once."""
    moved = 2 * 4 * residency.spilled * warps * machine.warp_lanes * machine.spill_cost
    cycles = moved / machine.copy_bytes_per_cycle / residency.sets
    return OpCost(PORT, cycles, cycles, cycles + machine.shared_latency)
