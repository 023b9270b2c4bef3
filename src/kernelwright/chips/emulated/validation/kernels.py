# mypy: ignore-errors
# Triton kernels have no Python types.
"""The Triton kernels that stand for the measured ones."""

import triton
import triton.language as tl


@triton.jit
def _tile_of(tile, tiles_m, tiles_n, GROUP: tl.constexpr):
    """Return (row, column) of a tile: down the rows of a group of `GROUP` rows first, as the measured kernels walk."""
    group = tile // (GROUP * tiles_n)
    rows = min(tiles_m - group * GROUP, GROUP)
    inside = tile % (GROUP * tiles_n)
    return group * GROUP + inside % rows, inside // rows


@triton.jit
def int8_gemm(
    a, b, c, a_scale, b_scale, m, n, k, groups,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, WHOLE_K: tl.constexpr,
):  # fmt: skip
    """C [groups, m, n] bf16 = scaled A [groups, m, k] times B [groups, n, k] in int8; a fixed grid walks all tiles."""
    tiles_m, tiles_n = tl.cdiv(m, BLOCK_M), tl.cdiv(n, BLOCK_N)
    tiles = tiles_m * tiles_n
    for tile in range(tl.program_id(0), groups * tiles, tl.num_programs(0)):
        group = tile // tiles
        row, column = _tile_of(tile % tiles, tiles_m, tiles_n, 16)
        rows = row * BLOCK_M + tl.arange(0, BLOCK_M)
        columns = column * BLOCK_N + tl.arange(0, BLOCK_N)
        depth = tl.arange(0, BLOCK_K)
        left = a + group.to(tl.int64) * m * k + rows[:, None] * k + depth[None, :]
        right = b + group.to(tl.int64) * n * k + columns[None, :] * k + depth[:, None]
        total = tl.zeros((BLOCK_M, BLOCK_N), tl.int32)
        for start in range(0, k, BLOCK_K):
            if WHOLE_K:
                x = tl.load(left, mask=(rows < m)[:, None], other=0)
                y = tl.load(right, mask=(columns < n)[None, :], other=0)
            else:
                inside = depth < k - start
                x = tl.load(left, mask=(rows < m)[:, None] & inside[None, :], other=0)
                y = tl.load(right, mask=(columns < n)[None, :] & inside[:, None], other=0)
            total = tl.dot(x, y, total, out_dtype=tl.int32)
            left += BLOCK_K
            right += BLOCK_K
        scale_a = tl.load(a_scale + group * m + rows, mask=rows < m, other=0.0)
        scale_b = tl.load(b_scale + group * n + columns, mask=columns < n, other=0.0)
        value = total.to(tl.float32) * scale_a[:, None] * scale_b[None, :]
        out = c + group.to(tl.int64) * m * n + rows[:, None] * n + columns[None, :]
        tl.store(out, value.to(tl.bfloat16), mask=(rows < m)[:, None] & (columns < n)[None, :])


@triton.jit
def float_gemm(
    a, b, c, m, n, k, parts,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, SPLIT: tl.constexpr, WHOLE_K: tl.constexpr,
):  # fmt: skip
    """C [m, n] = A [m, k] times B [n, k] in bf16 or fp8, one tile a program; SPLIT: f32 sums of part of the depth."""
    tiles_m, tiles_n = tl.cdiv(m, BLOCK_M), tl.cdiv(n, BLOCK_N)
    row, column = _tile_of(tl.program_id(0), tiles_m, tiles_n, 8)
    part = tl.program_id(1)
    rows = row * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = column * BLOCK_N + tl.arange(0, BLOCK_N)
    depth = tl.arange(0, BLOCK_K)
    share = tl.cdiv(tl.cdiv(k, BLOCK_K), parts) * BLOCK_K
    first = part * share
    last = min(k, first + share)
    left = a + rows[:, None].to(tl.int64) * k + first + depth[None, :]
    right = b + columns[None, :].to(tl.int64) * k + first + depth[:, None]
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(first, last, BLOCK_K):
        if WHOLE_K:
            x = tl.load(left, mask=(rows < m)[:, None], other=0.0)
            y = tl.load(right, mask=(columns < n)[None, :], other=0.0)
        else:
            inside = depth < last - start
            x = tl.load(left, mask=(rows < m)[:, None] & inside[None, :], other=0.0)
            y = tl.load(right, mask=(columns < n)[None, :] & inside[:, None], other=0.0)
        total = tl.dot(x, y, total)
        left += BLOCK_K
        right += BLOCK_K
    out = rows[:, None].to(tl.int64) * n + columns[None, :]
    inside = (rows < m)[:, None] & (columns < n)[None, :]
    if SPLIT:
        tl.store(c + part.to(tl.int64) * m * n + out, total, mask=inside)
    else:
        tl.store(c + out, total.to(c.dtype.element_ty), mask=inside)


@triton.jit
def sum_parts(partial, c, size, parts, BLOCK: tl.constexpr):
    """C [size] bf16 = the sum over `parts` of f32 sums, what a split of the depth leaves to do."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for part in range(0, parts):
        total += tl.load(partial + part.to(tl.int64) * size + i, mask=i < size, other=0.0)
    tl.store(c + i, total.to(c.dtype.element_ty), mask=i < size)


@triton.jit
def causal_attention(
    q, k, v, out, length, heads, shared, scale,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Causal attention over [batch, length, heads, WIDTH] bf16; `shared` heads read one key head, long rows first."""
    row = tl.num_programs(0) - 1 - tl.program_id(0)
    batch = tl.program_id(1) // heads
    head = tl.program_id(1) % heads
    keys = heads // shared
    rows = row * BLOCK_M + tl.arange(0, BLOCK_M)
    width = tl.arange(0, WIDTH)
    first_q = (batch * length * heads).to(tl.int64) * WIDTH + head * WIDTH
    first_k = (batch * length * keys).to(tl.int64) * WIDTH + (head // shared) * WIDTH
    query = tl.load(
        q + first_q + rows[:, None] * heads * WIDTH + width[None, :], mask=(rows < length)[:, None], other=0.0
    )
    highest = tl.full((BLOCK_M,), float("-inf"), tl.float32)
    weight = tl.zeros((BLOCK_M,), tl.float32)
    total = tl.zeros((BLOCK_M, WIDTH), tl.float32)
    whole = row * BLOCK_M // BLOCK_N * BLOCK_N
    for start in range(0, whole, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N)
        key = tl.load(k + first_k + columns[None, :] * keys * WIDTH + width[:, None])
        value = tl.load(v + first_k + columns[:, None] * keys * WIDTH + width[None, :])
        score = tl.dot(query, key) * scale
        above = tl.maximum(highest, tl.max(score, 1))
        part = tl.exp2(score - above[:, None])
        fade = tl.exp2(highest - above)
        weight = weight * fade + tl.sum(part, 1)
        total = tl.dot(part.to(value.dtype), value, total * fade[:, None])
        highest = above
    for start in range(whole, min((row + 1) * BLOCK_M, length), BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N)
        inside = columns < length
        key = tl.load(k + first_k + columns[None, :] * keys * WIDTH + width[:, None], mask=inside[None, :], other=0.0)
        value = tl.load(v + first_k + columns[:, None] * keys * WIDTH + width[None, :], mask=inside[:, None], other=0.0)
        score = tl.dot(query, key) * scale
        score = tl.where(rows[:, None] >= columns[None, :], score, float("-inf"))
        above = tl.maximum(highest, tl.max(score, 1))
        part = tl.exp2(score - above[:, None])
        fade = tl.exp2(highest - above)
        weight = weight * fade + tl.sum(part, 1)
        total = tl.dot(part.to(value.dtype), value, total * fade[:, None])
        highest = above
    answer = total / weight[:, None]
    tl.store(
        out + first_q + rows[:, None] * heads * WIDTH + width[None, :],
        answer.to(tl.bfloat16),
        mask=(rows < length)[:, None],
    )


@triton.jit
def to_fp8(x, out, scale, size, BLOCK: tl.constexpr):
    """Out [size] fp8 = x [size] bf16 over the one scale, held inside fp8's range."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + i, mask=i < size, other=0.0).to(tl.float32) * (1.0 / tl.load(scale))
    value = tl.minimum(tl.maximum(value, -448.0), 448.0)
    tl.store(out + i, value.to(tl.float8e4nv), mask=i < size)


@triton.jit
def block_scaled_gemm(
    a, b, c, a_scale, b_scale, m, n, k,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, SCALED: tl.constexpr,
):  # fmt: skip
    """C [m, n] bf16 = A [m, k] times B [n, k] in fp8; scales each SCALED of depth, by row of A and SCALED rows of B."""
    tiles_m, tiles_n = tl.cdiv(m, BLOCK_M), tl.cdiv(n, BLOCK_N)
    row, column = _tile_of(tl.program_id(0), tiles_m, tiles_n, 8)
    rows = row * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = column * BLOCK_N + tl.arange(0, BLOCK_N)
    depth = tl.arange(0, BLOCK_K)
    left = a + rows[:, None].to(tl.int64) * k + depth[None, :]
    right = b + columns[None, :].to(tl.int64) * k + depth[:, None]
    runs = tl.cdiv(k, SCALED)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, k, BLOCK_K):
        x = tl.load(left, mask=(rows < m)[:, None], other=0.0)
        y = tl.load(right, mask=(columns < n)[None, :], other=0.0)
        of_rows = tl.load(a_scale + rows * runs + start // SCALED, mask=rows < m, other=0.0)
        of_columns = tl.load(b_scale + columns // SCALED * runs + start // SCALED, mask=columns < n, other=0.0)
        total += tl.dot(x, y) * of_rows[:, None] * of_columns[None, :]
        left += BLOCK_K
        right += BLOCK_K
    out = rows[:, None].to(tl.int64) * n + columns[None, :]
    tl.store(c + out, total.to(tl.bfloat16), mask=(rows < m)[:, None] & (columns < n)[None, :])
