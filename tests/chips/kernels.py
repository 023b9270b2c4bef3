# mypy: ignore-errors
# Triton kernels have no Python types.
"""Small Triton kernels, honest and not, and the plans that launch them."""

import functools
import os
from dataclasses import replace

os.environ.setdefault("TRITON_DEFAULT_BACKEND", "kernelwright")

import triton
import triton.language as tl
from triton.compiler import ASTSource

from kernelwright.core.ir_text import ir_sha256
from kernelwright.core.plan import Buffer, KernelIR, Launch, LaunchOption, LaunchPlan, PointerArg, ScalarArg

BLOCK = 128


@triton.jit
def add(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out + i, tl.load(x + i, mask=mask) + tl.load(y + i, mask=mask), mask=mask)


@triton.jit
def add_reading_past(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out + i, tl.load(x + i) + tl.load(y + i, mask=mask), mask=mask)


@triton.jit
def add_writing_past(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out + i, tl.load(x + i, mask=mask) + tl.load(y + i, mask=mask))


@triton.jit
def add_in_place(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    total = tl.load(x + i, mask=mask) + tl.load(y + i, mask=mask)
    tl.store(out + i, total, mask=mask)
    tl.store(x + i, total, mask=mask)


@triton.jit
def accumulate(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    before = tl.load(out + i, mask=i < n)
    tl.store(out + i, before + tl.load(x + i, mask=i < n) + tl.load(y + i, mask=i < n), mask=i < n)


@triton.jit
def add_endless(x, y, out, n, BLOCK: tl.constexpr):
    value = tl.load(x)
    while value < 1e30:
        value = value * 0.5
    tl.store(out, value)


@triton.jit
def add_far_away(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    far = i.to(tl.int64) + 64 * 1024 * 1024 * 1024
    tl.store(out + far, tl.load(x + i, mask=i < n))


@triton.jit
def sum_with_scratch(x, y, out, n, total, table, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.atomic_add(total, tl.sum(tl.load(x + i, mask=mask, other=0.0)))
    tl.store(out + i, tl.load(y + i, mask=mask) + tl.load(table).to(tl.float32), mask=mask)


@triton.jit
def add_total(total, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out + i, tl.load(out + i, mask=mask) + tl.load(total), mask=mask)


@triton.jit
def add_overlapping(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * (BLOCK - 1) + tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out + i, tl.load(x + i, mask=mask) + tl.load(y + i, mask=mask), mask=mask)


@triton.jit
def sum_by_last(x, out, n, partial, counter, BLOCK: tl.constexpr):
    program = tl.program_id(0)
    i = program * BLOCK + tl.arange(0, BLOCK)
    tl.store(partial + program, tl.sum(tl.load(x + i, mask=i < n, other=0.0)))
    if tl.atomic_add(counter, 1) == tl.num_programs(0) - 1:
        k = tl.arange(0, BLOCK)
        tl.store(out, tl.sum(tl.load(partial + k, mask=k < tl.num_programs(0), other=0.0)))


@triton.jit
def sum_by_luck(x, out, n, partial, counter, BLOCK: tl.constexpr):
    program = tl.program_id(0)
    i = program * BLOCK + tl.arange(0, BLOCK)
    tl.store(partial + program, tl.sum(tl.load(x + i, mask=i < n, other=0.0)))
    tl.atomic_add(counter, 1)
    if program == tl.num_programs(0) - 1:
        k = tl.arange(0, BLOCK)
        tl.store(out, tl.sum(tl.load(partial + k, mask=k < tl.num_programs(0), other=0.0)))


@triton.jit
def sum_in_turn(x, out, n, partial, counter, BLOCK: tl.constexpr):
    program = tl.program_id(0)
    i = program * BLOCK + tl.arange(0, BLOCK)
    total = tl.sum(tl.load(x + i, mask=i < n, other=0.0))
    while tl.atomic_add(counter, 0) != program:
        pass
    if program > 0:
        total += tl.load(partial)
    tl.store(partial, total)
    tl.atomic_add(counter, 1)
    if program == tl.num_programs(0) - 1:
        tl.store(out, total)


@triton.jit
def sum_in_reverse(x, out, n, partial, counter, BLOCK: tl.constexpr):
    program = tl.program_id(0)
    while tl.atomic_add(counter, 0) != tl.num_programs(0) - 1 - program:
        pass
    tl.store(partial + program, 1.0)
    tl.atomic_add(counter, 1)


_TYPES = {"x": "*fp32", "y": "*fp32", "out": "*fp32", "n": "i32", "total": "*fp32", "table": "*i64"}
_TYPES |= {"partial": "*fp32", "counter": "*i32"}


@functools.cache
def kernel_ir(kernel: "triton.JITFunction") -> KernelIR:
    names = [p.name for p in kernel.params]
    signature = {name: _TYPES.get(name, "constexpr") for name in names}
    text = triton.compile(ASTSource(kernel, signature, {"BLOCK": BLOCK})).asm["ttir"]
    return KernelIR(kernel.fn.__name__, text, ir_sha256(text))


def add_plan(kernel: object, n: int, align: int = 64) -> LaunchPlan:
    """Return a plan that launches `kernel` as out = x + y over n floats."""
    buffers = tuple(
        Buffer(name, "output" if name == "out" else "input", "f32", 4 * n, align) for name in ("x", "y", "out")
    )
    args = (PointerArg(0), PointerArg(1), PointerArg(2), ScalarArg("i32", n))
    option = LaunchOption(0, (-(-n // BLOCK), 1, 1), args)
    return LaunchPlan((kernel_ir(kernel),), buffers, (Launch((option,)),))


def in_place_plan(n: int) -> LaunchPlan:
    """Return a plan that adds x and y to what out holds."""
    plan = add_plan(accumulate, n)
    return replace(plan, buffers=(*plan.buffers[:2], replace(plan.buffers[2], role="inout")))


def scratch_plan(n: int, fill: float | None, table: int) -> LaunchPlan:
    """Return a plan of two launches: out = y + table + sum(x), through a zeroed scratch and a constant."""
    buffers = (
        Buffer("x", "input", "f32", 4 * n),
        Buffer("y", "input", "f32", 4 * n),
        Buffer("out", "output", "f32", 4 * n),
        Buffer("total", "scratch", "f32", 4, fill=fill),
        Buffer("table", "constant", "i64", 8, data=(table,)),
    )
    grid = (-(-n // BLOCK), 1, 1)
    size = ScalarArg("i32", n)
    first = (PointerArg(0), PointerArg(1), PointerArg(2), size, PointerArg(3), PointerArg(4))
    second = (PointerArg(3), PointerArg(2), size)
    launches = (Launch((LaunchOption(0, grid, first),)), Launch((LaunchOption(1, grid, second),)))
    return LaunchPlan((kernel_ir(sum_with_scratch), kernel_ir(add_total)), buffers, launches)


def sum_plan(kernel: object, n: int) -> LaunchPlan:
    """Return a plan that launches `kernel` as out[0] = sum(x), through partial sums and a zeroed counter."""
    programs = -(-n // BLOCK)
    buffers = (
        Buffer("x", "input", "f32", 4 * n),
        Buffer("out", "output", "f32", 4 * n),
        Buffer("partial", "scratch", "f32", 4 * programs),
        Buffer("counter", "scratch", "i32", 4, fill=0.0),
    )
    args = (PointerArg(0), PointerArg(1), ScalarArg("i32", n), PointerArg(2), PointerArg(3))
    option = LaunchOption(0, (programs, 1, 1), args)
    return LaunchPlan((kernel_ir(kernel),), buffers, (Launch((option,)),))
