"""Atomic ops, one element at a time: updates, swaps, loads, stores, and waiting for a value."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from kernelwright.compiler.codegen.evaluate import Evaluator, element_name, is_float, pointee_name
from kernelwright.compiler.codegen.nests import Offsets, PlainRoot, Root
from kernelwright.compiler.codegen.text import ELEMENT_BITS, Reg
from kernelwright.compiler.codegen.tracing import RELEASE, atomic_kind
from kernelwright.compiler.codegen.values import Address, Buffer, Index, storage_bytes
from kernelwright.compiler.ir import Op

ATOMIC_KINDS = {"exch": "xchg"}
ORDERS = {"relaxed": "monotonic", "acquire": "acquire", "release": "release", "acq_rel": "acq_rel"}
MONOTONIC_CLOCK = 1


def atomic_root(op: Op, result: Buffer | None) -> Root:
    """Return what writes an atomic op; what memory held, or whether it was met, goes to `result` if that is used."""
    match op.name:
        case "tt.atomic_load" | "tt.atomic_store":
            return AtomicMove(op, result)
        case "tt.atomic_poll":
            return AtomicPoll(op, result)
    return Atomic(op, result)


def _pointer(e: Evaluator, op: Op, index: tuple[Index, ...]) -> Reg:
    chunk = e.chunk(op.operands[0], index)
    return chunk.base if isinstance(chunk, Address) else cast(Reg, chunk)


def _order(op: Op) -> str:
    return ORDERS[str(op.attrs.get("sem", "acq_rel"))]


@contextmanager
def _where(e: Evaluator, mask: Reg | None) -> Iterator[None]:
    """Write the code of the with-body so that it runs where `mask` holds."""
    after = e.f.new_block("atomic")
    if mask is not None:
        inside = e.f.new_block("update")
        e.f.branch(mask, inside, after)
        e.f.places[-1] = inside
    yield
    e.f.jump(after)


def _load(e: Evaluator, op: Op, pointer: Reg) -> Reg:
    """Return what memory holds, loaded atomically as an integer."""
    size = storage_bytes(pointee_name(op.operands[0]))
    whole = f"i{8 * size}"
    text = f"load atomic {whole}, ptr {pointer.text} {_order(op)}, align {size}"
    return e.f.emit(whole, 0, text, e.f.depth)


@dataclass(eq=False)
class AtomicMove(PlainRoot):
    """A `tt.atomic_load` or `tt.atomic_store`."""

    op: Op
    result: Buffer | None

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Load or store one element where the mask holds."""
        is_store = self.op.name == "tt.atomic_store"
        pointer = _pointer(e, self.op, index)
        mask = e.mask(self.op, 2 if is_store else 1, index)
        size = storage_bytes(pointee_name(self.op.operands[0]))
        e.memory.check(pointer, size, mask, e.access(self.op, is_write=is_store, atomic=atomic_kind(self.op)))
        value = e.k.bitcast(e.reg(self.op.operands[1], index), f"i{8 * size}", 0) if is_store else None
        with _where(e, mask):
            if value is not None:
                e.f.line(f"store atomic {value.typed}, ptr {pointer.text} {_order(self.op)}, align {size}")
            elif self.result is not None:
                found = _load(e, self.op, pointer)
                e.memory.buffer_store(self.result, index, e.k.bitcast(found, element_name(self.op.result), 0))


@dataclass(eq=False)
class AtomicPoll(PlainRoot):
    """A `tt.atomic_poll`: waits until memory holds a value, or for as many ns as the third operand says.

    A program that waits for one behind it in the grid may wait for ever: programs of a thread run one after the other.
    """

    op: Op
    result: Buffer | None

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Wait for one element."""
        pointer = _pointer(e, self.op, index)
        expected = e.reg(self.op.operands[1], index)
        limit = e.reg(self.op.operands[2]) if len(self.op.operands) > 2 else None  # the timeout
        begin = _now_ns(e) if limit is not None else None
        again, late, done = (e.f.new_block(hint) for hint in ("poll", "late", "polled"))
        e.f.jump(again)
        access = e.access(self.op, is_write=False, atomic=atomic_kind(self.op))
        e.memory.check(pointer, storage_bytes(expected.element), None, access)
        is_met = e.k.compare("icmp eq", _load(e, self.op, pointer), expected)
        slot = e.f.alloca("i1", "met")
        e.f.line(f"store {is_met.typed}, ptr {slot}")
        e.f.branch(is_met, done, late)
        e.f.places[-1] = late
        e.f.declare("sched_yield", "declare i32 @sched_yield()")
        e.f.line("call i32 @sched_yield()")
        if limit is None or begin is None:
            late.end = f"br label %{again.name}"
        else:
            e.f.branch(e.k.compare("icmp ult", e.k.op("sub", _now_ns(e), begin), limit), again, done)
        e.f.places[-1] = done
        if self.result is not None:
            e.memory.buffer_store(self.result, index, e.f.emit("i1", 0, f"load i1, ptr {slot}", e.f.depth))


def _now_ns(e: Evaluator) -> Reg:
    """Return the time of the system's monotonic clock."""
    e.f.declare("clock_gettime", "declare i32 @clock_gettime(i32, ptr)")
    slot = e.f.alloca("[2 x i64]", "time")
    e.f.line(f"call i32 @clock_gettime(i32 {MONOTONIC_CLOCK}, ptr {slot})")
    seconds = e.f.emit("i64", 0, f"load volatile i64, ptr {slot}", e.f.depth)
    place = e.f.emit("ptr", 0, f"getelementptr i64, ptr {slot}, i64 1", e.f.depth)
    rest = e.f.emit("i64", 0, f"load volatile i64, ptr {place.text}", e.f.depth)
    return e.k.op("add", e.k.op("mul", seconds, e.k.constant("i64", 1_000_000_000)), rest)


@dataclass(eq=False)
class Atomic(PlainRoot):
    """A `tt.atomic_rmw` or `tt.atomic_cas`, one element at a time; old values go to `result` if used."""

    op: Op
    result: Buffer | None

    def visit(self, e: Evaluator, index: tuple[Index, ...], offsets: Offsets) -> None:
        """Update one element where the mask holds."""
        pointer = _pointer(e, self.op, index)
        is_swap = self.op.name == "tt.atomic_cas"
        values = [e.reg(value, index) for value in self.op.operands[1 : 3 if is_swap else 2]]
        mask = None if is_swap else e.mask(self.op, 2, index)
        kind = atomic_kind(self.op)
        # A compare-and-swap that fails releases nothing: that it did is noted behind it.
        access = e.access(self.op, is_write=True, atomic=kind & ~RELEASE if is_swap else kind)
        size = storage_bytes(values[0].element)
        e.memory.check(pointer, size, mask, access)
        with _where(e, mask):
            if is_swap:
                old, happened = self._swap(e, pointer, *values)
                if kind & RELEASE:
                    e.memory.note_release(pointer, size, happened, access)
            else:
                old = self._update(e, pointer, values[0])
            if self.result is not None:
                e.memory.buffer_store(self.result, index, old)

    def _update(self, e: Evaluator, pointer: Reg, value: Reg) -> Reg:
        kind = str(self.op.attrs["kind"])
        text = f"atomicrmw {ATOMIC_KINDS.get(kind, kind)} ptr {pointer.text}, {value.typed} {_order(self.op)}"
        return e.f.emit(value.element, 0, text, e.f.depth)

    def _swap(self, e: Evaluator, pointer: Reg, expected: Reg, value: Reg) -> tuple[Reg, Reg]:
        """Return what memory held, and whether it was swapped."""
        element = expected.element
        if is_float(element):
            whole = f"i{ELEMENT_BITS[element]}"
            expected, value = e.k.bitcast(expected, whole, 0), e.k.bitcast(value, whole, 0)
        order = _order(self.op)
        failure = {"release": "monotonic", "acq_rel": "acquire"}.get(order, order)
        pair = e.f.new_name("pair")
        e.f.line(f"{pair} = cmpxchg ptr {pointer.text}, {expected.typed}, {value.typed} {order} {failure}")
        text = f"extractvalue {{ {expected.type}, i1 }} {pair}, 0"
        old = e.f.emit(expected.element, 0, text, e.f.depth)
        happened = e.f.emit("i1", 0, f"extractvalue {{ {expected.type}, i1 }} {pair}, 1", e.f.depth)
        return e.k.bitcast(old, element, 0), happened
