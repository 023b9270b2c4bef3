"""Prefetch of the rows that the next round of a loop will load, while this round computes.

Rows of a paged pool lie anywhere, so no hardware prefetcher finds them. The addresses of the next
round are the addresses of this one with the loop index moved on; in the last round they are
this round's own, so nothing is read that the kernel would not read.
"""

from dataclasses import dataclass
from typing import cast

from kernelwright.compiler.codegen.analysis import LAZY
from kernelwright.compiler.codegen.evaluate import Evaluator, pointee_name
from kernelwright.compiler.codegen.text import Reg, literal
from kernelwright.compiler.codegen.values import Address, Buffer, Chunk, Index, storage_bytes
from kernelwright.compiler.ir import Block, Op, Value

LINE_BYTES = 64
MAX_LINES = 32


@dataclass(frozen=True)
class Loop:
    """An `scf.for` being written: its body, its index now, the step and the bound."""

    body: Block
    index: Reg
    step: Reg
    bound: Reg


@dataclass(frozen=True)
class Rows:
    """A load of the loop whose rows along `dim` are worth fetching ahead: `lines` cache lines each."""

    load: Op
    dim: int
    lines: int


def rows_ahead(e: Evaluator, loop: Loop, extent: int, taken: set[Op]) -> list[Rows]:
    """Return the loads of the loop body that have `extent` rows and whose next addresses are known."""
    found = []
    for op in loop.body.ops:
        if op.name != "tt.load" or op in taken or len(op.result.shape) != 2:
            continue
        contiguous = e.facts.contiguous_dim(op.operands[0])
        if contiguous is None or op.result.shape[1 - contiguous] != extent:
            continue
        if moves_with(loop, op.operands[0]) is not True:
            continue
        size = op.result.shape[contiguous] * storage_bytes(pointee_name(op.operands[0]))
        if size >= LINE_BYTES:
            found.append(Rows(op, 1 - contiguous, min(MAX_LINES, size // LINE_BYTES)))
    return found


def moves_with(loop: Loop, value: Value) -> bool | None:
    """Return whether `value` depends on the loop's index; None when its next value cannot be computed."""
    if value is loop.body.args[0]:
        return True
    if value in loop.body.args:
        return None
    op = value.op
    if op is None or op.block is not loop.body:
        return False
    if op.name not in LAZY or op.name == "tt.reshape":
        return None
    answers = [moves_with(loop, operand) for operand in op.operands]
    return None if None in answers else any(answers)


class Ahead(Evaluator):
    """Evaluates values as they will be in the next round of a loop."""

    def __init__(self, now: Evaluator, loop: Loop) -> None:
        # All that is known now stays known, but chunks of this round are not those of the next.
        self.__dict__.update(now.__dict__)
        self._memo = [{}]
        self._loop = loop
        following = self.k.op("add", loop.index, loop.step)
        more = self.k.compare("icmp slt", following, loop.bound)
        self._next = self.k.select(more, following, loop.index)
        self._moving: dict[Value, bool] = {}

    def _moves(self, value: Value) -> bool:
        if value not in self._moving:
            self._moving[value] = moves_with(self._loop, value) is True
        return self._moving[value]

    def buffer_of(self, value: Value) -> Buffer | None:
        """Return the buffer of a value that the next round shares with this one."""
        return None if self._moves(value) else super().buffer_of(value)

    def chunk(self, value: Value, index: tuple[Index, ...]) -> Chunk:
        """Return the chunk of the next round."""
        if value is self._loop.body.args[0]:
            return self._next
        if not value.shape and self._moves(value):
            return self._compute(value, ())
        return super().chunk(value, index)

    def point(self, rows: Rows, row: Reg, place: Reg) -> None:
        """Store at `place` where row `row` of a load will start in the next round."""
        zero = Reg("i64", 0, "0")
        index = (row, zero) if rows.dim == 0 else (zero, row)
        address = cast(Address, self.chunk(rows.load.operands[0], index))
        self.f.line(f"store ptr {address.base.text}, ptr {place.text}, align 8")


@dataclass(frozen=True)
class Fetch:
    """Prefetches that ride along with a dot: `tables` holds one table of row pointers per load."""

    ahead: Ahead
    rows: tuple[Rows, ...]
    tables: tuple[str, ...]

    def point(self, first: Reg, count: int) -> None:
        """Write the tables for `count` rows from `first`, ahead of the tile that computes them."""
        e = self.ahead
        for item, table in zip(self.rows, self.tables, strict=True):
            for r in range(count):
                place = e.memory.advance(Reg("ptr", 0, table), Reg("i64", 0, str(8 * r)), 1)
                e.point(item, e.plus(first, literal("i64", r)), place)

    def write(self, e: Evaluator, step: Reg, rounds: int, unroll: int, count: int) -> None:
        """Write this round's share of the prefetches of `count` rows, spread evenly over `rounds`.

        In one burst they would fill the processor's miss buffers and stop the dot.
        """
        e.f.declare("llvm.prefetch.p0", "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        turn = e.k.op("udiv", step, Reg("i64", 0, str(unroll))) if step.constant is None else Reg("i64", 0, "0")
        for item, table in zip(self.rows, self.tables, strict=True):
            share = min(item.lines, -(-count * item.lines // rounds))
            turns = -(-item.lines // share)
            row = e.k.op("udiv", turn, Reg("i64", 0, str(turns)))
            row = e.k.call("umin", row, Reg("i64", 0, str(count - 1)))
            line = e.k.op("urem", turn, Reg("i64", 0, str(turns)))
            start = e.memory.advance(Reg("ptr", 0, table), row, 8)
            pointer = e.f.emit("ptr", 0, f"load ptr, ptr {start.text}, align 8", row.level)
            pointer = e.memory.advance(pointer, line, share * LINE_BYTES)
            for number in range(share):
                place = e.memory.advance(pointer, Reg("i64", 0, str(number * LINE_BYTES)), 1)
                e.f.line(f"call void @llvm.prefetch.p0(ptr {place.text}, i32 0, i32 2, i32 1)")
