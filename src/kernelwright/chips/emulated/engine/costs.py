"""Machine x tile program x facts of a trace, as the arrays that the event loop reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.access_costs import AccessCost, cost_access
from kernelwright.chips.emulated.engine.occupancy import Residency, find_residency
from kernelwright.chips.emulated.engine.op_rows import Row, program_rows
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.tile_program import Kind, TileOp, TileProgram
from kernelwright.chips.emulated.trace import AccessFacts

# Columns of `OpTable.rows` and `.cycles`, of `AccessTable.marks` and `.amounts`.
OP_CODE, OP_RESOURCE, OP_NUMBER, OP_ACCESS, OP_ORDINAL, READS, WRITES, END_OF_WRITES = range(8)
SERVICE, ISSUE, LATENCY, PIECES = range(4)
IS_BULK, PRIORITY_CLASS, SIZE_KEY = range(3)
ELEMENTS, MOVED_BYTES, PORT_CYCLES, ISSUE_CYCLES, CAMPING = range(5)


class OpTable(NamedTuple):
    """All ops of a program; rows `first[s]` to `first[s + 1]` are those of segment s.

    Few arrays, since compiling the event loop takes time by how many it is handed. Cycles are of one warp set, pieces
    as in `OpCost`. An op reads `slots[READS : WRITES]` and writes `slots[WRITES : END_OF_WRITES]`; its ordinal is which
    of its segment's accesses it makes, its number the groups that WAIT leaves open, 1 for a MOVE slot by slot, the
    lines that ATOMIC updates. The service of ATOMIC is of one slice doing it all.
    """

    first: NDArray[np.int32]
    rows: NDArray[np.int32]
    cycles: NDArray[np.float64]
    slots: NDArray[np.int32]


class AccessTable(NamedTuple):
    """All accesses; bytes and cycles of one warp set with every element active, whole blocks where bulk."""

    marks: NDArray[np.int64]
    amounts: NDArray[np.float64]


@dataclass(frozen=True)
class Costs:
    """What the engine needs of a kernel on a machine.

    `sources[o]` is the tile op behind row o (the longest of several), None for spills.
    """

    residency: Residency
    ops: OpTable
    accesses: AccessTable
    sources: tuple[TileOp | None, ...]
    slots: int


def cost_program(machine: Machine, program: TileProgram, facts: Sequence[AccessFacts]) -> Costs:
    """Return `program` as numbers of `machine`.

    Raises:
        OverLimitError: a block does not fit a unit.
        UnsupportedOpError: the machine has no rate for an op.
    """
    residency = find_residency(machine, program)
    copies = {op.access for segment in program.segments for op in segment.ops if op.kind is Kind.COPY}
    costs = [
        cost_access(machine, access, fact, index in copies)
        for index, (access, fact) in enumerate(zip(program.accesses, facts, strict=True))
    ]
    rows = program_rows(machine, residency, program, [cost.lines for cost in costs])
    flat = [row for segment in rows for row in segment]
    first = np.cumsum([0, *(len(segment) for segment in rows)], dtype=np.int64)
    return Costs(
        residency=residency,
        ops=_op_table(flat, first),
        accesses=_access_table(program, residency, machine, costs),
        sources=tuple(row.op for row in flat),
        slots=max(1, program.slots),
    )


def _op_table(rows: list[Row], first: NDArray[np.int64]) -> OpTable:
    slots: list[int] = []
    numbers = []
    for row in rows:
        reads, writes = len(slots), len(slots) + len(row.reads)
        slots += row.reads + row.writes
        access = row.op.access if row.op else -1
        numbers.append((row.code, row.cost.resource, row.number, access, row.ordinal, reads, writes, len(slots)))
    cycles = [(row.cost.service, row.cost.issue, row.cost.latency, row.cost.pieces) for row in rows]
    return OpTable(
        first=first.astype(np.int32),
        rows=np.array(numbers, np.int32).reshape(-1, 8),
        cycles=np.array(cycles, np.float64).reshape(-1, 4),
        slots=np.array(slots, np.int32),
    )


def _access_table(
    program: TileProgram, residency: Residency, machine: Machine, costs: Sequence[AccessCost]
) -> AccessTable:
    engines = residency.share * machine.engines
    marks, amounts = [], []
    for cost, access in zip(costs, program.accesses, strict=True):
        # A bulk copy is one instruction of one warp, so its first set does it whole.
        part = 1 if cost.bulk else residency.sets
        marks.append((int(cost.bulk), cost.priority, cost.elements * access.element_bytes))
        issue = max(1.0, cost.requests / part / engines)
        amounts.append((cost.elements, cost.moved_bytes / part, cost.port_cycles / part, issue, cost.camping))
    return AccessTable(
        marks=np.array(marks, np.int64).reshape(-1, 3), amounts=np.array(amounts, np.float64).reshape(-1, 5)
    )
