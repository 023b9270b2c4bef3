"""A kernel's Triton IR to its tile program, for one compute capability."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from kernelwright.chips.emulated.lowering.axes import AxisTable, carried_pairs
from kernelwright.chips.emulated.lowering.barriers import find_barriers
from kernelwright.chips.emulated.lowering.demand import Demand, vector_of
from kernelwright.chips.emulated.lowering.layouts import fastest_order, unique_threads
from kernelwright.chips.emulated.lowering.registers import registers_per_thread, renamed_values
from kernelwright.chips.emulated.lowering.scaled_dots import find_scaled_dots
from kernelwright.chips.emulated.lowering.segments import CONTROL_OPS, Cut, Stretch, cut_segments
from kernelwright.chips.emulated.lowering.tile_groups import Group, Roots, group_steps, hand_on
from kernelwright.chips.emulated.lowering.tile_steps import Context, Step, branch_step, is_free, steps_of
from kernelwright.chips.emulated.lowering.ttgir import Block, GpuModule, Op, Value, read_ttgir, walk
from kernelwright.chips.emulated.lowering.ttgir_types import TensorType, element_bits
from kernelwright.chips.emulated.tile_program import Access, Kind, Segment, TileOp, TileProgram
from kernelwright.compiler.gpu_lowering import lower_to_gpu
from kernelwright.compiler.ir import Pointer
from kernelwright.core.plan import KernelIR

_PRIORITIES = {"normal": "normal", "evict_first": "stream", "evict_last": "keep"}
_WRITES = frozenset({"tt.store", "tt.atomic_rmw", "tt.atomic_cas", "tt.atomic_store"})


@dataclass(frozen=True, eq=False)
class Lowered:
    """One kernel for one capability; `segments` says what each segment of `tile_program` is."""

    module: GpuModule
    segments: Cut
    tile_program: TileProgram


def tile_program(ir: KernelIR, capability: int) -> TileProgram:
    """Return the tile program of a kernel. Raises CompileError, UnsupportedOpError (with op and line)."""
    return lowered(ir, capability).tile_program


def lowered(ir: KernelIR, capability: int) -> Lowered:
    """Return a kernel's records, cut and tile program. Raises CompileError, UnsupportedOpError."""
    return _lowered(ir.name, ir.ttir, capability, ir.num_warps, ir.num_stages)


@lru_cache(maxsize=256)
def _lowered(name: str, ttir: str, capability: int, num_warps: int, num_stages: int) -> Lowered:
    made = lower_to_gpu(ttir, capability, num_warps, num_stages)
    module = read_ttgir(made.text)
    cut = cut_segments(module)
    axes = AxisTable(module)
    demand = Demand(module, axes)
    scaled = find_scaled_dots(module, ttir, capability)
    context = Context(
        module.warps, axes, demand, find_barriers(module, cut), cut.access_numbers, scaled, fused_products(module)
    )
    free = {op: op.name not in CONTROL_OPS and is_free(op, context) for op in walk(module.body)}
    roots = Roots(renamed_values(module, free))
    groups = _Builder(cut, context, roots).groups(module)
    segments, slots = _numbered(cut, groups)
    tiles = TileProgram(
        name=name,
        segments=segments,
        accesses=tuple(_access(op, axes, context.warps) for op in cut.accesses),
        slots=slots,
        warps=module.warps,
        stages=num_stages,
        shared_bytes=made.shared_bytes,
        registers_per_thread=registers_per_thread(module, roots, demand),
        capability=capability,
    )
    return Lowered(module, cut, tiles)


def fused_products(module: GpuModule) -> frozenset[Op]:
    """Return the products that become part of the one addition or subtraction that reads them."""
    readers: dict[Value, list[Op]] = {}
    for op in walk(module.body):
        for value in op.operands:
            readers.setdefault(value, []).append(op)
    fused: set[Op] = set()
    taken: set[Op] = set()
    for op in walk(module.body):
        users = readers.get(op.results[0], []) if op.name == "arith.mulf" else []
        if len(users) == 1 and users[0].name in ("arith.addf", "arith.subf") and users[0] not in taken:
            fused.add(op)
            taken.add(users[0])
    return frozenset(fused)


class _Builder:
    """Makes the groups of every stretch, with what control flow hands on at the ends."""

    def __init__(self, cut: Cut, context: Context, roots: Roots) -> None:
        self._cut, self._context, self._roots = cut, context, roots
        self._groups: dict[Stretch, list[Group]] = {}

    def groups(self, module: GpuModule) -> dict[Stretch, list[Group]]:
        """Return the groups by stretch."""
        for block in module.body.blocks:
            self._block(block, [], 0.0)
        return self._groups

    def _block(self, block: Block, leaving: list[tuple[Value, Value]], overhead: float) -> None:
        """Make a block's stretches; `leaving` is handed on at its end, `overhead` are a warp's operations there."""
        pieces = self._cut.pieces[block]
        for place, piece in enumerate(pieces):
            if not isinstance(piece, Stretch):
                self._control(piece)
                continue
            following = pieces[place + 1] if place + 1 < len(pieces) else None
            steps = [step for op in piece.ops for step in steps_of(op, self._context)]
            pairs = list(leaving)
            if following is not None:
                assert not isinstance(following, Stretch)
                pairs = list(carried_pairs(following, entering=True))
                steps.append(self._enter(following))
            else:
                last = piece.ops[-1]
                pairs += [
                    pair for target, sources in last.successors for pair in zip(target.args, sources, strict=True)
                ]
                if overhead:
                    # In front, so that it takes no tile op of its own.
                    steps.insert(
                        0, Step(Kind.LANES, "loop", last.line, (), (), {"int": overhead * self._context.warps})
                    )
            made = group_steps(steps, self._roots)
            hand_on(made, pairs, self._roots)
            self._groups[piece] = made

    def _enter(self, op: Op) -> Step:
        reads = {"scf.for": op.operands[:3], "scf.if": op.operands[:1]}.get(op.name, ())
        return branch_step(op.line, reads, self._context.warps)

    def _control(self, op: Op) -> None:
        if op.name == "scf.while":
            before, after = op.regions[0].block, op.regions[1].block
            passed = list(zip(after.args, before.ops[-1].operands[1:], strict=True))
            self._block(before, passed, 1.0)
            self._block(after, list(zip(before.args, after.ops[-1].operands, strict=True)), 0.0)
            return
        for region in op.regions:
            ends = region.block.ops[-1].operands
            targets = op.results if op.name == "scf.if" else region.block.args[1:]
            # A loop counts, compares and jumps.
            self._block(region.block, list(zip(targets, ends, strict=True)), 3.0 if op.name == "scf.for" else 0.0)


def _numbered(cut: Cut, groups: dict[Stretch, list[Group]]) -> tuple[tuple[Segment, ...], int]:
    """Return the segments with slots for values, and their number. What one op makes shares a slot where it can."""
    ordered = [(stretch, groups.get(stretch, [])) for stretch in cut.stretches]
    every = [group for _, made in ordered for group in made]
    read = {value for group in every for value in (*group.reads, *(source for _, source in group.moves))}
    makers: dict[Value, int] = {}
    for group in every:
        for value in (*group.writes, *(target for target, _ in group.moves)):
            makers[value] = makers.get(value, 0) + 1
    slots: dict[Value, int] = {}
    count = 0
    for group in every:
        alone = [value for value in group.writes if value in read and makers[value] == 1]
        for value in alone:
            slots[value] = count
        count += bool(alone)
        for value in (*group.writes, *(target for target, _ in group.moves)):
            if value in read and value not in slots:
                slots[value] = count
                count += 1
    segments = tuple(Segment(stretch.name, tuple(_tile_ops(made, slots))) for stretch, made in ordered)
    return segments, count


def _tile_ops(groups: list[Group], slots: dict[Value, int]) -> Iterator[TileOp]:
    for group in groups:
        if group.kind is Kind.MOVE:
            # What nothing makes is ready from the start, and so is what it is handed on to.
            pairs = [
                (slots[target], slots[source]) for target, source in group.moves if target in slots and source in slots
            ]
            if pairs:
                targets, sources = zip(*dict.fromkeys(pairs), strict=True)
                yield TileOp(Kind.MOVE, group.name, sources, targets)
            continue
        reads = tuple(dict.fromkeys(slots[value] for value in group.reads if value in slots))
        writes = tuple(dict.fromkeys(slots[value] for value in group.writes if value in slots))
        yield TileOp(
            group.kind, group.name, reads, writes, group.amounts, group.dot, group.access, group.count, group.line
        )


def _access(op: Op, axes: AxisTable, warps: int) -> Access:
    pointer = op.operands[0].type
    element = pointer.element if isinstance(pointer, TensorType) else pointer
    assert isinstance(element, Pointer), op.name
    size = max(1, element_bits(element.pointee) // 8)
    shape = pointer.shape if isinstance(pointer, TensorType) else ()
    cache = str(op.attrs.get("cacheModifier", "none"))
    return Access(
        is_write=op.name in _WRITES,
        shape=shape,
        element_bytes=size,
        order=fastest_order(pointer.layout, len(shape)) if isinstance(pointer, TensorType) else (),
        vector_bytes=vector_of(op, axes) * size,
        threads=unique_threads(pointer) if isinstance(pointer, TensorType) else 1,
        priority=_PRIORITIES[str(op.attrs.get("evictionPolicy", "normal"))],
        cache="" if cache == "none" else cache,
        line=op.line,
    )
