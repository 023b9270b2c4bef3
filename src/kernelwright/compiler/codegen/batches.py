"""Batched dots: one matrix product after the other, on slices of buffers whose batch dimension is outermost."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from kernelwright.compiler.codegen.analysis import is_zero_constant
from kernelwright.compiler.codegen.evaluate import Evaluator, element_name
from kernelwright.compiler.codegen.text import Reg
from kernelwright.compiler.codegen.values import Buffer
from kernelwright.compiler.ir import Op, TensorType, Value

if TYPE_CHECKING:
    from kernelwright.compiler.codegen.products import Products


def write_batch(products: "Products", op: Op) -> None:
    """Write a `tt.dot` of three dimensions, the first of which counts the products."""
    e, low = products.e, products.low
    count = op.result.shape[0]
    has_start = not is_zero_constant(op.operands[2])
    out = low.scratch.buffer(op.result.shape, element_name(op.result), len(op.result.shape) - 1)
    held = [_by_batch(products, value) for value in op.operands[:2]]
    if has_start:
        low.keep(op.operands[2], out, register=False)
    with _rounds(e, count) as number, low.scratch.region():
        slices = [_slice(e, buffer, number, count) for buffer in (*held, out)]
        operands = [_view(value, number) for number, value in enumerate(op.operands)]
        start = operands[2]
        if not has_start:
            zero = Op("arith.constant", [], [start], {"value": 0}, [], op.location)
            start.op = zero
        product = replace(op, operands=operands, results=[_view(op.result, len(operands))])
        e.buffers.append(dict(zip(operands[: 3 if has_start else 2], slices, strict=False)))
        e.other_orders.append({})
        products.packs.append({})
        products.write_matrix(product, slices[2], None)
        e.buffers.pop()
        e.other_orders.pop()
        products.packs.pop()
    e.buffers[-1][op.result] = out


def _by_batch(products: "Products", value: Value) -> Buffer:
    """Return a buffer that holds `value` with its first dimension outermost."""
    held = products.e.buffer_of(value)
    if held is not None and held.order[-1] == 0:
        return held
    lane = products.low.natural_lane(value)
    inner = 3 - lane if lane else 1
    lane = lane or len(value.shape) - 1
    held = products.low.scratch.ordered(value.shape, element_name(value), (lane, inner, 0))
    products.low.keep(value, held, register=False)
    return held


def _slice(e: Evaluator, buffer: Buffer, number: Reg, count: int) -> Buffer:
    shape = buffer.shape[1:]
    order = tuple(dim - 1 for dim in buffer.order[:-1])
    pointer = e.memory.advance(Reg("ptr", 0, buffer.pointer), number, buffer.size_bytes // count)
    return Buffer(shape, buffer.element, order, pointer.text)


def _view(value: Value, number: int) -> Value:
    """Return a value for one matrix of `value`."""
    return Value(-1 - number, TensorType(value.shape[1:], value.element), value.name)


@contextmanager
def _rounds(e: Evaluator, count: int) -> Iterator[Reg]:
    """Write a loop whose body is straight-line code again: all of it is done anew in each round."""
    f = e.f
    slot = f.alloca("i64", "batch")
    f.line(f"store i64 0, ptr {slot}")
    body, after = f.new_block("batch"), f.new_block("batched")
    f.jump(body)
    e.forget()
    number = f.emit("i64", 0, f"load i64, ptr {slot}", f.depth)
    yield number
    following = f.emit("i64", 0, f"add nuw nsw i64 {number.text}, 1", f.depth)
    f.line(f"store {following.typed}, ptr {slot}")
    again = f.emit("i1", 0, f"icmp ult i64 {following.text}, {count}", f.depth)
    f.branch(again, body, after)
    f.places[-1] = after
    e.forget()
