"""Tensors taken apart and put together: join, split, cat, unsplat.

A buffer whose new dimension is outermost holds its parts one behind the other, so a part is a buffer too.
"""

from dataclasses import replace

from kernelwright.compiler.codegen.evaluate import element_name
from kernelwright.compiler.codegen.lowering import Lowering
from kernelwright.compiler.codegen.text import Reg, literal
from kernelwright.compiler.codegen.values import Buffer
from kernelwright.compiler.ir import Op, Value


class Moves:
    """Writes ops that only move elements, for a `Lowering`."""

    def __init__(self, lowering: Lowering) -> None:
        self.low = lowering
        self.e = lowering.e
        lowering.handlers |= {
            "tt.join": self._join, "tt.split": self._split, "tt.cat": self._cat, "tt.unsplat": self._unsplat,
        }  # fmt: skip

    def _join(self, op: Op) -> None:
        """A new last dimension of two: the operands, one behind the other."""
        left = op.operands[0]
        rank = len(left.shape)
        inner = Buffer(left.shape, element_name(left), self._order(left), "").order
        whole = self.low.scratch.ordered(op.result.shape, element_name(left), (*inner, rank))
        for number, operand in enumerate(op.operands):
            self.low.keep(operand, self._part(whole, left.shape, inner, number), register=False)
        self.e.buffers[-1][op.result] = whole

    def _split(self, op: Op) -> None:
        """The two halves of the last dimension, seen in a buffer where that is outermost."""
        source = op.operands[0]
        rank = len(source.shape) - 1
        held = self.e.buffer_of(source)
        if held is None or held.order[-1] != rank:
            inner = tuple(d for d in self._order(source) if d != rank)
            held = self.low.scratch.ordered(source.shape, element_name(source), (*inner, rank))
            self.low.keep(source, held, register=False)
        for number, result in enumerate(op.results):
            part = self._part(held, source.shape[:-1], held.order[:-1], number)
            if result.shape:
                self.e.buffers[-1][result] = part
            else:
                self.e.scalars[result] = self.e.memory.buffer_load(part, ())

    def _cat(self, op: Op) -> None:
        """The operands one behind the other along the first dimension."""
        left = op.operands[0]
        order = tuple(reversed(range(len(left.shape))))
        whole = self.low.scratch.ordered(op.result.shape, element_name(left), order)
        for number, operand in enumerate(op.operands):
            self.low.keep(operand, self._part(whole, left.shape, order, number), register=False)
        self.e.buffers[-1][op.result] = whole

    def _unsplat(self, op: Op) -> None:
        source = op.operands[0]
        self.low.require(source)
        self.e.forget()
        self.e.scalars[op.result] = self.e.reg(source, tuple(Reg("i64", 0, "0") for _ in source.shape))

    def _order(self, value: Value) -> tuple[int, ...]:
        rank = len(value.shape)
        if not rank:
            return ()
        lane = self.low.layout.lane(value)
        return (lane, *(d for d in reversed(range(rank)) if d != lane))

    def _part(self, whole: Buffer, shape: tuple[int, ...], order: tuple[int, ...], number: int) -> Buffer:
        """Return the `number`-th part of a buffer that holds parts of `shape` one behind the other."""
        empty = Buffer(shape, whole.element, order, whole.pointer)
        start = Reg("ptr", 0, whole.pointer)
        return replace(empty, pointer=self.e.memory.advance(start, literal("i64", number * empty.size_bytes), 1).text)
