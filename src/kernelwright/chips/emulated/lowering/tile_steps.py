"""Each op of a lowered kernel as steps: what it keeps busy, how much, and which values it needs and makes.

Amounts are of the whole block. What a thread does counts for every thread, also where threads do the same thing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import log2, prod

from kernelwright.chips.emulated.lowering.axes import AxisTable
from kernelwright.chips.emulated.lowering.banks import SharedUse, register_access, round_trip
from kernelwright.chips.emulated.lowering.barriers import has_scratch, memory_root
from kernelwright.chips.emulated.lowering.demand import Demand
from kernelwright.chips.emulated.lowering.lane_costs import FREE, element_cost
from kernelwright.chips.emulated.lowering.layouts import WARP_LANES, bases, lanes_along, thread_elements
from kernelwright.chips.emulated.lowering.scaled_dots import ScaledDots
from kernelwright.chips.emulated.lowering.ttgir import Op, Value, walk
from kernelwright.chips.emulated.lowering.ttgir_types import MemDesc, Mma, TensorType, element_bits
from kernelwright.chips.emulated.tile_program import DotShape, Kind
from kernelwright.core.errors import UnsupportedOpError

Amounts = dict[str, float]


@dataclass(frozen=True, eq=False)
class Step:
    """One piece of work; as a TileOp, with values in place of slots."""

    kind: Kind
    name: str
    line: int
    reads: tuple[Value, ...] = ()
    writes: tuple[Value, ...] = ()
    amounts: Mapping[str, float] = field(default_factory=dict)
    dot: DotShape | None = None
    access: int = -1
    count: int = 0


@dataclass(frozen=True)
class Context:
    """What steps are made from, of one kernel."""

    warps: int
    axes: AxisTable
    demand: Demand
    barriers: frozenset[Op]
    accesses: Mapping[Op, int]
    scaled: ScaledDots
    fused: frozenset[Op]


def steps_of(op: Op, context: Context) -> Iterator[Step]:
    """Yield the steps of an op without control flow, none where it is free.

    Raises UnsupportedOpError, with op and line, for what has no cost.
    """
    if op in context.barriers:
        yield Step(Kind.BARRIER, "barrier", op.line)
    if op in context.scaled.conversions:
        return
    make = _STEPS.get(op.name)
    if make is not None:
        yield from make(op, context)
        return
    cost = element_cost(op)
    if cost is None:
        raise UnsupportedOpError(f"line {op.line}: op {op.name} has no cost on an emulated chip")
    if cost is FREE or op in context.fused:
        return
    count = _thread_operations(op, context)
    if cost.lanes:
        amounts = {kind: each * count for kind, each in cost.lanes.items() if each * count > 0}
        made = () if cost.special else op.results
        yield Step(Kind.LANES, _short(op), op.line, op.operands, made, amounts)
    if cost.special:
        amounts = {kind: each * count for kind, each in cost.special.items()}
        yield Step(Kind.SPECIAL, _short(op), op.line, op.operands, op.results, amounts)


def is_free(op: Op, context: Context) -> bool:
    """Return whether the op's results are ready when its operands are."""
    if op.name == "ttg.convert_layout":
        return not has_scratch(op) and _shuffles(op) == 0
    if op in context.scaled.conversions or op in context.fused:
        return True
    return op.name not in _STEPS and element_cost(op) is FREE


def _thread_operations(op: Op, context: Context) -> float:
    value = (op.results or op.operands)[0]
    if not isinstance(value.type, TensorType):
        return float(context.warps)
    return float(context.demand.elements(value) * WARP_LANES * context.warps)


def _short(op: Op) -> str:
    return op.name.partition(".")[2]


def _shared(kind: Kind, name: str, op: Op, use: SharedUse, reads: tuple[Value, ...], writes: tuple[Value, ...]) -> Step:
    amounts = {"bytes": use.bytes, "wavefront_bytes": use.wavefront_bytes}
    return Step(kind, name, op.line, reads, writes, amounts)


def _load(op: Op, context: Context) -> Iterator[Step]:
    yield Step(Kind.LOAD, "load", op.line, op.operands, op.results, access=context.accesses[op])


def _store(op: Op, context: Context) -> Iterator[Step]:
    yield Step(Kind.STORE, "store", op.line, op.operands, access=context.accesses[op])


def _copy(op: Op, context: Context) -> Iterator[Step]:
    reads = tuple(value for value in op.operands if not isinstance(value.type, MemDesc))
    yield Step(Kind.COPY, "async_copy", op.line, reads, access=context.accesses[op])


def _commit(op: Op, context: Context) -> Iterator[Step]:
    yield Step(Kind.COMMIT, "commit", op.line)


def _wait(op: Op, context: Context) -> Iterator[Step]:
    number = op.attrs.get("num", 0)
    assert isinstance(number, int)
    yield Step(Kind.WAIT, "async_wait", op.line, count=number)
    yield Step(Kind.BARRIER, "barrier", op.line)


def _barrier(op: Op, context: Context) -> Iterator[Step]:
    yield Step(Kind.BARRIER, "barrier", op.line)


def _atomic(op: Op, context: Context) -> Iterator[Step]:
    kind = op.operands[0].type
    size = float(kind.size) if isinstance(kind, TensorType) else 1.0
    access = context.accesses[op]
    yield Step(Kind.ATOMIC, _short(op), op.line, op.operands, op.results, {"operations": size}, access=access)
    if has_scratch(op) and op.results:
        result = op.results[0].type
        use = round_trip(result, context.warps) if isinstance(result, TensorType) else SharedUse(4.0, 128.0)
        yield from _exchange(op, use, use, op.results, op.results)


def _exchange(
    op: Op, wrote: SharedUse, read: SharedUse, reads: tuple[Value, ...], writes: tuple[Value, ...]
) -> Iterator[Step]:
    yield _shared(Kind.SHARED_WRITE, f"{_short(op)} out", op, wrote, reads, writes)
    yield Step(Kind.BARRIER, "barrier", op.line)
    yield _shared(Kind.SHARED_READ, f"{_short(op)} in", op, read, writes, writes)


def _local_load(op: Op, context: Context) -> Iterator[Step]:
    source, kind = op.operands[0], op.results[0].type
    assert isinstance(source.type, MemDesc) and isinstance(kind, TensorType)
    use = register_access(kind, source.type, context.warps)
    yield _shared(Kind.SHARED_READ, "local_load", op, use, (memory_root(source),), op.results)


def _local_store(op: Op, context: Context) -> Iterator[Step]:
    if not op.operands:
        return
    target = op.results[0] if op.name == "ttg.local_alloc" else op.operands[1]
    kind = op.operands[0].type
    assert isinstance(kind, TensorType) and isinstance(target.type, MemDesc)
    use = register_access(kind, target.type, context.warps, is_load=False)
    yield _shared(Kind.SHARED_WRITE, "local_store", op, use, (op.operands[0],), (memory_root(target),))


def _shuffles(op: Op) -> int:
    """Return how many elements of a thread a conversion takes from other lanes of its warp; 0 when it only renames."""
    source, target = op.operands[0].type, op.results[0].type
    assert isinstance(source, TensorType) and isinstance(target, TensorType)
    if source.layout == target.layout:
        return 0
    old, new = bases(source.layout, source.shape), bases(target.layout, target.shape)
    if old.lane == new.lane and set(old.warp) == set(new.warp):
        return 0
    return 1 << len(new.register)


def _convert(op: Op, context: Context) -> Iterator[Step]:
    source, target = op.operands[0].type, op.results[0].type
    assert isinstance(source, TensorType) and isinstance(target, TensorType)
    if has_scratch(op):
        # Warps that hold the same elements as others do not write them.
        linear = bases(source.layout, source.shape)
        same = 1 << sum(not any(base) for base in linear.warp)
        whole = round_trip(source, context.warps)
        wrote = SharedUse(whole.bytes / same, whole.wavefront_bytes / same)
        yield from _exchange(op, wrote, round_trip(target, context.warps), op.operands, op.results)
        return
    moved = _shuffles(op)
    if moved:
        words = max(1.0, moved * max(8, element_bits(target.element)) / 32)
        # A shuffle and the choice of the register that it sends.
        count = words * WARP_LANES * context.warps
        yield Step(Kind.LANES, "shuffle", op.line, op.operands, op.results, {"move": count, "select": count})


def _dot(op: Op, context: Context) -> Iterator[Step]:
    left, right, result = op.operands[0].type, op.operands[1].type, op.results[0].type
    assert isinstance(left, TensorType) and isinstance(right, TensorType) and isinstance(result, TensorType)
    batch = prod(result.shape[:-2])
    m, n, k = result.shape[-2], result.shape[-1], left.shape[-1]
    if isinstance(result.layout, Mma):
        warps = result.layout.warps
        dtype = context.scaled.dtypes.get(op) or _dot_dtype(op, left)
        imprecise = op.attrs["maxNumImpreciseAcc"]
        assert isinstance(imprecise, int)
        shape = DotShape(m, n, k, warps[-2], warps[-1], dtype, batch, imprecise)
        yield Step(Kind.DOT, "dot", op.line, op.operands, op.results, dot=shape)
        return
    count = float(thread_elements(result) * k * WARP_LANES * context.warps)
    element = str(result.element)
    kind = "wide" if element_bits(element) > 32 else "int" if element.startswith("i") else "f32"
    yield Step(Kind.LANES, "dot by lanes", op.line, op.operands, op.results, {kind: count})


def _dot_dtype(op: Op, left: TensorType) -> str:
    element = str(left.element)
    if element == "f32":
        precision = op.attrs.get("inputPrecision", "ieee")
        return "f32" if precision == "ieee" else "tf32"
    return "f8" if element.startswith("f8") else element


def combine_cost(op: Op) -> Amounts:
    """Return the operations, by class, of putting two elements of a reduction or scan together once."""
    amounts: Amounts = {}
    for inner in walk(op.regions[0]):
        cost = element_cost(inner)
        if cost is None:
            raise UnsupportedOpError(f"line {op.line}: op {inner.name} in {op.name} has no cost on an emulated chip")
        for kind, each in (*cost.lanes.items(), *cost.special.items()):
            name = kind if kind in cost.lanes else "f32"
            amounts[name] = amounts.get(name, 0.0) + each
    return amounts


def _fold(op: Op, context: Context) -> Iterator[Step]:
    """Yield a reduction or scan: within threads, between lanes, and between warps through scratch."""
    kind, axis = op.operands[0].type, op.attrs["axis"]
    assert isinstance(kind, TensorType) and isinstance(axis, int)
    own, lanes, warps = lanes_along(kind, axis)
    rows = thread_elements(kind) / own
    scan = op.name == "tt.scan"
    hops = log2(lanes)
    # A scan adds what lies before a thread's elements to each of them.
    combines = rows * (own - 1) + rows * hops * (2 if scan else 1) + (rows * own if scan and lanes > 1 else 0)
    threads = WARP_LANES * context.warps
    amounts = {name: each * combines * threads for name, each in combine_cost(op).items()}
    words = sum(max(1.0, _value_bits(value) / 32) for value in op.operands)
    if hops:
        amounts["move"] = amounts.get("move", 0.0) + rows * hops * words * threads
    if scan and hops:
        amounts["select"] = amounts.get("select", 0.0) + rows * hops * words * threads
    amounts = {name: count for name, count in amounts.items() if count > 0}
    if amounts:
        yield Step(Kind.LANES, _short(op), op.line, op.operands, op.results, amounts)
    if not has_scratch(op):
        return
    results = prod(kind.shape) / kind.shape[axis]
    partial = results * warps * words * 4
    use = SharedUse(partial, max(128.0, partial))
    # Lanes that hold the same rows read the same words.
    again = rows * warps * words * 4 * threads / lanes
    back = SharedUse(again, max(128.0, again))
    yield from _exchange(op, use, back, op.results, op.results)
    last = {name: each * rows * max(1, warps - 1) * threads for name, each in combine_cost(op).items()}
    last = {name: count for name, count in last.items() if count > 0}
    if last:
        yield Step(Kind.LANES, _short(op), op.line, op.results, op.results, last)


def _value_bits(value: Value) -> int:
    return element_bits(value.type.element) if isinstance(value.type, TensorType) else 32


def _gather(op: Op, context: Context) -> Iterator[Step]:
    source, result = op.operands[0].type, op.results[0].type
    assert isinstance(source, TensorType) and isinstance(result, TensorType)
    if has_scratch(op):
        yield from _exchange(
            op, round_trip(source, context.warps), round_trip(result, context.warps), op.operands, op.results
        )
        return
    count = float(thread_elements(result) * WARP_LANES * context.warps)
    amounts = {"move": count, "select": count, "int": count}
    yield Step(Kind.LANES, "gather", op.line, op.operands, op.results, amounts)


def _histogram(op: Op, context: Context) -> Iterator[Step]:
    """Yield ballots of each bit of a bin's number, and the sum over warps in shared memory, free of conflicts."""
    source, result = op.operands[0].type, op.results[0].type
    assert isinstance(source, TensorType) and isinstance(result, TensorType)
    ballots = 2 * log2(max(2, result.size)) + result.size / WARP_LANES
    count = thread_elements(source) * WARP_LANES * context.warps * ballots
    yield Step(Kind.LANES, "histogram", op.line, op.operands, op.results, {"int": count})
    use = round_trip(result, context.warps)
    yield from _exchange(op, use, use, op.results, op.results)


def _map(op: Op, context: Context) -> Iterator[Step]:
    value = op.results[0].type
    assert isinstance(value, TensorType)
    count = thread_elements(value) * WARP_LANES * context.warps
    amounts = {name: each * count for name, each in combine_cost(op).items()}
    yield Step(Kind.LANES, _short(op), op.line, op.operands, op.results, amounts)


def _branch(op: Op, context: Context) -> Iterator[Step]:
    yield branch_step(op.line, op.operands[:1], context.warps)


def branch_step(line: int, reads: tuple[Value, ...], warps: int) -> Step:
    """Return the compare and jump of control flow: every warp waits for what it depends on."""
    return Step(Kind.LANES, "branch", line, reads, (), {"int": 1.0 * warps})


_STEPS = {
    "tt.load": _load, "tt.store": _store, "ttg.async_copy_global_to_local": _copy, "ttg.async_commit_group": _commit,
    "ttg.async_wait": _wait, "ttg.barrier": _barrier, "gpu.barrier": _barrier, "tt.atomic_rmw": _atomic,
    "tt.atomic_cas": _atomic, "ttg.local_load": _local_load, "ttg.local_store": _local_store,
    "ttg.local_alloc": _local_store, "ttg.convert_layout": _convert, "tt.dot": _dot, "tt.reduce": _fold,
    "tt.scan": _fold, "tt.gather": _gather, "tt.histogram": _histogram, "tt.atomic_load": _load,
    "tt.atomic_store": _store, "tt.map_elementwise": _map, "cf.cond_br": _branch,
}  # fmt: skip
