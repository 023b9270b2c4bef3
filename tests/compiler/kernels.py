# mypy: ignore-errors
# ruff: noqa: PLR0917, SIM108
# Kernels are a language of their own: their parameters are tensors by convention, not by annotation.
"""Ordinary Triton kernels, written as a user would write them."""

import triton
import triton.language as tl


@triton.jit
def add(x, y, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    tl.store(out + at, tl.load(x + at, mask=mask) + tl.load(y + at, mask=mask), mask=mask)


@triton.jit
def softmax_rows(x, out, stride, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    mask = at < columns
    values = tl.load(x + row * stride + at, mask=mask, other=float("-inf")).to(tl.float32)
    powers = tl.exp(values - tl.max(values, 0))
    tl.store(out + row * stride + at, (powers / tl.sum(powers, 0)).to(out.dtype.element_ty), mask=mask)


@triton.jit
def layer_norm(x, weight, bias, out, stride, columns, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        total += tl.load(x + row * stride + at, mask=at < columns, other=0.0).to(tl.float32)
    mean = tl.sum(total, 0) / columns
    square = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(x + row * stride + at, mask=at < columns, other=0.0).to(tl.float32)
        value = tl.where(at < columns, value - mean, 0.0)
        square += value * value
    scale = tl.rsqrt(tl.sum(square, 0) / columns + eps)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        mask = at < columns
        value = tl.load(x + row * stride + at, mask=mask, other=0.0).to(tl.float32)
        w = tl.load(weight + at, mask=mask)
        b = tl.load(bias + at, mask=mask)
        tl.store(out + row * stride + at, (value - mean) * scale * w + b, mask=mask)


@triton.jit
def matmul(a, b, c, M, N, K, sam, sak, sbk, sbn, scm, scn, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    cols = tl.program_id(1) * BN + tl.arange(0, BN)
    depth = tl.arange(0, BK)
    acc = tl.zeros((BM, BN), tl.float32)
    for start in range(0, K, BK):
        k = start + depth
        at = tl.load(a + rows[:, None] * sam + k[None, :] * sak, mask=(rows < M)[:, None] & (k < K)[None, :], other=0.0)
        bt = tl.load(b + k[:, None] * sbk + cols[None, :] * sbn, mask=(k < K)[:, None] & (cols < N)[None, :], other=0.0)
        acc = tl.dot(at, bt, acc)
    mask = (rows < M)[:, None] & (cols < N)[None, :]
    tl.store(c + rows[:, None] * scm + cols[None, :] * scn, acc.to(c.dtype.element_ty), mask=mask)


@triton.jit
def weighted_rows(weights, table, indices, out, n, BM: tl.constexpr, BK: tl.constexpr, WIDTH: tl.constexpr):
    rows = tl.arange(0, BM)
    width = tl.arange(0, WIDTH)
    acc = tl.zeros((BM, WIDTH), tl.float32)
    for start in range(0, n, BK):
        k = start + tl.arange(0, BK)
        index = tl.load(indices + k, mask=k < n, other=0)
        values = tl.load(table + index[:, None] * WIDTH + width[None, :], mask=(k < n)[:, None], other=0.0)
        share = tl.load(weights + rows[:, None] * n + k[None, :], mask=(k < n)[None, :], other=0.0)
        acc = tl.dot(share, values, acc)
    tl.store(out + rows[:, None] * WIDTH + width[None, :], acc)


@triton.jit
def attention(q, k, v, out, scale, length, stride, CAUSAL: tl.constexpr, D: tl.constexpr, BM: tl.constexpr,
              BN: tl.constexpr):  # fmt: skip
    head = tl.program_id(1) * length * stride
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.arange(0, BN)
    width = tl.arange(0, D)
    qt = tl.load(q + head + rows[:, None] * stride + width[None, :], mask=(rows < length)[:, None], other=0.0)
    most = tl.full((BM,), float("-inf"), tl.float32)
    total = tl.zeros((BM,), tl.float32)
    acc = tl.zeros((BM, D), tl.float32)
    end = length
    if CAUSAL:
        end = tl.minimum(length, (tl.program_id(0) + 1) * BM)
    for start in range(0, end, BN):
        at = start + columns
        kt = tl.load(k + head + at[:, None] * stride + width[None, :], mask=(at < length)[:, None], other=0.0)
        scores = tl.dot(qt, tl.trans(kt)) * (scale * 1.44269504)
        keep = (at < length)[None, :]
        if CAUSAL:
            keep = keep & (rows[:, None] >= at[None, :])
        scores = tl.where(keep, scores, float("-inf"))
        highest = tl.maximum(most, tl.max(scores, 1))
        powers = tl.exp2(scores - highest[:, None])
        shrink = tl.exp2(most - highest)
        total = total * shrink + tl.sum(powers, 1)
        vt = tl.load(v + head + at[:, None] * stride + width[None, :], mask=(at < length)[:, None], other=0.0)
        acc = tl.dot(powers.to(vt.dtype), vt, acc * shrink[:, None])
        most = highest
    acc = acc / total[:, None]
    tl.store(out + head + rows[:, None] * stride + width[None, :], acc.to(out.dtype.element_ty),
             mask=(rows < length)[:, None])  # fmt: skip


@triton.jit
def reduce_rows(x, sums, most, least, where, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    mask = at < columns
    values = tl.load(x + row * columns + at, mask=mask, other=0.0)
    tl.store(sums + row, tl.sum(values, 0))
    high = tl.where(mask, values, float("-inf"))
    tl.store(most + row, tl.max(high, 0))
    tl.store(least + row, tl.min(tl.where(mask, values, float("inf")), 0))
    tl.store(where + row, tl.argmax(high, 0))


@triton.jit
def reduce_tile(x, rows_out, columns_out, M: tl.constexpr, N: tl.constexpr):
    rows = tl.arange(0, M)
    columns = tl.arange(0, N)
    tile = tl.load(x + rows[:, None] * N + columns[None, :])
    tl.store(rows_out + rows, tl.sum(tile, 1))
    tl.store(columns_out + columns, tl.max(tile, 0))


@triton.jit
def embedding(table, indices, out, width, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    index = tl.load(indices + row)
    at = tl.arange(0, BLOCK)
    tl.store(out + row * width + at, tl.load(table + index * width + at, mask=at < width), mask=at < width)


@triton.jit
def gather_rows(table, indices, out, n, width, BLOCK: tl.constexpr, WIDTH: tl.constexpr):
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    columns = tl.arange(0, WIDTH)
    index = tl.load(indices + rows, mask=rows < n, other=0)
    mask = (rows < n)[:, None] & (columns < width)[None, :]
    tile = tl.load(table + index[:, None] * width + columns[None, :], mask=mask, other=0.0)
    tl.store(out + rows[:, None] * width + columns[None, :], tile, mask=mask)


@triton.jit
def gather_in_tile(x, indices, out, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(out + at, tl.gather(tl.load(x + at), tl.load(indices + at), 0))


@triton.jit
def count_values(x, counts, total, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    value = tl.load(x + at, mask=mask, other=0)
    tl.atomic_add(counts + value, 1, mask=mask)
    tl.atomic_add(total, tl.sum(tl.where(mask, value, 0).to(tl.float32), 0), sem="relaxed", scope="cta")


@triton.jit
def highest(x, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_max(out, tl.max(tl.load(x + at, mask=at < n, other=-2147483648), 0))


@triton.jit
def _join_steps(a1, b1, a2, b2):
    return a1 * a2, b1 * a2 + b2


@triton.jit
def recurrence(a, b, out, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    _, state = tl.associative_scan((tl.load(a + at), tl.load(b + at)), 0, _join_steps)
    tl.store(out + at, state)


@triton.jit
def running_sums(x, forward, backward, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    at = tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    tile = tl.load(x + at)
    tl.store(forward + at, tl.cumsum(tile, 1))
    tl.store(backward + at, tl.cumsum(tile, 0, reverse=True))


@triton.jit(noinline=True)
def _polynomial(x, y):
    return x * x + y


@triton.jit
def with_call(x, out):
    row = tl.program_id(0)
    tl.store(out + row, _polynomial(tl.load(x + row), row))


@triton.jit
def early_return(x, out, limit, BLOCK: tl.constexpr):
    program = tl.program_id(0)
    if program >= limit:
        return
    at = program * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at) + 1)


@triton.jit
def grid_3d(out, Y, Z):
    x = tl.program_id(0)
    y = tl.program_id(1)
    z = tl.program_id(2)
    at = (x * tl.num_programs(1) + y) * tl.num_programs(2) + z
    tl.store(out + at, x * 10000 + y * 100 + z + 0 * (Y + Z))


@triton.jit
def collatz(x, out):
    row = tl.program_id(0)
    n = tl.load(x + row)
    steps = 0
    while n > 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    tl.store(out + row, steps)


@triton.jit
def shift_in_place(x, y, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    values = tl.load(x + at)
    tl.store(y + at, values * 2)
    tl.store(x + at, tl.load(y + at) + values)


@triton.jit
def casts(x, halves, brains, integers, bytes_out, eights, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    value = tl.load(x + at)
    tl.store(halves + at, value.to(tl.float16))
    tl.store(brains + at, value.to(tl.bfloat16))
    tl.store(integers + at, value.to(tl.int32).to(tl.int64))
    tl.store(bytes_out + at, (value.to(tl.int32) & 127).to(tl.int8))
    tl.store(eights + at, value.to(tl.float8e5).to(tl.float32) + value.to(tl.float8e4nv).to(tl.float32))


@triton.jit
def stages(x, out, n, BLOCK: tl.constexpr, STAGES: tl.constexpr):
    acc = tl.zeros((BLOCK,), tl.float32)
    for start in tl.range(0, n, BLOCK, num_stages=STAGES):
        acc += tl.exp2(tl.load(x + start + tl.arange(0, BLOCK)))
    tl.store(out + tl.program_id(0), tl.sum(acc, 0))


@triton.jit
def flagged(x, out, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    value = tl.load(x + at, cache_modifier=".cg", eviction_policy="evict_last", volatile=True)
    value = tl.clamp(value, -1.0, 1.0)
    tl.device_print('value "quoted": ', value)
    left, right = tl.split(tl.reshape(value, (BLOCK // 2, 2)))
    joined = tl.ravel(tl.join(right, left))
    turned = tl.permute(tl.reshape(value, (BLOCK // 4, 4)), (1, 0))
    rounded = joined.to(tl.float16, fp_downcast_rounding="rtz")
    tl.store(out + at, tl.ravel(turned) + rounded, cache_modifier=".wt")
    tl.atomic_cas(out.to(tl.pointer_type(tl.int32)), 1, 2, sem="acquire", scope="sys")


@triton.jit
def number_arguments(
    out, a: tl.float16, b: tl.bfloat16, c: tl.float64, wide, yes, small: tl.int8, byte: tl.uint8, huge
):
    tl.store(out, a.to(tl.float32) + b + c.to(tl.float32))
    tl.store(out + 1, wide.to(tl.float32))
    if yes:
        tl.store(out + 2, 1 + small.to(tl.float32) + byte.to(tl.float32))
    tl.store(out + 3, huge.to(tl.float32))
