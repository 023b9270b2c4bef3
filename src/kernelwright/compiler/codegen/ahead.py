"""Prefetch of the rows that the next round of a loop will load, while this round computes.

Rows of a paged pool lie anywhere, so no hardware prefetcher finds them. The addresses of the next
round are the addresses of this one with the loop index moved on; in the last round they are
this round's own, so nothing is read that the kernel would not read.
"""

from dataclasses import dataclass
from typing import cast

from kernelwright.compiler.codegen.analysis import LAZY
from kernelwright.compiler.codegen.evaluate import Evaluator, pointee_name
from kernelwright.compiler.codegen.text import Reg
from kernelwright.compiler.codegen.values import Address, Buffer, Chunk, Index, storage_bytes
from kernelwright.compiler.features import LINE_BYTES
from kernelwright.compiler.ir import Block, Op, Value

MAX_LINES = 32
POINTER_BYTES = 8


@dataclass(frozen=True)
class Loop:
    """An `scf.for` being written: its body, its index now, the step and the bound."""

    body: Block
    index: Reg
    step: Reg
    bound: Reg


@dataclass(frozen=True)
class Rows:
    """A load of the loop whose `count` rows along `dim` are worth fetching ahead: `lines` cache lines each."""

    load: Op
    dim: int
    count: int
    lines: int


def rows_ahead(e: Evaluator, loop: Loop, taken: set[Op]) -> list[Rows]:
    """Return the loads of the loop body whose next addresses are known and that no dot carries yet."""
    found = []
    for op in loop.body.ops:
        if op.name != "tt.load" or op in taken or len(op.result.shape) != 2:
            continue
        contiguous = e.facts.contiguous_dim(op.operands[0])
        if contiguous is None or moves_with(e, loop, op.operands[0]) is not True:
            continue
        size = op.result.shape[contiguous] * storage_bytes(pointee_name(op.operands[0]))
        if size >= LINE_BYTES:
            dim = 1 - contiguous
            found.append(Rows(op, dim, op.result.shape[dim], min(MAX_LINES, size // LINE_BYTES)))
    return found


def moves_with(e: Evaluator, loop: Loop, value: Value) -> bool | None:
    """Return whether `value` depends on the loop's index; None when its next value cannot be computed."""
    if value is loop.body.args[0]:
        return True
    if value in loop.body.args:
        return True if value in e.running_offsets and e.has_steps(value) else None
    op = value.op
    if op is None or op.block is not loop.body:
        return False
    if op.name not in LAZY or op.name == "tt.reshape":
        return None
    answers = [moves_with(e, loop, operand) for operand in op.operands]
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
        self._has_next = more
        self._next = self.k.select(more, following, loop.index)
        self._moving: dict[Value, bool] = {}

    def _moves(self, value: Value) -> bool:
        if value not in self._moving:
            self._moving[value] = moves_with(self, self._loop, value) is True
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

    def offset(self, value: Value) -> Reg:
        """Return the offset that a running value will have."""
        now = super().offset(value)
        if value not in self._loop.body.args:
            return now
        return self.k.select(self._has_next, self.advanced(value, now), now)

    def write_table(self, rows: Rows, table: str) -> None:
        """Write at `table` where each row of a load will start in the next round."""
        zero = Reg("i64", 0, "0")
        with self.loop(0, rows.count, 1) as row:
            index = (row, zero) if rows.dim == 0 else (zero, row)
            address = cast(Address, self.chunk(rows.load.operands[0], index))
            place = self.memory.advance(Reg("ptr", 0, table), row, POINTER_BYTES)
            self.f.line(f"store ptr {address.base.text}, ptr {place.text}, align {POINTER_BYTES}")


@dataclass(frozen=True)
class Fetch:
    """Prefetches that ride along with a dot.

    For each load `tables` holds a table of row pointers, `cursors` the number of shares fetched so far and of the
    last row. That number is not in the code, so dots that differ in it alone are one function.
    """

    ahead: Ahead
    rows: tuple[Rows, ...]
    tables: tuple[str, ...]
    cursors: tuple[str, ...]

    def start(self) -> None:
        """Write the tables, and set the counters to the first line."""
        for item, table, cursor in zip(self.rows, self.tables, self.cursors, strict=True):
            self.ahead.write_table(item, table)
            self.ahead.f.line(f"store i64 0, ptr {cursor}, align 8")
            last = self.ahead.memory.advance(Reg("ptr", 0, cursor), Reg("i64", 0, "8"), 1)
            self.ahead.f.line(f"store i64 {item.count - 1}, ptr {last.text}, align 8")

    def write(self, e: Evaluator, turns: int) -> None:
        """Write the share of one of `turns` equal parts of the dot.

        In one burst the prefetches would fill the processor's miss buffers and stop the dot.
        """
        e.f.declare("llvm.prefetch.p0", "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        for item, table, cursor in zip(self.rows, self.tables, self.cursors, strict=True):
            share = min(item.lines, _power_of_two(-(-item.count * item.lines // turns)))
            number = e.f.emit("i64", 0, f"load i64, ptr {cursor}, align 8", e.f.depth)
            following = e.k.op("add", number, Reg("i64", 0, "1"))
            e.f.line(f"store i64 {following.text}, ptr {cursor}, align 8")
            shares = Reg("i64", 0, str(item.lines // share))
            place = e.memory.advance(Reg("ptr", 0, cursor), Reg("i64", 0, "8"), 1)
            last = e.f.emit("i64", 0, f"load i64, ptr {place.text}, align 8", e.f.depth)
            row = e.k.call("umin", e.k.op("udiv", number, shares), last)
            line = e.k.op("urem", number, shares)
            start = e.memory.advance(Reg("ptr", 0, table), row, POINTER_BYTES)
            pointer = e.f.emit("ptr", 0, f"load ptr, ptr {start.text}, align {POINTER_BYTES}", e.f.depth)
            pointer = e.memory.advance(pointer, line, share * LINE_BYTES)
            for ahead in range(share):
                place = e.memory.advance(pointer, Reg("i64", 0, str(ahead * LINE_BYTES)), 1)
                e.f.line(f"call void @llvm.prefetch.p0(ptr {place.text}, i32 0, i32 2, i32 1)")


def _power_of_two(least: int) -> int:
    return 1 << max(0, least - 1).bit_length()
