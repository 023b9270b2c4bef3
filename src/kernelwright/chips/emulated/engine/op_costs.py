"""What one op of a block costs one warp set: cycles on its resource, cycles until the next op, cycles to its result."""

import math
from dataclasses import dataclass

from kernelwright.chips.emulated.engine.occupancy import Residency
from kernelwright.chips.emulated.machine import Atom, Machine
from kernelwright.chips.emulated.tile_program import DotShape, Kind, Segment, TileOp
from kernelwright.core.errors import UnsupportedOpError

MATRIX, LANES, SPECIAL, SHARED, PORT, BULK = range(6)
RESOURCES = ("matrix", "lanes", "special", "shared", "copy", "bulk")
# A warp reads or writes 16 bytes a thread with one instruction.
SHARED_INSTRUCTION_BYTES = 512
# An accumulator of this many bits keeps sums of fp8 products along any k; each two bits fewer halve the reach below.
EXACT_BITS = 32
EXACT_ALONG = 4096
SCALAR_ATOM = Atom(1, 1, 1)


@dataclass(frozen=True)
class OpCost:
    """Cycles for one warp set: `service` keeps `resource` busy, `issue` delays its next op, `latency` its result.

    All are counted from the op's start. `pieces` are the steps along k in which a product takes what it reads from
    on-chip memory: negative on the read, positive on the product, 0 elsewhere. Reads of several sets and the product
    take turns piece by piece, so a product begins when the first piece is there and ends no sooner than one piece after
    the last.
    """

    resource: int
    service: float
    issue: float
    latency: float
    pieces: float = 0.0


def cost_op(machine: Machine, residency: Residency, warps: int, segment: Segment, op: TileOp) -> OpCost:
    """Return the cost of an op that touches no global memory.

    Raises:
        UnsupportedOpError: the machine has no rate for what the op does.
    """
    if op.kind is Kind.LANES:
        return _lanes(machine, residency, op)
    if op.kind is Kind.SPECIAL:
        return _special(machine, residency, op)
    if op.kind is Kind.DOT:
        return _dot(machine, residency, warps, op)
    return _shared(machine, residency, segment, op)


def cliff(machine: Machine, residency: Residency) -> float:
    """Return how many times longer lane work takes where a thread holds more registers than the hidden cliff."""
    above = 0 < machine.register_cliff < residency.registers
    return machine.register_cliff_cost if above else 1.0


def lane_cycles(machine: Machine, op: TileOp) -> float:
    """Return cycles of a whole unit's lanes for one block's LANES op."""
    missing = [name for name in op.amounts if name not in machine.lane_cost]
    if missing:
        raise _unsupported(machine, op, f"lane operations of class {missing[0]}", machine.lane_cost)
    return sum(amount * machine.lane_cost[name] for name, amount in op.amounts.items()) / machine.lanes


def special_cycles(machine: Machine, op: TileOp) -> float:
    """Return cycles of a whole unit's special-function pipes for one block's SPECIAL op."""
    missing = [name for name in op.amounts if name not in machine.special_per_cycle]
    if missing:
        raise _unsupported(machine, op, f"special functions of class {missing[0]}", machine.special_per_cycle)
    return sum(amount / machine.special_per_cycle[name] for name, amount in op.amounts.items())


def padded_flops(machine: Machine, warps: int, dot: DotShape) -> float:
    """Return the operations that a block's warps carry out for `dot`, padding to atoms and repeated work included."""
    atom = machine.atoms.get(dot.dtype, SCALAR_ATOM)
    of_warp = _steps(dot.m, dot.warps_m, atom.m) * _steps(dot.n, dot.warps_n, atom.n) * math.ceil(dot.k / atom.k)
    return 2.0 * atom.m * atom.n * atom.k * of_warp * _batches(warps, dot) * warps


def _lanes(machine: Machine, residency: Residency, op: TileOp) -> OpCost:
    cycles = lane_cycles(machine, op) / (residency.share * residency.sets) * cliff(machine, residency)
    return OpCost(LANES, cycles, cycles, cycles + machine.lane_latency if cycles else 0.0)


def _special(machine: Machine, residency: Residency, op: TileOp) -> OpCost:
    cycles = special_cycles(machine, op) / (residency.share * residency.sets)
    return OpCost(SPECIAL, cycles, cycles, cycles + machine.special_latency if cycles else 0.0)


def _dot(machine: Machine, residency: Residency, warps: int, op: TileOp) -> OpCost:
    dot = op.dot
    assert dot is not None
    if dot.dtype not in machine.dot_flops:
        raise _unsupported(machine, op, f"products of {dot.dtype}", machine.dot_flops)
    atom = machine.atoms.get(dot.dtype, SCALAR_ATOM)
    rate = machine.dot_flops[dot.dtype] / machine.engines
    slow = cliff(machine, residency)
    # One warp an engine and set, so a warp's own work is the set's time.
    service = (padded_flops(machine, warps, dot) / warps / rate + _promotion(machine, residency, dot)) * slow
    if atom == SCALAR_ATOM:
        return OpCost(LANES, service, service, service + machine.lane_latency, float(math.ceil(dot.k / atom.k)))
    # Products along k add to one accumulator: with few tiles a warp waits for the pipe instead of filling it.
    depth = math.ceil(dot.k / atom.k)
    span = max(service, float(depth * machine.dot_latency))
    return OpCost(MATRIX, service, span, span + machine.dot_latency, float(depth))


def _promotion(machine: Machine, residency: Residency, dot: DotShape) -> float:
    """Return the cycles in which lanes add up sums of fp8 products that a narrow accumulator cannot hold for longer.

    Every two bits double along how many elements of k a sum stays good; a kernel may ask for less than that.
    """
    lost = EXACT_BITS - machine.f8_accumulate_bits
    if dot.dtype != "f8" or lost <= 0:
        return 0.0
    along = max(EXACT_ALONG >> (lost // 2), dot.imprecise)
    sums = dot.m * dot.n * dot.batch * dot.k / along
    return sums * machine.lane_cost["f32"] / machine.lanes / (residency.share * residency.sets)


def _shared(machine: Machine, residency: Residency, segment: Segment, op: TileOp) -> OpCost:
    amount = op.amounts.get("wavefront_bytes", op.amounts.get("bytes", 0.0))
    service = amount / machine.shared_bytes_per_cycle / residency.sets
    warps = residency.share * machine.engines
    issue = op.amounts.get("bytes", 0.0) / SHARED_INSTRUCTION_BYTES / residency.sets / warps
    if op.kind is Kind.SHARED_WRITE:
        return OpCost(SHARED, service, service, service + machine.shared_latency)
    pieces = _pieces(machine, segment, op)
    if not pieces:
        return OpCost(SHARED, service, min(issue, service), service + machine.shared_latency)
    # The latency of a piece; the wait before it and the service are shared out by the loop.
    return OpCost(SHARED, service, min(issue, service) / pieces, float(machine.shared_latency), -float(pieces))


def _pieces(machine: Machine, segment: Segment, op: TileOp) -> int:
    """Return in how many steps along k a product takes what `op` reads; 0 where no product does."""
    found = [
        math.ceil(other.dot.k / machine.atoms.get(other.dot.dtype, SCALAR_ATOM).k)
        for other in segment.ops
        if other.dot is not None and set(op.writes) & set(other.reads)
    ]
    return min(found, default=0)


def _steps(extent: int, warps: int, atom: int) -> int:
    """Return how many atoms one warp has along a dimension; warps beyond the extent repeat each other's work."""
    return math.ceil(math.ceil(extent / warps) / atom)


def _batches(warps: int, dot: DotShape) -> int:
    return math.ceil(dot.batch / max(1, warps // (dot.warps_m * dot.warps_n)))


def _unsupported(machine: Machine, op: TileOp, what: str, known: object) -> UnsupportedOpError:
    names = ", ".join(sorted(known)) if hasattr(known, "__iter__") else ""
    return UnsupportedOpError(
        f"{op.name} at line {op.line}: {machine.name} has no rate for {what}; it has {names}.",
        {"op": op.name, "line": op.line},
    )
