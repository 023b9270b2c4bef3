"""Where the warps of a block must meet between accesses to shared memory, as Triton's membar pass decides.

An access must wait for a barrier when it and one before it, since the last barrier, touch the same bytes and one of
them writes. A wait for copies is a barrier, and ops that pass data through scratch hold one inside.
"""

from dataclasses import dataclass
from math import prod

from kernelwright.chips.emulated.lowering.segments import Cut, Stretch
from kernelwright.chips.emulated.lowering.ttgir import Block, GpuModule, Op, Value
from kernelwright.chips.emulated.lowering.ttgir_types import MemDesc, Padded, TensorType, element_bits

_VIEWS = frozenset(
    {
        "ttg.memdesc_index",
        "ttg.memdesc_subslice",
        "ttg.memdesc_subview",
        "ttg.memdesc_trans",
        "ttg.memdesc_reshape",
        "ttg.memdesc_reinterpret",
    }
)
_Span = tuple[int, int]


@dataclass(frozen=True)
class _Open:
    """Bytes read and written since the last barrier."""

    reads: frozenset[_Span] = frozenset()
    writes: frozenset[_Span] = frozenset()

    def join(self, other: "_Open") -> "_Open":
        return _Open(self.reads | other.reads, self.writes | other.writes)


def memory_root(value: Value) -> Value:
    """Return the allocation that a view of shared memory looks at; a carried view is its own root."""
    while value.op is not None and value.op.name in _VIEWS:
        value = value.op.operands[0]
    return value


def has_scratch(op: Op) -> bool:
    """Return whether an op that is no allocation passes data through shared memory."""
    return "allocation.offset" in op.attrs and op.name != "ttg.local_alloc"


def find_barriers(module: GpuModule, cut: Cut) -> frozenset[Op]:
    """Return the ops that a barrier must stand before."""
    search = _Search(module, cut)
    before: dict[Block, _Open] = {module.body.blocks[0]: _Open()}
    # Joins only grow, so passes end.
    changed = True
    while changed:
        changed = False
        for block in module.body.blocks:
            if block not in before:
                continue
            after = search.block(block, before[block])
            for target, _ in block.ops[-1].successors:
                joined = before.get(target, _Open()).join(after)
                if before.get(target) != joined:
                    before[target] = joined
                    changed = True
    return frozenset(search.found)


class _Search:
    def __init__(self, module: GpuModule, cut: Cut) -> None:
        self._cut = cut
        self.found: set[Op] = set()

    def block(self, block: Block, state: _Open) -> _Open:
        """Return what is open behind a block that begins with `state` open."""
        for piece in self._cut.pieces[block]:
            state = self._stretch(piece, state) if isinstance(piece, Stretch) else self._control(piece, state)
        return state

    def _control(self, op: Op, state: _Open) -> _Open:
        if op.name == "scf.if":
            ends = [self.block(region.block, state) for region in op.regions]
            return (ends[0].join(ends[1])) if len(ends) > 1 else state.join(ends[0])
        while True:
            end = state
            for region in op.regions:
                end = self.block(region.block, end)
            joined = state.join(end)
            if joined == state:
                # Behind a loop either no pass or the last one came before.
                return joined
            state = joined

    def _stretch(self, stretch: Stretch, state: _Open) -> _Open:
        for op in stretch.ops:
            state = self._op(op, state)
        return state

    def _op(self, op: Op, state: _Open) -> _Open:
        if op.name in ("ttg.async_wait", "ttg.barrier", "gpu.barrier"):
            return _Open()
        if has_scratch(op):
            own = frozenset({_scratch_span(op)})
            if _meets(own, state.reads | state.writes):
                self.found.add(op)
            return _Open(reads=own)
        reads, writes = _touched(op)
        if op in self.found or _meets(reads, state.writes) or _meets(writes, state.reads | state.writes):
            # A barrier that one pass needs stands there in all later ones.
            self.found.add(op)
            state = _Open()
        return state.join(_Open(reads, writes))


def _meets(one: frozenset[_Span], other: frozenset[_Span]) -> bool:
    return any(a[0] < b[1] and b[0] < a[1] for a in one for b in other)


def _touched(op: Op) -> tuple[frozenset[_Span], frozenset[_Span]]:
    none: frozenset[_Span] = frozenset()
    if op.name == "ttg.local_load":
        return frozenset({_span(op.operands[0])}), none
    if op.name in ("ttg.local_store", "ttg.async_copy_global_to_local"):
        return none, frozenset({_span(op.operands[1])})
    if op.name == "ttg.local_alloc" and op.operands:
        return none, frozenset({_span(op.results[0])})
    return none, none


def _span(value: Value) -> _Span:
    root = memory_root(value)
    offset = root.op.attrs.get("allocation.offset") if root.op is not None else None
    if not isinstance(offset, int) or not isinstance(root.type, MemDesc):
        return (0, 1 << 30)  # a carried buffer may be any
    part = _known_part(value)
    if part is None:
        return offset, offset + memory_bytes(root.type)
    kind, index = part
    return offset + index * memory_bytes(kind), offset + (index + 1) * memory_bytes(kind)


def _known_part(value: Value) -> tuple[MemDesc, int] | None:
    """Return the type and number of the buffer that a constant index picks from an allocation, if that is how it is."""
    op = value.op
    if op is None or op.name != "ttg.memdesc_index" or op.operands[0] is not memory_root(value):
        return None
    index = op.operands[1].op
    number = index.attrs.get("value") if index is not None and index.name == "arith.constant" else None
    return (value.type, number) if isinstance(number, int) and isinstance(value.type, MemDesc) else None


def memory_bytes(kind: MemDesc) -> int:
    """Return the bytes that a tensor takes in shared memory, padding included."""
    elements = kind.size
    if isinstance(kind.layout, Padded):
        elements += sum(elements // interval * padding for interval, padding in kind.layout.intervals)
    return elements * element_bits(kind.element) // 8


def _scratch_span(op: Op) -> _Span:
    offset, size = op.attrs["allocation.offset"], op.attrs.get("allocation.size")
    assert isinstance(offset, int)
    if not isinstance(size, int):
        # Triton 3.7 does not print it: at most the larger side of the op.
        kinds = [value.type for value in (*op.operands, *op.results) if isinstance(value.type, TensorType)]
        size = max([4, *(prod(kind.shape) * max(8, element_bits(kind.element)) // 8 for kind in kinds)])
    return offset, offset + size
