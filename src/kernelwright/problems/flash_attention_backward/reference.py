"""The backward pass of flash attention: the reference.

Three kernels: rowsum(o * dO); dK and dV, one program per tile of keys, which goes over all queries that see them, of
every query head that shares them; dQ, one program per tile of queries. Both make weights again from the log-sum-exp.
"""

# Triton functions take what the language takes.
# ruff: noqa: D103
# mypy: ignore-errors

import torch
import triton
import triton.language as tl


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
def visible(row, key, M, N, CAUSAL: tl.constexpr, WINDOW: tl.constexpr):
    """Return which pairs of queries and keys count; `row` and `key` broadcast to a tile."""
    seen = (row < M) & (key < N)
    if CAUSAL:
        seen = seen & (key <= row + (N - M))
    if WINDOW >= 0:
        seen = seen & (row + (N - M) <= key + WINDOW)
    return seen


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

    low = 0
    if CAUSAL:
        low = tl.maximum(start_n - (N - M), 0) // BLOCK_M * BLOCK_M
    high = M
    if WINDOW >= 0:
        high = tl.minimum(M, start_n + BLOCK_N + WINDOW - (N - M))
    group: tl.constexpr = HEADS // KV_HEADS
    for head in range(kv_head * group, (kv_head + 1) * group):
        for start_m in range(low, high, BLOCK_M):
            row = start_m + tl.arange(0, BLOCK_M)
            in_rows = (row < M)[:, None] & (column < D)[None, :]
            at_rows = ((first_row + row).to(tl.int64) * HEADS + head)[:, None] * D + column[None, :]
            q_tile = tl.load(q + at_rows, mask=in_rows, other=0.0)
            do_tile = tl.load(do + at_rows, mask=in_rows, other=0.0)
            row_lse = tl.load(lse + head * tokens + first_row + row, mask=row < M, other=0.0)
            row_delta = tl.load(delta + head * tokens + first_row + row, mask=row < M, other=0.0)
            s = tl.dot(k_tile, tl.trans(q_tile)) * sm_scale
            p = tl.exp(s - row_lse[None, :])
            p = tl.where(visible(row[None, :], key[:, None], M, N, CAUSAL, WINDOW), p, 0.0)
            dv_tile += tl.dot(p.to(do_tile.dtype), do_tile)
            dp = tl.dot(v_tile, tl.trans(do_tile))
            ds = p * (dp - row_delta[None, :])
            dk_tile += tl.dot(ds.to(q_tile.dtype), q_tile)
    tl.store(dk + at_keys, (dk_tile * sm_scale).to(dk.dtype.element_ty), mask=in_keys)
    tl.store(dv + at_keys, dv_tile.to(dv.dtype.element_ty), mask=in_keys)


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
    row_lse = tl.load(lse + head * tokens + first_row + row, mask=row < M, other=0.0)
    row_delta = tl.load(delta + head * tokens + first_row + row, mask=row < M, other=0.0)
    dq_tile = tl.zeros([BLOCK_M, BLOCK_D], dtype=tl.float32)

    low = 0
    if WINDOW >= 0:
        low = tl.maximum(start_m + (N - M) - WINDOW, 0) // BLOCK_N * BLOCK_N
    high = N
    if CAUSAL:
        high = tl.minimum(N, start_m + BLOCK_M + (N - M))
    kv_head = head // (HEADS // KV_HEADS)
    for start_n in range(low, high, BLOCK_N):
        key = start_n + tl.arange(0, BLOCK_N)
        in_keys = (key < N)[:, None] & (column < D)[None, :]
        at_keys = ((first_key + key).to(tl.int64) * KV_HEADS + kv_head)[:, None] * D + column[None, :]
        k_tile = tl.load(k + at_keys, mask=in_keys, other=0.0)
        v_tile = tl.load(v + at_keys, mask=in_keys, other=0.0)
        s = tl.dot(q_tile, tl.trans(k_tile)) * sm_scale
        p = tl.exp(s - row_lse[:, None])
        p = tl.where(visible(row[:, None], key[None, :], M, N, CAUSAL, WINDOW), p, 0.0)
        dp = tl.dot(do_tile, tl.trans(v_tile))
        ds = p * (dp - row_delta[:, None])
        dq_tile += tl.dot(ds.to(k_tile.dtype), k_tile)
    tl.store(dq + at_rows, (dq_tile * sm_scale).to(dq.dtype.element_ty), mask=in_rows)


def flash_attention_backward(
    do, q, k, v, o, lse, dq, dk, dv, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, sm_scale, causal,
    window_size,
):  # fmt: skip
    """Write the gradients of attention over packed sequences into `dq`, `dk` and `dv`."""
    tokens, heads, width = q.shape
    kv_heads, sequences = k.shape[1], cu_seqlens_q.shape[0] - 1
    block_m = block_n = 64 if width <= 128 else 32
    sizes = {
        "HEADS": heads,
        "KV_HEADS": kv_heads,
        "CAUSAL": causal,
        "WINDOW": window_size,
        "D": width,
        "BLOCK_D": max(triton.next_power_of_2(width), 16),
        "BLOCK_M": block_m,
        "BLOCK_N": block_n,
        "num_warps": 4 if width <= 64 else 8,
    }
    delta = torch.empty((heads, tokens), dtype=torch.float32, device=q.device)
    delta_kernel[(triton.cdiv(tokens, 64), heads)](
        o, do, delta, tokens, HEADS=heads, D=width, BLOCK_D=sizes["BLOCK_D"], BLOCK=64
    )
    dkdv_kernel[(triton.cdiv(max_seqlen_k, block_n), kv_heads, sequences)](
        q, k, v, do, lse, delta, dk, dv, cu_seqlens_q, cu_seqlens_k, sm_scale, tokens, **sizes
    )
    dq_kernel[(triton.cdiv(max_seqlen_q, block_m), heads, sequences)](
        q, k, v, do, lse, delta, dq, cu_seqlens_q, cu_seqlens_k, sm_scale, tokens, **sizes
    )
