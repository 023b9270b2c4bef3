# ruff: noqa: PLR0917
# mypy: ignore-errors
# Kernels are a language of their own: their parameters are tensors by convention, not by annotation.
"""Triton kernels whose programs meet in memory: ordered ones, and ones that race."""

import triton
import triton.language as tl


@triton.jit
def last_arriver(x, partial, counter, out, n, BLOCK: tl.constexpr, COUNT: tl.constexpr, SEM: tl.constexpr):
    program = tl.program_id(0)
    at = program * BLOCK + tl.arange(0, BLOCK)
    tl.store(partial + program, tl.sum(tl.load(x + at, mask=at < n, other=0.0), 0))
    if tl.atomic_add(counter, 1, sem=SEM) == tl.num_programs(0) - 1:
        parts = tl.arange(0, COUNT)
        tl.store(out, tl.sum(tl.load(partial + parts, mask=parts < tl.num_programs(0), other=0.0), 0))


@triton.jit
def last_arriver_of_scope(x, partial, counter, out, n, BLOCK: tl.constexpr, COUNT: tl.constexpr):
    program = tl.program_id(0)
    at = program * BLOCK + tl.arange(0, BLOCK)
    tl.store(partial + program, tl.sum(tl.load(x + at, mask=at < n, other=0.0), 0))
    if tl.atomic_add(counter, 1, scope="cta") == tl.num_programs(0) - 1:
        parts = tl.arange(0, COUNT)
        tl.store(out, tl.sum(tl.load(partial + parts, mask=parts < tl.num_programs(0), other=0.0), 0))


@triton.jit
def split_sum(x, out, n, BLOCK: tl.constexpr, WIDTH: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(x + at, mask=at < n, other=0.0)
    tl.atomic_add(out + at % WIDTH, values, mask=at < n)


@triton.jit
def split_sum_read_back(x, out, total, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_add(out, tl.sum(tl.load(x + at, mask=at < n, other=0.0), 0), sem="relaxed")
    tl.store(total + tl.program_id(0), tl.load(out))


@triton.jit
def under_lock(x, lock, out, BLOCK: tl.constexpr, FREE: tl.constexpr):
    at = tl.arange(0, BLOCK)
    values = tl.load(x + tl.program_id(0) * BLOCK + at)
    while tl.atomic_cas(lock, 0, 1, sem="acquire") == 1:
        pass
    tl.store(out + at, tl.load(out + at) + values)
    if FREE == "plain":
        tl.store(lock, 0)
    else:
        tl.atomic_xchg(lock, 0, sem=FREE)


@triton.jit
def under_exchanged_lock(x, lock, out, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    values = tl.load(x + tl.program_id(0) * BLOCK + at)
    while tl.atomic_xchg(lock, 1) == 1:
        pass
    tl.store(out + at, tl.load(out + at) + values)
    tl.atomic_xchg(lock, 0)


@triton.jit
def first_come(x, lock, count, out, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    values = tl.load(x + tl.program_id(0) * BLOCK + at)
    while tl.atomic_cas(lock, 0, 1) == 1:
        pass
    if tl.load(count) == 0:
        tl.atomic_xchg(count, 1)
    else:
        values += tl.load(out + at)
    tl.store(out + at, values)
    tl.debug_barrier()
    tl.atomic_xchg(lock, 0)


@triton.jit
def chain(x, flags, out, BLOCK: tl.constexpr):
    program = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    values = tl.load(x + program * BLOCK + at)
    if program > 0:
        while tl.atomic_add(flags + program - 1, 0, sem="acquire") == 0:
            pass
        values += tl.load(out + (program - 1) * BLOCK + at)
    tl.store(out + program * BLOCK + at, values)
    tl.atomic_xchg(flags + program, 1, sem="release")


@triton.jit
def hand_over(data, flag, out, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    if tl.program_id(0) == 0:
        values = tl.load(data + at)
        tl.atomic_add(flag, 1, sem="release")
        tl.store(out + at, values)
    elif tl.atomic_add(flag, 0, sem="acquire") == 1:
        tl.store(data + at, 1.0)


@triton.jit
def wait_for_next(flags, out):
    program = tl.program_id(0)
    tl.atomic_xchg(flags + program, 1, sem="release")
    if program + 1 < tl.num_programs(0):
        while tl.atomic_add(flags + program + 1, 0, sem="acquire") == 0:
            pass
    tl.store(out + program, 1.0)


@triton.jit
def all_store(out, BLOCK: tl.constexpr):
    tl.store(out + tl.arange(0, BLOCK), 1.0)


@triton.jit
def overlapping_blocks(x, out, n, STEP: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * STEP + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def scatter(x, indices, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    tl.store(out + tl.load(indices + at, mask=mask, other=0), tl.load(x + at, mask=mask), mask=mask)


@triton.jit
def neighbours(x, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at, mask=at < n, other=0.0), mask=at < n)
    tl.store(x + at, tl.load(out + at + BLOCK, mask=at + BLOCK < n, other=0.0), mask=at < n)


@triton.jit
def store_beside_atomic(out):
    if tl.program_id(0) == 0:
        tl.store(out, 0.0)
    tl.atomic_add(out, 1.0)


@triton.jit
def read_whatever_comes(data, flag, out):
    program = tl.program_id(0)
    if program == 0:
        tl.store(data, 1.0)
    tl.atomic_add(flag, 1)
    if program == 1:
        tl.store(out, tl.load(data))


@triton.jit
def early_read(data, flag, out):
    """Program 1 reads behind an acquire, before that program 0 has released; 2 updates without any order."""
    program = tl.program_id(0)
    if program == 0:
        tl.store(out, tl.load(data))
        tl.atomic_add(flag, 1, sem="release")
    elif program == 1:
        tl.atomic_add(flag, 0, sem="acquire")
        tl.atomic_add(data, 1.0, sem="relaxed")
    else:
        tl.atomic_add(data, 1.0, sem="relaxed")


@triton.jit
def sum_rows(scratch, out, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    columns = tl.arange(0, WIDTH)
    total = tl.zeros((WIDTH,), tl.float32)
    for row in range(ROWS):
        total += tl.load(scratch + row * WIDTH + columns)
    tl.store(out + columns, total)


@triton.jit
def write_rows(scratch, n, WIDTH: tl.constexpr):
    columns = tl.arange(0, WIDTH)
    tl.store(scratch + tl.program_id(0) * WIDTH + columns, columns.to(tl.float32), mask=columns < n)


@triton.jit
def masked_sum(scratch, out, n, WIDTH: tl.constexpr):
    columns = tl.arange(0, WIDTH)
    tl.store(out, tl.sum(tl.load(scratch + columns, mask=columns % 3 < n, other=0.0), 0))


@triton.jit
def write_thirds(scratch, n, WIDTH: tl.constexpr):
    columns = tl.arange(0, WIDTH)
    tl.store(scratch + columns, 1.0, mask=columns % 3 < n)


@triton.jit
def narrow(out, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    columns = tl.arange(0, BLOCK)
    tl.store(out + tl.program_id(0) * WIDTH + columns, columns.to(tl.bfloat16), mask=columns < WIDTH)


@triton.jit
def count_from_poison(counter, out):
    tl.store(out + tl.program_id(0), tl.atomic_add(counter, 1).to(tl.float32))
