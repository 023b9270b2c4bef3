"""Registers of a thread, from what is live at once in the lowered text.

Assumed: Triton leaves this to ptxas, whose schedule nobody knows here. Counted are the elements that a thread holds of
every value from where it is made to its last use, through loops; renamed values count once, constants and sizes not at
all. Integers that differ between a thread's elements by constants are one number and offsets in instructions. An
operand of a matrix product that comes from shared memory is held one step of k at a time.
"""

from collections.abc import Mapping

from kernelwright.chips.emulated.lowering.axes import carried_pairs
from kernelwright.chips.emulated.lowering.demand import Demand
from kernelwright.chips.emulated.lowering.segments import CONTROL_OPS
from kernelwright.chips.emulated.lowering.tile_groups import Roots
from kernelwright.chips.emulated.lowering.ttgir import Block, GpuModule, Op, Value, walk
from kernelwright.chips.emulated.lowering.ttgir_types import DotOperand, TensorType, element_bits
from kernelwright.compiler.ir import Pointer

# What every kernel has: addresses, loop counters, parts of instructions.
BASE_REGISTERS = 24
_K_STEP_BYTES = 32
_AFFINE = frozenset({"tt.make_range", "tt.expand_dims", "tt.broadcast", "arith.addi", "arith.subi", "arith.extsi"})


def registers_per_thread(module: GpuModule, roots: Roots, demand: Demand) -> int:
    """Return the 32-bit registers that a thread needs; what a chip lacks of them it spills."""
    lives = _Lives(roots)
    affine = _affine(module)
    for block in module.body.blocks:
        lives.block(block)
    changes: dict[int, float] = {}
    for value, (first, last) in lives.spans.items():
        held = _held(value, demand, affine)
        if held:
            changes[first] = changes.get(first, 0.0) + held
            changes[last] = changes.get(last, 0.0) - held
    live = most = 0.0
    for place in sorted(changes):
        live += changes[place]
        most = max(most, live)
    return BASE_REGISTERS + round(most + 0.49)


def _is_streamed(value: Value) -> bool:
    """Return whether an operand of a product comes from shared memory, converted or not: it need not be whole."""
    while value.op is not None and value.op.name != "ttg.local_load":
        first = value.op.operands[0] if value.op.operands else None
        if first is None or not isinstance(first.type, TensorType) or not isinstance(first.type.layout, DotOperand):
            return False
        value = first
    return value.op is not None


def _affine(module: GpuModule) -> frozenset[Value]:
    """Return the integers whose elements in one thread differ by constants."""
    found: set[Value] = set()
    for op in walk(module.body):
        if len(op.results) != 1 or op.name not in _AFFINE:
            continue
        uniform = [value.op is not None and value.op.name in ("tt.splat", "arith.constant") for value in op.operands]
        if op.name == "tt.make_range" or all(u or v in found for u, v in zip(uniform, op.operands, strict=True)):
            found.add(op.results[0])
    return frozenset(found)


def _held(value: Value, demand: Demand, affine: frozenset[Value]) -> float:
    kind = value.type
    if isinstance(kind, TensorType):
        if value in affine:
            return element_bits(kind.element) / 32
        elements: float = demand.elements(value)
        if isinstance(kind.layout, DotOperand) and _is_streamed(value):
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
        # What a loop returns is not what it carried: that may have ended inside.
        for root in (value,) if value in self.spans else self._roots.of(value):
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
                renamed[value] = op.operands
    return renamed
