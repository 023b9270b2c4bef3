"""What a tile program's pipeline holds in shared memory, and what fits on a unit."""

from dataclasses import replace

from kernelwright.chips.emulated.engine.occupancy import find_residency
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.tile_program import Access, Kind, Segment, TileProgram


def bytes_of_a_stage(program: TileProgram) -> int:
    """Return the shared memory, in bytes, that one more pipeline stage of every loop with copies takes; 0 without."""
    return max((sum(access_bytes(program.accesses[a]) for a in _copied(s)) for s in _loops(program)), default=0)


def copy_depth(program: TileProgram) -> int:
    """Return how many groups of copies may still be open at the wait of the loops: the smallest of them, 0 without."""
    waits = [op.count for segment in _loops(program) for op in segment.ops if op.kind is Kind.WAIT]
    return min(waits, default=0)


def has_loads_in_loops(program: TileProgram) -> bool:
    """Return whether a loop loads from global memory straight to registers."""
    return any(op.kind is Kind.LOAD for segment in _loops(program) for op in segment.ops)


def blocks_that_fit(machine: Machine, program: TileProgram, shared_bytes: int) -> int:
    """Return how many blocks one unit holds if each takes `shared_bytes`; the grid's size left out."""
    return find_residency(machine, replace(program, shared_bytes=shared_bytes)).blocks_per_unit


def _loops(program: TileProgram) -> list[Segment]:
    return [segment for segment in program.segments if segment.name.startswith(("for", "while"))]


def _copied(segment: Segment) -> list[int]:
    return [op.access for op in segment.ops if op.kind is Kind.COPY]


def loop_accesses(program: TileProgram) -> tuple[Access, ...]:
    """Return the accesses that loops make, all accesses of a program without loops."""
    numbers = sorted({op.access for segment in _loops(program) for op in segment.ops if op.access >= 0})
    return tuple(program.accesses[number] for number in numbers) or program.accesses


def access_bytes(access: Access) -> int:
    """Return the bytes of one pass with no element masked out."""
    elements = 1
    for size in access.shape:
        elements *= size
    return elements * access.element_bytes
