"""Paged decode attention: the reference.

One program per (request, key/value head, tile of the query heads that share it); it goes over the whole context once
with an online softmax in fp32. Pages are looked up token by token.
"""

# Triton functions take what the language takes.
# ruff: noqa: D103
# mypy: ignore-errors

import triton
import triton.language as tl


@triton.jit
def decode_kernel(
    q,
    k_cache,
    v_cache,
    out,
    block_tables,
    seq_lens,
    sinks,
    qk_scale,
    v_scale,
    table_width,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    PAGE: tl.constexpr,
    LOGIT_CAP: tl.constexpr,
    WINDOW: tl.constexpr,
    HAS_SINK: tl.constexpr,
    Dqk: tl.constexpr,
    Dv: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_DPE: tl.constexpr,
    BLOCK_DV: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    request = tl.program_id(0)
    kv_head = tl.program_id(1)
    group: tl.constexpr = HEADS // KV_HEADS
    in_group = tl.program_id(2) * BLOCK_H + tl.arange(0, BLOCK_H)
    mask_h = in_group < group
    head = kv_head * group + in_group
    length = tl.load(seq_lens + request)
    first = 0
    if WINDOW >= 0:
        first = tl.maximum(length - 1 - WINDOW, 0)

    offs_d = tl.arange(0, BLOCK_D)
    offs_dv = tl.arange(0, BLOCK_DV)
    mask_d = offs_d < Dqk
    mask_dv = offs_dv < Dv
    q_row = (request * HEADS + head) * Dqk
    q_tile = tl.load(q + q_row[:, None] + offs_d[None, :], mask=mask_h[:, None] & mask_d[None, :], other=0.0)
    if BLOCK_DPE > 0:
        offs_pe = BLOCK_D + tl.arange(0, BLOCK_DPE)
        mask_pe = offs_pe < Dqk
        q_pe = tl.load(q + q_row[:, None] + offs_pe[None, :], mask=mask_h[:, None] & mask_pe[None, :], other=0.0)

    acc = tl.zeros([BLOCK_H, BLOCK_DV], dtype=tl.float32)
    deno = tl.zeros([BLOCK_H], dtype=tl.float32)
    e_max = tl.full([BLOCK_H], float("-inf"), dtype=tl.float32)
    for start in range(first // BLOCK_N * BLOCK_N, length, BLOCK_N):
        position = start + tl.arange(0, BLOCK_N)
        seen = (position >= first) & (position < length)
        page = tl.load(block_tables + request * table_width + position // PAGE, mask=seen, other=0)
        row = (page.to(tl.int64) * PAGE + position % PAGE) * KV_HEADS + kv_head
        k = tl.load(k_cache + row[None, :] * Dqk + offs_d[:, None], mask=seen[None, :] & mask_d[:, None], other=0.0)
        qk = tl.dot(q_tile, k.to(q_tile.dtype))
        if BLOCK_DPE > 0:
            k_pe = tl.load(
                k_cache + row[None, :] * Dqk + offs_pe[:, None], mask=seen[None, :] & mask_pe[:, None], other=0.0
            )
            qk += tl.dot(q_pe, k_pe.to(q_tile.dtype))
        qk *= qk_scale
        if LOGIT_CAP > 0:
            qk = LOGIT_CAP * (2.0 / (1.0 + tl.exp(-2.0 * qk / LOGIT_CAP)) - 1.0)
        qk = tl.where(seen[None, :], qk, float("-inf"))
        new_max = tl.maximum(e_max, tl.max(qk, 1))
        rescale = tl.exp(e_max - new_max)
        p = tl.exp(qk - new_max[:, None])
        deno = deno * rescale + tl.sum(p, 1)
        v = tl.load(v_cache + row[:, None] * Dv + offs_dv[None, :], mask=seen[:, None] & mask_dv[None, :], other=0.0)
        acc = acc * rescale[:, None] + tl.dot(p.to(q_tile.dtype), v.to(q_tile.dtype))
        e_max = new_max

    if HAS_SINK:
        deno += tl.exp(tl.load(sinks + head, mask=mask_h, other=0.0).to(tl.float32) - e_max)
    # A request without tokens has nothing to divide by and gets zeros.
    answer = acc * v_scale / tl.where(deno > 0, deno, 1.0)[:, None]
    tl.store(
        out + ((request * HEADS + head) * Dv)[:, None] + offs_dv[None, :],
        answer.to(out.dtype.element_ty),
        mask=mask_h[:, None] & mask_dv[None, :],
    )


def split_width(width):
    """Return two powers of two that hold `width`, the second 0 when one is enough without much waste."""
    whole = max(triton.next_power_of_2(width), 16)
    if whole == width or 4 * width > 3 * whole:
        return whole, 0
    return whole // 2, max(triton.next_power_of_2(width - whole // 2), 16)


def paged_decode_attention(
    q,
    k_cache,
    v_cache,
    out,
    block_tables,
    seq_lens,
    max_seq_len,
    sm_scale,
    k_scale,
    v_scale,
    logit_cap,
    window_size,
    sinks,
):
    """Write attention of one query token per request over its pages into `out`."""
    requests, heads, width = q.shape
    page, kv_heads, v_width = k_cache.shape[1], k_cache.shape[2], v_cache.shape[3]
    block_d, block_dpe = split_width(width)
    block_h = 16
    grid = (requests, kv_heads, triton.cdiv(heads // kv_heads, block_h))
    decode_kernel[grid](
        q,
        k_cache,
        v_cache,
        out,
        block_tables,
        seq_lens,
        sinks,
        sm_scale * k_scale,
        v_scale,
        block_tables.shape[1],
        HEADS=heads,
        KV_HEADS=kv_heads,
        PAGE=page,
        LOGIT_CAP=logit_cap,
        WINDOW=window_size,
        HAS_SINK=sinks is not None,
        Dqk=width,
        Dv=v_width,
        BLOCK_D=block_d,
        BLOCK_DPE=block_dpe,
        BLOCK_DV=max(triton.next_power_of_2(v_width), 16),
        BLOCK_H=block_h,
        BLOCK_N=32 if width > 256 else 64,
        num_warps=4,
    )
