"""What Triton proves about the elements of integers and pointers, and how wide its accesses become from that.

Of each dimension: contiguity (runs of that many elements grow by one), divisibility (the first of each run is a
multiple of it, for pointers in bytes), constancy (runs of that many elements are equal). The rules are those of
Triton's AxisInfo; what it does not follow is 1.
"""

from collections.abc import Iterator
from math import gcd

from kernelwright.chips.emulated.lowering.axis_rules import Axes, axes_of, meet_axes, unknown_axes
from kernelwright.chips.emulated.lowering.layouts import fastest_order, thread_run
from kernelwright.chips.emulated.lowering.ttgir import Block, GpuModule, Op, Region, Value
from kernelwright.chips.emulated.lowering.ttgir_types import TensorType, element_bits
from kernelwright.compiler.ir import Pointer

_WIDEST_BITS = 128


class AxisTable:
    """The facts of every value of one kernel."""

    def __init__(self, module: GpuModule) -> None:
        self._facts: dict[Value, Axes] = {}
        for value, attrs in zip(module.args, module.arg_attrs, strict=True):
            known = attrs.get("tt.divisibility")
            self._facts[value] = Axes((1,), (known if isinstance(known, int) else 1,), (1,))
        # Facts of carried values only get weaker; the walk ends when nothing changes.
        while _Walk(self._facts).region(module.body):
            pass

    def __getitem__(self, value: Value) -> Axes:
        return self._facts.get(value) or unknown_axes(value)

    def run(self, pointer: Value) -> int:
        """Return how many neighbours of one thread lie next to each other, aligned as one access must be."""
        kind = pointer.type
        if not isinstance(kind, TensorType) or not isinstance(kind.element, Pointer):
            return 1
        dim = fastest_order(kind.layout, len(kind.shape))[0]
        facts = self[pointer]
        size = max(1, element_bits(kind.element.pointee) // 8)
        aligned = max(1, facts.divisibility[dim] // size)
        return min(facts.contiguity[dim], aligned & -aligned, thread_run(kind, dim), kind.shape[dim])

    def vector(self, pointer: Value, mask: Value | None, least: int = 1) -> int:
        """Return the elements of one thread's widest access; `least` is what a contiguity hint of the op promises."""
        kind = pointer.type
        if not isinstance(kind, TensorType) or not isinstance(kind.element, Pointer):
            return 1
        dim = fastest_order(kind.layout, len(kind.shape))[0]
        width = max(self.run(pointer), min(least, thread_run(kind, dim)))
        if mask is not None and isinstance(mask.type, TensorType):
            width = min(width, self[mask].constancy[dim])
        return max(1, min(width, _WIDEST_BITS // max(8, element_bits(kind.element.pointee))))


class _Walk:
    def __init__(self, facts: dict[Value, Axes]) -> None:
        self._facts = facts
        self._changed = False

    def region(self, region: Region) -> bool:
        """Update the facts of everything in `region`; return whether some are new."""
        for block in region.blocks:
            self._block(block)
        return self._changed

    def _block(self, block: Block) -> None:
        for op in block.ops:
            if op.name in ("scf.for", "scf.while", "scf.if"):
                self._control(op)
            elif op.name.startswith("cf."):
                for target, values in op.successors:
                    self._join(target.args, values)
            elif op.results and not op.regions:
                self._set(op.results[0], axes_of(op, self._of))

    def _control(self, op: Op) -> None:
        for target, values in carried_pairs(op, entering=True):
            self._join((target,), (values,))
        if op.name == "scf.for":
            self._set(op.regions[0].block.args[0], self._induction(op))
        for region in op.regions:
            self._block(region.block)
        for target, source in carried_pairs(op, entering=False):
            self._join((target,), (source,))

    def _induction(self, op: Op) -> Axes:
        first, step = self._of(op.operands[0]), self._of(op.operands[2])
        return Axes((1,), (gcd(first.divisibility[0], step.divisibility[0]),), (1,))

    def _of(self, value: Value) -> Axes:
        return self._facts.get(value) or unknown_axes(value)

    def _join(self, targets: tuple[Value, ...], sources: tuple[Value, ...]) -> None:
        for target, source in zip(targets, sources, strict=True):
            new = self._facts.get(source)
            if new is None:
                continue  # not reached yet: it says nothing
            old = self._facts.get(target)
            self._set(target, new if old is None else meet_axes(old, new))

    def _set(self, value: Value, facts: Axes) -> None:
        if self._facts.get(value) != facts:
            self._facts[value] = facts
            self._changed = True


def carried_pairs(op: Op, entering: bool) -> Iterator[tuple[Value, Value]]:
    """Yield (value, where it comes from) of a control op: what enters it, or what its regions hand on and out."""
    if op.name == "scf.for":
        args = op.regions[0].block.args[1:]
        if entering:
            yield from zip(args, op.operands[3:], strict=True)
            return
        ends = op.regions[0].block.ops[-1].operands
        yield from zip(args, ends, strict=True)
        yield from zip(op.results, args, strict=True)
    elif op.name == "scf.while":
        before, after = op.regions[0].block, op.regions[1].block
        if entering:
            yield from zip(before.args, op.operands, strict=True)
            return
        passed = before.ops[-1].operands[1:]
        yield from zip(after.args, passed, strict=True)
        yield from zip(op.results, passed, strict=True)
        yield from zip(before.args, after.ops[-1].operands, strict=True)
    elif not entering:
        for region in op.regions:
            if op.results:
                yield from zip(op.results, region.block.ops[-1].operands, strict=True)
