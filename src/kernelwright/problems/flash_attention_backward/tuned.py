"""The backward pass of flash attention with masks only where a tile needs one, powers of two, and autotuned tiles."""

# Triton functions take what the language takes.
# ruff: noqa: D103
# mypy: ignore-errors

import torch
import triton
import triton.language as tl


def configs(tiles):
    """Return a configuration for each (BLOCK_M, BLOCK_N)."""
    return [triton.Config({"BLOCK_M": m, "BLOCK_N": n}, num_warps=4) for m, n in tiles]


@triton.jit
def delta_kernel(
    o, do, delta, tokens, HEADS: tl.constexpr, D: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK: tl.constexpr
):
    token = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    head = tl.program_id(1)
    column = tl.arange(0, BLOCK_D)
    at = (token.to(tl.int64) * HEADS + head)[:, None] * D + column[None, :]
    mask = (token < tokens)[:, None] & (column < D)[None, :]
    products = tl.load(o + at, mask=mask, other=0.0).to(tl.float32) * tl.load(do + at, mask=mask, other=0.0).to(
        tl.float32
    )
    tl.store(delta + head * tokens + token, tl.sum(products, 1), mask=token < tokens)


@triton.jit
def visible(row, key, offset, CAUSAL: tl.constexpr, WINDOW: tl.constexpr):
    """Return which pairs causality and window leave; `row` and `key` broadcast to a tile."""
    seen = (row >= 0) & (key >= 0)
    if CAUSAL:
        seen = seen & (key <= row + offset)
    if WINDOW >= 0:
        seen = seen & (row + offset <= key + WINDOW)
    return seen


@triton.jit
def dkdv_rows(
    dk_tile, dv_tile, k_tile, v_tile, q, do, lse, delta, scale, start_n, low, high, M, offset,
    STRIDE: tl.constexpr, CAUSAL: tl.constexpr, WINDOW: tl.constexpr, MASKED: tl.constexpr,
    D: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Return dk and dv of a tile of keys with what rows `low` to `high` of one head add; pointers are at row 0."""
    column = tl.arange(0, BLOCK_D)
    key = start_n + tl.arange(0, BLOCK_N)
    for start_m in range(low, high, BLOCK_M):
        row = start_m + tl.arange(0, BLOCK_M)
        in_rows = (row < M)[:, None] & (column < D)[None, :]
        at_rows = row[:, None] * STRIDE + column[None, :]
        # Rows behind the last are zeros in both, so that they add nothing whatever their weight.
        q_tile = tl.load(q + at_rows, mask=in_rows, other=0.0)
        do_tile = tl.load(do + at_rows, mask=in_rows, other=0.0)
        row_lse = tl.load(lse + row, mask=row < M, other=0.0) * 1.4426950408889634
        row_delta = tl.load(delta + row, mask=row < M, other=0.0)
        p = tl.exp2(tl.dot(k_tile, tl.trans(q_tile)) * scale - row_lse[None, :])
        if MASKED:
            p = tl.where(visible(row[None, :], key[:, None], offset, CAUSAL, WINDOW), p, 0.0)
        dv_tile += tl.dot(p.to(do_tile.dtype), do_tile)
        ds = p * (tl.dot(v_tile, tl.trans(do_tile)) - row_delta[None, :])
        dk_tile += tl.dot(ds.to(q_tile.dtype), q_tile)
    return dk_tile, dv_tile


@triton.autotune(configs([(32, 64), (64, 64), (32, 128)]), key=["D"])
@triton.jit
def dkdv_kernel(
    q, k, v, do, lse, delta, dk, dv, cu_seqlens_q, cu_seqlens_k, sm_scale, tokens,
    HEADS: tl.constexpr, KV_HEADS: tl.constexpr, CAUSAL: tl.constexpr, WINDOW: tl.constexpr,
    D: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    sequence = tl.program_id(2)
    kv_head = tl.program_id(1)
    first_row = tl.load(cu_seqlens_q + sequence)
    M = tl.load(cu_seqlens_q + sequence + 1) - first_row
    first_key = tl.load(cu_seqlens_k + sequence)
    N = tl.load(cu_seqlens_k + sequence + 1) - first_key
    start_n = tl.program_id(0) * BLOCK_N
    if start_n >= N:
        return
    key = start_n + tl.arange(0, BLOCK_N)
    column = tl.arange(0, BLOCK_D)
    in_keys = (key < N)[:, None] & (column < D)[None, :]
    at_keys = ((first_key + key).to(tl.int64) * KV_HEADS + kv_head)[:, None] * D + column[None, :]
    k_tile = tl.load(k + at_keys, mask=in_keys, other=0.0)
    v_tile = tl.load(v + at_keys, mask=in_keys, other=0.0)
    dk_tile = tl.zeros([BLOCK_N, BLOCK_D], dtype=tl.float32)
    dv_tile = tl.zeros([BLOCK_N, BLOCK_D], dtype=tl.float32)

    offset = N - M
    low = 0
    if CAUSAL:
        low = tl.maximum(start_n - offset, 0) // BLOCK_M * BLOCK_M
    high = M
    if WINDOW >= 0:
        high = tl.minimum(M, start_n + BLOCK_N + WINDOW - offset)
    # Rows from here on see every key of the tile.
    whole = low
    if WINDOW >= 0:
        whole = high
    elif CAUSAL:
        whole = tl.maximum(low, tl.cdiv(tl.maximum(start_n + BLOCK_N - 1 - offset, 0), BLOCK_M) * BLOCK_M)
    scale = sm_scale * 1.4426950408889634
    group: tl.constexpr = HEADS // KV_HEADS
    for head in range(kv_head * group, (kv_head + 1) * group):
        rows = (first_row.to(tl.int64) * HEADS + head) * D
        figures = head * tokens + first_row
        dk_tile, dv_tile = dkdv_rows(
            dk_tile, dv_tile, k_tile, v_tile, q + rows, do + rows, lse + figures, delta + figures, scale, start_n,
            low, tl.minimum(whole, high), M, offset, HEADS * D, CAUSAL, WINDOW, True, D, BLOCK_D, BLOCK_M, BLOCK_N,
        )  # fmt: skip
        dk_tile, dv_tile = dkdv_rows(
            dk_tile, dv_tile, k_tile, v_tile, q + rows, do + rows, lse + figures, delta + figures, scale, start_n,
            whole, high, M, offset, HEADS * D, CAUSAL, WINDOW, False, D, BLOCK_D, BLOCK_M, BLOCK_N,
        )  # fmt: skip
    tl.store(dk + at_keys, (dk_tile * sm_scale).to(dk.dtype.element_ty), mask=in_keys)
    tl.store(dv + at_keys, dv_tile.to(dv.dtype.element_ty), mask=in_keys)


@triton.jit
def dq_keys(
    dq_tile, q_tile, do_tile, row_lse, row_delta, k, v, scale, row, low, high, N, offset,
    STRIDE: tl.constexpr, CAUSAL: tl.constexpr, WINDOW: tl.constexpr, MASKED: tl.constexpr,
    D: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Return dq of a tile of queries with what keys `low` to `high` add; pointers are at the sequence's first key."""
    column = tl.arange(0, BLOCK_D)
    for start_n in range(low, high, BLOCK_N):
        key = start_n + tl.arange(0, BLOCK_N)
        in_keys = (key < N)[:, None] & (column < D)[None, :]
        at_keys = key[:, None] * STRIDE + column[None, :]
        k_tile = tl.load(k + at_keys, mask=in_keys, other=0.0)
        v_tile = tl.load(v + at_keys, mask=in_keys, other=0.0)
        p = tl.exp2(tl.dot(q_tile, tl.trans(k_tile)) * scale - row_lse[:, None])
        if MASKED:
            seen = visible(row[:, None], key[None, :], offset, CAUSAL, WINDOW) & (key < N)[None, :]
            p = tl.where(seen, p, 0.0)
        ds = p * (tl.dot(do_tile, tl.trans(v_tile)) - row_delta[:, None])
        dq_tile += tl.dot(ds.to(k_tile.dtype), k_tile)
    return dq_tile


@triton.autotune(configs([(64, 64), (64, 32), (128, 64)]), key=["D"])
@triton.jit
def dq_kernel(
    q, k, v, do, lse, delta, dq, cu_seqlens_q, cu_seqlens_k, sm_scale, tokens,
    HEADS: tl.constexpr, KV_HEADS: tl.constexpr, CAUSAL: tl.constexpr, WINDOW: tl.constexpr,
    D: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    sequence = tl.program_id(2)
    head = tl.program_id(1)
    first_row = tl.load(cu_seqlens_q + sequence)
    M = tl.load(cu_seqlens_q + sequence + 1) - first_row
    first_key = tl.load(cu_seqlens_k + sequence)
    N = tl.load(cu_seqlens_k + sequence + 1) - first_key
    start_m = tl.program_id(0) * BLOCK_M
    if start_m >= M:
        return
    row = start_m + tl.arange(0, BLOCK_M)
    column = tl.arange(0, BLOCK_D)
    in_rows = (row < M)[:, None] & (column < D)[None, :]
    at_rows = ((first_row + row).to(tl.int64) * HEADS + head)[:, None] * D + column[None, :]
    q_tile = tl.load(q + at_rows, mask=in_rows, other=0.0)
    do_tile = tl.load(do + at_rows, mask=in_rows, other=0.0)
    row_lse = tl.load(lse + head * tokens + first_row + row, mask=row < M, other=0.0) * 1.4426950408889634
    row_delta = tl.load(delta + head * tokens + first_row + row, mask=row < M, other=0.0)
    dq_tile = tl.zeros([BLOCK_M, BLOCK_D], dtype=tl.float32)

    offset = N - M
    low = 0
    if WINDOW >= 0:
        low = tl.maximum(start_m + offset - WINDOW, 0) // BLOCK_N * BLOCK_N
    high = N
    if CAUSAL:
        high = tl.minimum(N, start_m + BLOCK_M + offset)
    # Keys up to here are seen by every row of the tile.
    whole = N // BLOCK_N * BLOCK_N
    if WINDOW >= 0:
        whole = low
    elif CAUSAL:
        whole = tl.minimum(start_m + offset + 1, N) // BLOCK_N * BLOCK_N
    scale = sm_scale * 1.4426950408889634
    keys = (first_key.to(tl.int64) * KV_HEADS + head // (HEADS // KV_HEADS)) * D
    dq_tile = dq_keys(
        dq_tile, q_tile, do_tile, row_lse, row_delta, k + keys, v + keys, scale, row, low, whole, N, offset,
        KV_HEADS * D, CAUSAL, WINDOW, False, D, BLOCK_D, BLOCK_N,
    )  # fmt: skip
    dq_tile = dq_keys(
        dq_tile, q_tile, do_tile, row_lse, row_delta, k + keys, v + keys, scale, row, whole, high, N, offset,
        KV_HEADS * D, CAUSAL, WINDOW, True, D, BLOCK_D, BLOCK_N,
    )  # fmt: skip
    tl.store(dq + at_rows, (dq_tile * sm_scale).to(dq.dtype.element_ty), mask=in_rows)


def flash_attention_backward(
    do, q, k, v, o, lse, dq, dk, dv, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, sm_scale, causal,
    window_size,
):  # fmt: skip
    """Write the gradients of attention over packed sequences into `dq`, `dk` and `dv`."""
    tokens, heads, width = q.shape
    kv_heads, sequences = k.shape[1], cu_seqlens_q.shape[0] - 1
    block_d = max(triton.next_power_of_2(width), 16)
    sizes = {
        "HEADS": heads,
        "KV_HEADS": kv_heads,
        "CAUSAL": causal,
        "WINDOW": window_size,
        "D": width,
        "BLOCK_D": block_d,
    }
    delta = torch.empty((heads, tokens), dtype=torch.float32, device=q.device)
    delta_kernel[(triton.cdiv(tokens, 64), heads)](
        o, do, delta, tokens, HEADS=heads, D=width, BLOCK_D=block_d, BLOCK=64
    )
    dkdv_kernel[lambda config: (triton.cdiv(max_seqlen_k, config["BLOCK_N"]), kv_heads, sequences)](
        q, k, v, do, lse, delta, dk, dv, cu_seqlens_q, cu_seqlens_k, sm_scale, tokens, **sizes
    )
    dq_kernel[lambda config: (triton.cdiv(max_seqlen_q, config["BLOCK_M"]), heads, sequences)](
        q, k, v, do, lse, delta, dq, cu_seqlens_q, cu_seqlens_k, sm_scale, tokens, **sizes
    )
