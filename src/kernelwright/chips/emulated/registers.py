"""Registers of a thread, from what is live at once in the lowered text.

Assumed: Triton leaves this to ptxas, whose schedule nobody knows here. Counted are the elements that a thread holds of
every value from where it is made to its last use, through loops; renamed values count once, constants and sizes not at
all. An operand of a matrix product that comes from shared memory is held two steps of k at a time.
"""

from collections.abc import Mapping

from kernelwright.chips.emulated.axes import carried_pairs
from kernelwright.chips.emulated.demand import Demand
from kernelwright.chips.emulated.segments import CONTROL_OPS
from kernelwright.chips.emulated.tile_groups import Roots
from kernelwright.chips.emulated.ttgir import Block, GpuModule, Op, Value
from kernelwright.chips.emulated.ttgir_types import DotOperand, TensorType, element_bits
from kernelwright.compiler.ir import Pointer

# What every kernel has: addresses, loop counters, parts of instructions.
BASE_REGISTERS = 24
_K_STEP_BYTES = 64
_MOST = 255


def registers_per_thread(module: GpuModule, roots: Roots, demand: Demand) -> int:
    """Return the 32-bit registers that a thread needs, at most 255."""
    lives = _Lives(roots)
    for block in module.body.blocks:
        lives.block(block)
    changes: dict[int, float] = {}
    for value, (first, last) in lives.spans.items():
        held = _held(value, demand)
        if held:
            changes[first] = changes.get(first, 0.0) + held
            changes[last] = changes.get(last, 0.0) - held
    live = most = 0.0
    for place in sorted(changes):
        live += changes[place]
        most = max(most, live)
    return min(_MOST, BASE_REGISTERS + round(most + 0.49))


def _held(value: Value, demand: Demand) -> float:
    kind = value.type
    if isinstance(kind, TensorType):
        elements: float = demand.elements(value)
        if isinstance(kind.layout, DotOperand) and value.op is not None and value.op.name == "ttg.local_load":
            k_bytes = kind.shape[-1 if kind.layout.index == 0 else -2] * element_bits(kind.element) / 8
            elements *= min(1.0, _K_STEP_BYTES / k_bytes)
        return elements * element_bits(kind.element) / 32
    if isinstance(kind, Pointer):
        return 2.0
    # Scalars are the same for all lanes, and mostly loop counters and sizes of the base.
    return 0.0


class _Lives:
    """Where each value that takes registers is first made and last read, by op number."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self.spans: dict[Value, tuple[int, int]] = {}
        self._loops: list[tuple[int, int]] = []

    def block(self, block: Block) -> None:
        for op in block.ops:
            for value in op.results:
                if op.name not in CONTROL_OPS and value in self._roots.of(value):
                    self._made(value, op.number)
            for value in op.operands:
                self._used(value, op.number)
            if op.name in CONTROL_OPS:
                self._control(op)

    def _control(self, op: Op) -> None:
        last = max(region.block.ops[-1].number for region in op.regions)
        if op.name != "scf.if":
            self._loops.append((op.number, last))
        for target, _ in carried_pairs(op, entering=True):
            self._made(target, op.number)
        for region in op.regions:
            self.block(region.block)
        if op.name != "scf.if":
            self._loops.pop()
        for value in op.results:
            self._made(value, last)

    def _made(self, value: Value, place: int) -> None:
        first, last = self.spans.get(value, (place, place))
        self.spans[value] = (min(first, place), max(last, place))

    def _used(self, value: Value, place: int) -> None:
        for root in self._roots.of(value):
            span = self.spans.get(root)
            if span is None:
                continue
            # What comes from outside of a loop lives through all its passes.
            outside = [end for start, end in self._loops if span[0] < start]
            self.spans[root] = (span[0], max(span[1], place, *outside))


def renamed_values(module: GpuModule, free: Mapping[Op, bool]) -> dict[Value, tuple[Value, ...]]:
    """Return the values that are ready with others (or from the start): results of free ops, what loops return."""
    renamed: dict[Value, tuple[Value, ...]] = dict.fromkeys(module.args, ())
    for op, is_free in free.items():
        if op.name in ("scf.for", "scf.while"):
            if op.name == "scf.for":
                renamed[op.regions[0].block.args[0]] = ()
                carried = op.regions[0].block.args[1:]
            else:
                carried = op.regions[1].block.args
            for value, arg in zip(op.results, carried, strict=True):
                renamed[value] = (arg,)
        elif is_free:
            for value in op.results:
                renamed[value] = () if op.name == "tt.make_range" else op.operands
    return renamed
