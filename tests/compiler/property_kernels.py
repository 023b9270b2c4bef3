"""Kernels with sizes and orientations as parameters, for the property tests of generated code."""

# ruff: noqa: PLR0917, SIM108
# mypy: ignore-errors

import triton
import triton.language as tl


@triton.jit
def copy_strided(x, out, rows, columns, sxr, sxc, sor, soc, M: tl.constexpr, N: tl.constexpr):
    r, c = tl.arange(0, M), tl.arange(0, N)
    keep = (r < rows)[:, None] & (c < columns)[None, :]
    value = tl.load(x + r[:, None] * sxr + c[None, :] * sxc, mask=keep, other=0)
    tl.store(out + r[:, None] * sor + c[None, :] * soc, value, mask=keep)


@triton.jit
def dot(a, b, c, out, sam, sak, sbk, sbn, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, START: tl.constexpr):
    m, n, k = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    left = tl.load(a + m[:, None] * sam + k[None, :] * sak)
    right = tl.load(b + k[:, None] * sbk + n[None, :] * sbn)
    at = m[:, None] * N + n[None, :]
    if START:
        product = tl.dot(left, right, tl.load(c + at) * 2.0)
    else:
        product = tl.dot(left, right)
    tl.store(out + at, product)


@triton.jit
def reduce_axis(x, out, M: tl.constexpr, N: tl.constexpr, AXIS: tl.constexpr, KIND: tl.constexpr):
    m, n = tl.arange(0, M), tl.arange(0, N)
    value = tl.load(x + m[:, None] * N + n[None, :])
    if KIND == "sum":
        result = tl.sum(value, AXIS)
    elif KIND == "max":
        result = tl.max(value, AXIS)
    elif KIND == "argmin":
        result = tl.argmin(value, AXIS)
    else:
        result = tl.xor_sum(value, AXIS)
    tl.store(out + (m if AXIS == 1 else n), result)


@triton.jit
def unary(x, out, n, KIND: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + i, mask=i < n)
    if KIND == "exp":
        value = tl.exp(value)
    elif KIND == "exp2":
        value = tl.exp2(value)
    elif KIND == "log":
        value = tl.log(value)
    elif KIND == "sigmoid":
        value = tl.sigmoid(value)
    elif KIND == "rsqrt":
        value = tl.rsqrt(value)
    tl.store(out + i, value.to(out.dtype.element_ty), mask=i < n)


@triton.jit
def divide(x, y, quotient, rest, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    keep = i < n
    a, b = tl.load(x + i, mask=keep, other=0), tl.load(y + i, mask=keep, other=1)
    tl.store(quotient + i, a // b, mask=keep)
    tl.store(rest + i, a % b, mask=keep)


@triton.jit
def fibonacci_rows(x, out, rounds, N: tl.constexpr):
    """Values that change places round by round, and one that is overwritten while it is still read."""
    i = tl.arange(0, N)
    a = tl.load(x + i)
    b = tl.load(x + N + i)
    total = tl.zeros((N,), tl.float32)
    for _ in range(rounds):
        a, b = b, a + b
        total = total * 0.5 + a
    tl.store(out + i, a)
    tl.store(out + N + i, b)
    tl.store(out + 2 * N + i, total)


@triton.jit
def shift_through(x, out, rounds, step, N: tl.constexpr):
    """Each round reads a row through a pointer that goes round the loop, overwrites it, and only then uses it."""
    n = tl.arange(0, N)
    row = x
    for i in range(rounds):
        value = tl.load(row + n)
        tl.store(x + n, tl.zeros((N,), tl.float32))
        tl.store(out + i * N + n, value)
        row += step


@triton.jit
def moving_pointers(x, out, rounds, stride, M: tl.constexpr, N: tl.constexpr):
    m, n = tl.arange(0, M), tl.arange(0, N)
    place = x + m[:, None] * stride + n[None, :]
    column = n
    total = tl.zeros((M, N), tl.float32)
    for _ in range(rounds):
        total += tl.load(place, mask=(column < stride)[None, :], other=0.0) * column[None, :].to(tl.float32)
        place += N
        column += N
    tl.store(out + m[:, None] * N + n[None, :], total)


@triton.jit
def chain(q, k, v, out, keys, scale, M: tl.constexpr, N: tl.constexpr, D: tl.constexpr, CAUSAL: tl.constexpr):
    """Attention of one tile: two dots in a loop with a rescaled accumulator."""
    m, n, d = tl.arange(0, M), tl.arange(0, N), tl.arange(0, D)
    rows = tl.load(q + m[:, None] * D + d[None, :])
    top = tl.full((M,), -1e30, tl.float32)
    total = tl.zeros((M,), tl.float32)
    acc = tl.zeros((M, D), tl.float32)
    for start in range(0, keys, N):
        at = start + n
        seen = (at < keys)[None, :]
        if CAUSAL:
            seen = seen & (at[None, :] <= m[:, None])
        key = tl.load(k + at[None, :] * D + d[:, None], mask=(at < keys)[None, :], other=0.0)
        score = tl.where(seen, tl.dot(rows, key) * scale, -float("inf"))
        new = tl.maximum(top, tl.max(score, 1))
        weight = tl.exp2(score - new[:, None])
        shrink = tl.exp2(top - new)
        total = total * shrink + tl.sum(weight, 1)
        value = tl.load(v + at[:, None] * D + d[None, :], mask=(at < keys)[:, None], other=0.0)
        acc = tl.dot(weight.to(value.dtype), value, acc * shrink[:, None])
        top = new
    tl.store(out + m[:, None] * D + d[None, :], acc / total[:, None])
