"""Machine x tile program x facts of a trace, as the arrays that the event loop reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.access_costs import AccessCost, cost_access
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.occupancy import Residency, find_residency
from kernelwright.chips.emulated.op_rows import Row, program_rows
from kernelwright.chips.emulated.tile_program import Kind, TileOp, TileProgram
from kernelwright.chips.emulated.trace import AccessFacts


class OpTable(NamedTuple):
    """All ops of a program in one row of arrays; `first[s]` to `first[s + 1]` are those of segment s.

    Cycles are of one warp set; `pieces` as in `OpCost`. Slots that op o reads are `reads[read_first[o] :
    read_first[o + 1]]`; `ordinal` is which of its segment's accesses an op makes, `number` the groups that WAIT leaves
    open, 1 for a MOVE slot by slot, the lines that ATOMIC updates. `service` of ATOMIC is of one slice doing it all.
    """

    first: NDArray[np.int32]
    code: NDArray[np.int32]
    resource: NDArray[np.int32]
    service: NDArray[np.float64]
    issue: NDArray[np.float64]
    latency: NDArray[np.float64]
    pieces: NDArray[np.float64]
    number: NDArray[np.int32]
    access: NDArray[np.int32]
    ordinal: NDArray[np.int32]
    read_first: NDArray[np.int32]
    reads: NDArray[np.int32]
    write_first: NDArray[np.int32]
    writes: NDArray[np.int32]


class AccessTable(NamedTuple):
    """All accesses; bytes and cycles of one warp set with every element active, whole blocks where `bulk`."""

    elements: NDArray[np.float64]
    moved_bytes: NDArray[np.float64]
    port_cycles: NDArray[np.float64]
    issue: NDArray[np.float64]
    bulk: NDArray[np.int32]
    camping: NDArray[np.float64]
    priority: NDArray[np.int32]
    size_key: NDArray[np.int64]


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
    reads = [row.reads for row in rows]
    writes = [row.writes for row in rows]
    return OpTable(
        first=first.astype(np.int32),
        code=_int32([row.code for row in rows]),
        resource=_int32([row.cost.resource for row in rows]),
        service=np.array([row.cost.service for row in rows], np.float64),
        issue=np.array([row.cost.issue for row in rows], np.float64),
        latency=np.array([row.cost.latency for row in rows], np.float64),
        pieces=np.array([row.cost.pieces for row in rows], np.float64),
        number=_int32([row.number for row in rows]),
        access=_int32([row.op.access if row.op else -1 for row in rows]),
        ordinal=_int32([row.ordinal for row in rows]),
        read_first=_starts(reads),
        reads=_int32([slot for slots in reads for slot in slots]),
        write_first=_starts(writes),
        writes=_int32([slot for slots in writes for slot in slots]),
    )


def _access_table(
    program: TileProgram, residency: Residency, machine: Machine, costs: Sequence[AccessCost]
) -> AccessTable:
    # A bulk copy is one instruction of one warp, so its first set does it whole.
    parts = [1 if cost.bulk else residency.sets for cost in costs]
    engines = residency.share * machine.engines
    return AccessTable(
        elements=np.array([cost.elements for cost in costs], np.float64),
        moved_bytes=np.array([cost.moved_bytes / part for cost, part in zip(costs, parts, strict=True)], np.float64),
        port_cycles=np.array([cost.port_cycles / part for cost, part in zip(costs, parts, strict=True)], np.float64),
        issue=np.array(
            [max(1.0, cost.requests / part / engines) for cost, part in zip(costs, parts, strict=True)], np.float64
        ),
        bulk=_int32([int(cost.bulk) for cost in costs]),
        camping=np.array([cost.camping for cost in costs], np.float64),
        priority=_int32([cost.priority for cost in costs]),
        size_key=np.array(
            [cost.elements * access.element_bytes for cost, access in zip(costs, program.accesses, strict=True)],
            np.int64,
        ),
    )


def _starts(groups: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    return np.cumsum([0, *(len(group) for group in groups)], dtype=np.int64).astype(np.int32)


def _int32(values: Sequence[int]) -> NDArray[np.int32]:
    return np.array(values, np.int32)
