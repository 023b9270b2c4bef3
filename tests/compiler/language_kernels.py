# mypy: ignore-errors
# ruff: noqa: PLR0917
# Kernels are a language of their own: their parameters are tensors by convention, not by annotation.
"""Kernels that use one part of the language each."""

import triton
import triton.language as tl


@triton.jit
def sign_of_difference(a, b):
    if a < b:
        result = -1
    elif a > b:
        result = 1
    else:
        result = 0
    return result


@triton.jit
def neighbours(a0, a1, b0, b1):
    return a0 + a1 * b0, a1 - b1


@triton.jit
def mapped(X, Y, SIGN, PAIRS, N: tl.constexpr):
    o = tl.arange(0, N)
    x, y = tl.load(X + o), tl.load(Y + o)
    tl.store(SIGN + o, tl.map_elementwise(sign_of_difference, x, y))
    tl.store(PAIRS + o, tl.map_elementwise(neighbours, x, y, pack=2)[0])


@triton.jit
def histogram(X, OUT, n, N: tl.constexpr, BINS: tl.constexpr):
    o = tl.arange(0, N)
    x = tl.load(X + o, o < n, other=0)
    tl.store(OUT + tl.arange(0, BINS), tl.histogram(x, BINS, mask=o < n))


@triton.jit
def interleaved(X, Y, OUT, LEFT, RIGHT, N: tl.constexpr):
    o = tl.arange(0, N)
    both = tl.interleave(tl.load(X + o), tl.load(Y + o))
    tl.store(OUT + tl.arange(0, 2 * N), both)
    left, right = tl.split(tl.reshape(both, (N, 2)))
    tl.store(LEFT + o, left)
    tl.store(RIGHT + o, right)


@triton.jit
def joined_matrices(X, Y, OUT, M: tl.constexpr, N: tl.constexpr):
    o = tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :]
    both = tl.join(tl.load(X + o), tl.load(Y + o))
    turned = tl.permute(both, (2, 1, 0))
    places = (
        tl.arange(0, 2)[:, None, None] * M * N + tl.arange(0, N)[None, :, None] * M + tl.arange(0, M)[None, None, :]
    )
    tl.store(OUT + places, turned)


@triton.jit
def concatenated(X, Y, OUT, N: tl.constexpr, CAN_REORDER: tl.constexpr):
    o = tl.arange(0, N)
    both = tl.cat(tl.load(X + o), tl.load(Y + o), can_reorder=CAN_REORDER)
    tl.store(OUT + tl.arange(0, 2 * N), both)


@triton.jit
def split_to_scalars(X, OUT):
    first, second = tl.split(tl.load(X + tl.arange(0, 2)))
    tl.store(OUT, second)
    tl.store(OUT + 1, first)


@triton.jit
def picked(X, INDEX, OUT, N: tl.constexpr, M: tl.constexpr):
    x, index = tl.load(X + tl.arange(0, N)), tl.load(INDEX + tl.arange(0, M))
    tl.store(OUT + tl.arange(0, M), tl.gather(x, index, 0))


@triton.jit
def sorted_rows(X, OUT, M: tl.constexpr, N: tl.constexpr, DESCENDING: tl.constexpr):
    o = tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(OUT + o, tl.sort(tl.load(X + o), descending=DESCENDING))


@triton.jit
def largest(X, OUT, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    o = tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(OUT + tl.arange(0, M)[:, None] * K + tl.arange(0, K)[None, :], tl.topk(tl.load(X + o), K))


@triton.jit
def flipped(X, OUT, M: tl.constexpr, N: tl.constexpr):
    o = tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(OUT + o, tl.flip(tl.load(X + o), 1))


@triton.jit
def batched_dot(X, Y, START, OUT, B: tl.constexpr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr,
                HAS_START: tl.constexpr, ROUNDS: tl.constexpr):  # fmt: skip
    b = tl.arange(0, B)[:, None, None]
    x = tl.load(X + b * M * K + tl.arange(0, M)[None, :, None] * K + tl.arange(0, K)[None, None, :])
    y = tl.load(Y + b * K * N + tl.arange(0, K)[None, :, None] * N + tl.arange(0, N)[None, None, :])
    places = b * M * N + tl.arange(0, M)[None, :, None] * N + tl.arange(0, N)[None, None, :]
    total = tl.load(START + places) if HAS_START else tl.zeros((B, M, N), tl.float32)
    for _ in range(ROUNDS):
        total = tl.dot(x, y, total)
    tl.store(OUT + places, total)


@triton.jit
def scaled_dot(X, XS, Y, YS, OUT, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, X_KIND: tl.constexpr,
               Y_KIND: tl.constexpr, X_BYTES: tl.constexpr, Y_BYTES: tl.constexpr):  # fmt: skip
    m, n, s = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K // 32)
    x = tl.load(X + m[:, None] * X_BYTES + tl.arange(0, X_BYTES)[None, :])
    y = tl.load(Y + tl.arange(0, Y_BYTES)[:, None] * N + n[None, :])
    xs = tl.load(XS + m[:, None] * (K // 32) + s[None, :])
    ys = tl.load(YS + n[:, None] * (K // 32) + s[None, :])
    tl.store(OUT + m[:, None] * N + n[None, :], tl.dot_scaled(x, xs, X_KIND, y, ys, Y_KIND))


@triton.jit
def descriptor_copy(source, target, row, column):
    target.store([row, column], source.load([row, column]))


@triton.jit
def descriptor_made(X, OUT, rows, columns, M: tl.constexpr, N: tl.constexpr):
    source = tl.make_tensor_descriptor(X, [rows, columns], [columns, 1], [M, N])
    target = tl.make_tensor_descriptor(OUT, [rows, columns], [columns, 1], [M, N])
    for column in range(0, columns, N):
        target.store([0, column], source.load([0, column]) * 2)
        target.atomic_add([0, column], source.load([0, column]))


@triton.jit
def gathered_rows(X, INDEX, OUT, rows, columns, M: tl.constexpr, N: tl.constexpr):
    source = tl.make_tensor_descriptor(X, [rows, columns], [columns, 1], [1, N])
    o = tl.arange(0, M)
    tl.store(OUT + o[:, None] * N + tl.arange(0, N)[None, :], source.gather(tl.load(INDEX + o), 0))


@triton.jit
def converted(X, OUT, N: tl.constexpr, ROUNDING: tl.constexpr):
    o = tl.arange(0, N)
    x = tl.load(X + o)
    tl.store(OUT + o, x.to(OUT.dtype.element_ty, fp_downcast_rounding=ROUNDING))


@triton.jit
def as_bits(X, OUT, N: tl.constexpr, KIND: tl.constexpr):
    o = tl.arange(0, N)
    tl.store(OUT + o, tl.load(X + o).to(KIND).to(tl.uint8, bitcast=True))


@triton.jit
def from_bits(X, OUT, N: tl.constexpr, KIND: tl.constexpr):
    o = tl.arange(0, N)
    tl.store(OUT + o, tl.load(X + o).to(KIND, bitcast=True).to(tl.float32))


@triton.jit
def left_early(X, OUT, flag, N: tl.constexpr):
    o = tl.arange(0, N)
    x = tl.load(X + o)
    if flag > 0:
        tl.store(OUT + o, x + 1)
        return
    x = tl.exp(x)
    tl.store(OUT + o, x)


@triton.jit
def shown(X, N: tl.constexpr):
    x = tl.load(X + tl.arange(0, N))
    tl.device_print("x 100%: ", x)
    tl.device_print("two", x, tl.program_id(0), hex=True)


@triton.jit
def claimed(X, OUT, N: tl.constexpr):
    o = tl.arange(0, N)
    x = tl.load(X + o)
    tl.device_assert(x >= 0, "x must not be negative")
    tl.store(OUT + o, x)


@triton.jit
def assembled(X):
    x = tl.load(X)
    tl.store(X, tl.inline_asm_elementwise("mov.b32 $0, $1;", "=r,r", [x], dtype=tl.int32, is_pure=True, pack=1))


@triton.jit
def atomic_moves(X, OUT, N: tl.constexpr):
    o = tl.arange(0, N)
    tl.atomic_store(OUT + o, tl.atomic_load(X + o, mask=o < N - 1), mask=o < N - 1)
    tl.atomic_store(OUT + N - 1, tl.atomic_load(X), sem="relaxed")
    met = tl.atomic_poll(X + o, o, timeout_ns=1000)
    tl.store(OUT + N + o, met.to(tl.int32))


@triton.jit
def wrapped_columns(X, OUT, columns, shift, N: tl.constexpr):
    places = (shift * N + tl.arange(0, N)) % columns
    row = tl.program_id(0)
    tl.store(OUT + row * N + tl.arange(0, N), tl.load(X + row * columns + places))


@triton.jit
def by_blocks(X, OUT, size, n, N: tl.constexpr):
    o = tl.program_id(0) * N + tl.arange(0, N)
    tl.store(OUT + o, tl.load(X + o // size, mask=o < n, other=-1), mask=o < n)


@triton.jit
def doubled(X, OUT, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(OUT + o, tl.load(X + o, o < n) * 2, o < n)


@triton.jit
def divided_rows(X, OUT, N: tl.constexpr):
    o = tl.program_id(0) * N + tl.arange(0, N)
    x = tl.load(X + o)
    tl.store(OUT + o, x / tl.max(x, 0))


@triton.jit
def walked_sum(X, Y, OUT, n, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    m, c, k = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    left = X + m[:, None] * n + k[None, :]
    right = Y + k[:, None] * N + (c[None, :] % N)
    total = tl.zeros((M, N), tl.float32)
    for _ in range(0, n, K):
        total = tl.dot(tl.load(left), tl.load(right), total)
        left += K
        right += K * N
    tl.store(OUT + m[:, None] * N + c[None, :], total)
