"""A nest being put together, and how it will run: order, lanes, steps."""

from dataclasses import dataclass, field

from kernelwright.compiler.codegen.analysis import LEAST_RUN, Facts
from kernelwright.compiler.codegen.evaluate import element_name, is_float
from kernelwright.compiler.codegen.nests import Keep, Nest, Pack, Reduce, Root, Store, combiner_name
from kernelwright.compiler.codegen.text import ELEMENT_BITS
from kernelwright.compiler.ir import Op, Value

REDUCE_COPIES = 4
MOST_LANES = 64
PACK_COPIES = 4


@dataclass(eq=False)
class Pending:
    """A nest being put together."""

    shape: tuple[int, ...]
    lane: int
    roots: list[Root] = field(default_factory=list)
    keeps: list[Keep] = field(default_factory=list)
    ops: set[Op] = field(default_factory=set)
    visited: dict[tuple[Value, int | None], None] = field(default_factory=dict)
    axis: int | None = None
    pack: int | None = None


def nest_of(pending: Pending, facts: Facts, vector_bytes: int) -> Nest:
    """Return in what order and in what steps a nest runs on registers of `vector_bytes`."""
    shape, lane = pending.shape, pending.lane
    if not shape:
        return Nest((), 0, 1, ())
    lanes = min(lanes_of(pending, facts, vector_bytes), shape[lane])
    rest = [d for d in range(len(shape)) if d != lane]
    steps: dict[int, int] = {}
    if pending.axis is not None and pending.axis != lane:
        order = [*(d for d in rest if d != pending.axis), lane, pending.axis]
        simple = _has_known_combiners(pending)
        steps[pending.axis] = min(REDUCE_COPIES if simple else 1, shape[pending.axis])
    else:
        order = [*rest, lane]
        if pending.axis is not None and _has_known_combiners(pending):
            steps[lane] = min(REDUCE_COPIES, shape[lane] // lanes)
    if pending.pack is not None:
        steps.setdefault(pending.pack, min(PACK_COPIES if pending.axis is not None else 2, shape[pending.pack]))
    return Nest(shape, lane, lanes, tuple(order), steps)


def _has_known_combiners(pending: Pending) -> bool:
    return all(combiner_name(root.op) is not None for root in pending.roots if isinstance(root, Reduce))


def lanes_of(pending: Pending, facts: Facts, vector_bytes: int) -> int:
    """Return how many lanes chunks of a nest have at most: a register of its widest floats, a run of its accesses."""
    widest = 0
    narrowest_int = 0
    values = [value for value, _ in pending.visited if value.shape == pending.shape]
    values += [root.value for root in pending.roots if isinstance(root, Keep | Pack)]
    for root in pending.roots:
        if isinstance(root, Reduce):
            values += root.op.operands
        elif isinstance(root, Store):
            values.append(root.op.operands[1])
    for value in values:
        element = element_name(value)
        if is_float(element):
            widest = max(widest, ELEMENT_BITS[element])
        elif element not in ("ptr", "i1"):
            narrowest_int = max(narrowest_int, min(32, ELEMENT_BITS[element]))
    bits = max(16, widest or narrowest_int or 32)
    return min(vector_bytes * 8 // bits, _shortest_run(pending, facts))


def _shortest_run(pending: Pending, facts: Facts) -> int:
    """Return the longest chunk that memory accesses of the nest see as one run each."""
    shortest = MOST_LANES
    accesses = [op for op in pending.ops if op.name in ("tt.load", "tt.store")]
    for pointer in (op.operands[0] for op in accesses):
        if pointer.shape == pending.shape and facts.stride(pointer, pending.lane) != 1:
            run = facts.axis(pointer, pending.lane).run
            if run >= LEAST_RUN:
                shortest = min(shortest, run)
    return shortest
