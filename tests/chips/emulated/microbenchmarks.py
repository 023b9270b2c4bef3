# mypy: ignore-errors
# ruff: noqa: PLR0917
# Triton kernels have no Python types, and take what they need.
"""Microbenchmarks: small Triton kernels, each of which leans on one part of a chip."""

import os

os.environ.setdefault("TRITON_DEFAULT_BACKEND", "kernelwright")

import triton
import triton.language as tl


@triton.jit
def empty(out):
    pass


@triton.jit
def copy(x, out, step, BLOCK: tl.constexpr, EVICT: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + i * step, eviction_policy=EVICT))


@triton.jit
def gather(x, index, out, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + tl.load(index + i)))


@triton.jit
def copy_persistent(x, out, blocks, BLOCK: tl.constexpr):
    for block in range(tl.program_id(0), blocks, tl.num_programs(0)):
        i = block * BLOCK + tl.arange(0, BLOCK)
        tl.store(out + i, tl.load(x + i))


@triton.jit
def transpose(x, out, TURN: tl.constexpr, SIZE: tl.constexpr):
    rows = tl.arange(0, SIZE)[:, None]
    columns = tl.arange(0, SIZE)[None, :]
    base = tl.program_id(0) * SIZE * SIZE
    tile = tl.load(x + base + rows * SIZE + columns)
    if TURN:
        tile = tl.trans(tile)
    tl.store(out + base + rows * SIZE + columns, tile)


@triton.jit
def exponentials(x, out, count, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + i)
    for _ in range(count):
        value = tl.exp2(value)
    tl.store(out + i, value)


@triton.jit
def quotients(x, out, count, BLOCK: tl.constexpr, DIVIDE: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + i)
    for _ in range(count):
        value = 3.5 / value if DIVIDE else 3.5 * value
    tl.store(out + i, value)


@triton.jit
def integers(x, out, count, BLOCK: tl.constexpr, KIND: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + i).to(KIND)
    for _ in range(count):
        value = (value * 5 + 1) ^ 3
    tl.store(out + i, value.to(tl.float32))


@triton.jit
def atomics(out, count, spread, BLOCK: tl.constexpr):
    i = tl.program_id(0) * spread + tl.arange(0, BLOCK)
    for _ in range(count):
        tl.atomic_add(out + i, 1.0)


@triton.jit
def matmul(
    a, b, c, M, N, K, lda,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr, SPLIT: tl.constexpr,
    PRECISION: tl.constexpr, TURNED: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0)
    across, down = tl.cdiv(N, BN), tl.cdiv(M, BM)
    if GROUP > 1:
        group = program // (GROUP * across)
        size = min(down - group * GROUP, GROUP)
        row = group * GROUP + (program % (GROUP * across)) % size
        column = (program % (GROUP * across)) // size
    else:
        row, column = program // across, program % across
    m = row * BM + tl.arange(0, BM)
    n = column * BN + tl.arange(0, BN)
    k = tl.program_id(1) * BK + tl.arange(0, BK)
    left = a + m[:, None] * lda + k[None, :]
    across_k = 1 if TURNED else N
    right = b + k[:, None] * across_k + n[None, :] * (K if TURNED else 1)
    total = tl.zeros((BM, BN), tl.float32)
    for _ in range(0, tl.cdiv(K, BK * SPLIT)):
        total = tl.dot(tl.load(left), tl.load(right), total, input_precision=PRECISION)
        left += BK * SPLIT
        right += BK * SPLIT * across_k
    place = c + m[:, None] * N + n[None, :]
    if SPLIT > 1:
        tl.atomic_add(place, total)
    else:
        tl.store(place, total)


@triton.jit
def long_dots(a, c, count, SIZE: tl.constexpr, PRECISION: tl.constexpr):
    rows = tl.arange(0, SIZE)
    x = tl.load(a + rows[:, None] * SIZE + rows[None, :])
    total = tl.zeros((SIZE, SIZE), tl.float32)
    for _ in range(count):
        total = tl.dot(x, x, total, input_precision=PRECISION)
    tl.store(c + tl.program_id(0) * SIZE * SIZE + rows[:, None] * SIZE + rows[None, :], total)


@triton.jit
def scaled(a, b, c, count, KIND: tl.constexpr, PACK: tl.constexpr, M: tl.constexpr, K: tl.constexpr):
    m = tl.arange(0, M)
    k = tl.arange(0, K // PACK)
    scale = tl.full((M, K // 32), 127, tl.uint8)
    left = tl.load(a + m[:, None] * (K // PACK) + k[None, :])
    right = tl.load(b + k[:, None] + m[None, :] * (K // PACK))
    total = tl.zeros((M, M), tl.float32)
    for _ in range(count):
        total = tl.dot_scaled(left, scale, KIND, right, scale, KIND, total)
    tl.store(c + tl.program_id(0) * M * M + m[:, None] * M + m[None, :], total)


@triton.jit
def reread(x, table, out, passes, TABLE: tl.constexpr, BLOCK: tl.constexpr, EVICT: tl.constexpr):
    i = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    stream = x + tl.program_id(0) * passes * TABLE * BLOCK + i
    for _ in range(passes):
        for part in range(TABLE):
            total += tl.load(table + part * BLOCK + i)
            total += tl.load(stream, eviction_policy=EVICT)
            stream += BLOCK
    tl.store(out + tl.program_id(0) * BLOCK + i, total)


@triton.jit
def ragged(x, lengths, out, BLOCK: tl.constexpr):
    program = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    value = tl.load(x + program * BLOCK + i)
    for _ in range(tl.load(lengths + program)):
        value = tl.exp2(value)
    tl.store(out + program * BLOCK + i, value)


@triton.jit
def rows(x, out, step, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.arange(0, WIDTH)[None, :]
    tl.store(out + row * WIDTH + column, tl.load(x + row * step + column))


@triton.jit
def pages(x, out, step, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.store(out + tl.program_id(0) * BLOCK + i, tl.load(x + tl.program_id(0) * step + i))
