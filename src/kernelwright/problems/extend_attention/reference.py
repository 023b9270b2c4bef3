"""Extend attention: new tokens of several requests attend to their cached prefix and to each other.

Two stages per program: online softmax over the prefix, gathered from the pool slot by slot, then
over the new tokens up to the diagonal. One program per (request, query head, tile of queries);
programs of tiles beyond a request's length run like any other.
"""

# Imports are those a candidate may have, and Triton functions take what the language takes.
# ruff: noqa: D103, PLR0915, SIM102
# mypy: ignore-errors

import math

import triton
import triton.language as tl

EXIT_EMPTY_TILES = False


def choose_tiles(q_extend, kv_indices, qo_indptr, max_len_extend):
    """Return BLOCK_M, BLOCK_N, warps and stages: the rule for compute capability 8.9."""
    width = q_extend.shape[2]
    warps = 4 if width <= 64 else 8
    if width <= 128:
        return 64, 128, warps, 1
    if width <= 256:
        return 64, 64, warps, 1
    return 32, 32, warps, 1


@triton.jit
def softmax_step(qk, e_max, deno):
    """Return weights, factor of what was summed before, and the new running maximum and denominator."""
    row_max = tl.max(qk, 1)
    # A row whose keys are all hidden so far has no maximum; -inf minus -inf would be NaN.
    row_max = tl.where(row_max == float("-inf"), -1e20, row_max)
    n_e_max = tl.maximum(row_max, e_max)
    re_scale = tl.exp(e_max - n_e_max)
    p = tl.exp(qk - n_e_max[:, None])
    return p, re_scale, n_e_max, deno * re_scale + tl.sum(p, 1)


@triton.jit
def capped(qk, LOGIT_CAP: tl.constexpr):
    """Return cap * tanh(qk / cap)."""
    return LOGIT_CAP * (2.0 / (1.0 + tl.exp(-2.0 * qk / LOGIT_CAP)) - 1.0)


@triton.jit
def extend_kernel(
    Q_Extend,
    K_Extend,
    V_Extend,
    O_Extend,
    K_Buffer,
    V_Buffer,
    qo_indptr,
    kv_indptr,
    kv_indices,
    custom_mask,
    mask_indptr,
    sinks,
    sm_scale,
    k_scale,
    v_scale,
    kv_group_num,
    stride_qbs,
    stride_qh,
    stride_kbs,
    stride_kh,
    stride_vbs,
    stride_vh,
    stride_obs,
    stride_oh,
    stride_buf_kbs,
    stride_buf_kh,
    stride_buf_vbs,
    stride_buf_vh,
    LOGIT_CAP: tl.constexpr,
    WINDOW: tl.constexpr,
    Lq: tl.constexpr,
    Lv: tl.constexpr,
    BLOCK_DMODEL: tl.constexpr,
    BLOCK_DPE: tl.constexpr,
    BLOCK_DV: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    USE_CUSTOM_MASK: tl.constexpr,
    SKIP_PREFIX_CUSTOM_MASK: tl.constexpr,
    IS_CAUSAL: tl.constexpr,
    HAS_SINK: tl.constexpr,
    EXIT_EMPTY: tl.constexpr,
):
    seq = tl.program_id(0)
    head = tl.program_id(1)
    block_m = tl.program_id(2)
    kv_head = head // kv_group_num

    extend_start = tl.load(qo_indptr + seq)
    extend_len = tl.load(qo_indptr + seq + 1) - extend_start
    prefix_start = tl.load(kv_indptr + seq)
    prefix_len = tl.load(kv_indptr + seq + 1) - prefix_start
    if EXIT_EMPTY:
        if block_m * BLOCK_M >= extend_len:
            return
    mask_start = tl.zeros([], dtype=tl.int64)
    if USE_CUSTOM_MASK:
        mask_start = tl.load(mask_indptr + seq)

    offs_d = tl.arange(0, BLOCK_DMODEL)
    offs_dv = tl.arange(0, BLOCK_DV)
    offs_n = tl.arange(0, BLOCK_N)
    offs_row = block_m * BLOCK_M + tl.arange(0, BLOCK_M)
    mask_m = offs_row < extend_len
    mask_d = offs_d < Lq
    mask_dv = offs_dv < Lv
    row = (extend_start + offs_row).to(tl.int64)

    q = tl.load(
        Q_Extend + row[:, None] * stride_qbs + head * stride_qh + offs_d[None, :],
        mask=mask_m[:, None] & mask_d[None, :],
        other=0.0,
    )
    if BLOCK_DPE > 0:
        offs_dpe = BLOCK_DMODEL + tl.arange(0, BLOCK_DPE)
        qpe = tl.load(
            Q_Extend + row[:, None] * stride_qbs + head * stride_qh + offs_dpe[None, :],
            mask=mask_m[:, None] & (offs_dpe < Lq)[None, :],
            other=0.0,
        )

    acc = tl.zeros([BLOCK_M, BLOCK_DV], dtype=tl.float32)
    deno = tl.zeros([BLOCK_M], dtype=tl.float32)
    e_max = tl.zeros([BLOCK_M], dtype=tl.float32) - float("inf")

    # Stage 1: the prefix.
    for start_n in range(0, prefix_len, BLOCK_N):
        key = start_n + offs_n
        mask_n = key < prefix_len
        final_mask = mask_m[:, None] & mask_n[None, :]
        if USE_CUSTOM_MASK:
            if not SKIP_PREFIX_CUSTOM_MASK:
                custom = tl.load(
                    custom_mask + mask_start + offs_row[:, None] * (prefix_len + extend_len) + key[None, :],
                    mask=final_mask,
                    other=0,
                )
                final_mask = final_mask & (custom != 0)
        if WINDOW >= 0:
            final_mask = final_mask & ((prefix_len + offs_row)[:, None] <= (key + WINDOW)[None, :])
        live = True
        if WINDOW >= 0 or (USE_CUSTOM_MASK and not SKIP_PREFIX_CUSTOM_MASK):
            live = tl.max(tl.max(final_mask.to(tl.int32), 1), 0) != 0
        if live:
            slot = tl.load(kv_indices + prefix_start + key, mask=mask_n, other=0)
            k = tl.load(
                K_Buffer + slot[None, :] * stride_buf_kbs + kv_head * stride_buf_kh + offs_d[:, None],
                mask=mask_n[None, :] & mask_d[:, None],
                other=0.0,
            )
            qk = tl.dot(q, k.to(q.dtype))
            if BLOCK_DPE > 0:
                kpe = tl.load(
                    K_Buffer + slot[None, :] * stride_buf_kbs + kv_head * stride_buf_kh + offs_dpe[:, None],
                    mask=mask_n[None, :] & (offs_dpe < Lq)[:, None],
                    other=0.0,
                )
                qk += tl.dot(qpe, kpe.to(qpe.dtype))
            qk *= sm_scale * k_scale
            if LOGIT_CAP > 0:
                qk = capped(qk, LOGIT_CAP)
            qk = tl.where(final_mask, qk, float("-inf"))
            p, re_scale, e_max, deno = softmax_step(qk, e_max, deno)
            v = tl.load(
                V_Buffer + slot[:, None] * stride_buf_vbs + kv_head * stride_buf_vh + offs_dv[None, :],
                mask=mask_n[:, None] & mask_dv[None, :],
                other=0.0,
            )
            acc = acc * re_scale[:, None] + tl.dot(p.to(q.dtype), v.to(q.dtype)) * v_scale

    # Stage 2: the new tokens, up to the diagonal of this tile unless a mask replaces causality.
    end_n = extend_len
    if IS_CAUSAL and not USE_CUSTOM_MASK:
        end_n = tl.minimum(extend_len, (block_m + 1) * BLOCK_M)
    for start_n in range(0, end_n, BLOCK_N):
        key = start_n + offs_n
        mask_n = key < end_n
        final_mask = mask_m[:, None] & mask_n[None, :]
        if USE_CUSTOM_MASK:
            custom = tl.load(
                custom_mask + mask_start + offs_row[:, None] * (prefix_len + extend_len) + (prefix_len + key)[None, :],
                mask=final_mask,
                other=0,
            )
            final_mask = final_mask & (custom != 0)
        elif IS_CAUSAL:
            final_mask = final_mask & (offs_row[:, None] >= key[None, :])
        if WINDOW >= 0:
            final_mask = final_mask & (offs_row[:, None] <= (key + WINDOW)[None, :])
        live = True
        if WINDOW >= 0 or USE_CUSTOM_MASK:
            live = tl.max(tl.max(final_mask.to(tl.int32), 1), 0) != 0
        if live:
            row_n = (extend_start + key).to(tl.int64)
            k = tl.load(
                K_Extend + row_n[None, :] * stride_kbs + kv_head * stride_kh + offs_d[:, None],
                mask=mask_n[None, :] & mask_d[:, None],
                other=0.0,
            )
            qk = tl.dot(q, k)
            if BLOCK_DPE > 0:
                kpe = tl.load(
                    K_Extend + row_n[None, :] * stride_kbs + kv_head * stride_kh + offs_dpe[:, None],
                    mask=mask_n[None, :] & (offs_dpe < Lq)[:, None],
                    other=0.0,
                )
                qk += tl.dot(qpe, kpe)
            qk *= sm_scale
            if LOGIT_CAP > 0:
                qk = capped(qk, LOGIT_CAP)
            qk = tl.where(final_mask, qk, float("-inf"))
            p, re_scale, e_max, deno = softmax_step(qk, e_max, deno)
            v = tl.load(
                V_Extend + row_n[:, None] * stride_vbs + kv_head * stride_vh + offs_dv[None, :],
                mask=mask_n[:, None] & mask_dv[None, :],
                other=0.0,
            )
            acc = acc * re_scale[:, None] + tl.dot(p.to(v.dtype), v)

    if HAS_SINK:
        sink = tl.load(sinks + head).to(tl.float32)
        deno += tl.exp(sink - e_max)
    out = acc / deno[:, None]
    tl.store(
        O_Extend + row[:, None] * stride_obs + head * stride_oh + offs_dv[None, :],
        out.to(O_Extend.dtype.element_ty),
        mask=mask_m[:, None] & mask_dv[None, :],
    )


def split_width(width):
    """Return two powers of two that hold `width`, the second 0 when one is enough without waste."""
    if width in (288, 576, 192):
        main = triton.next_power_of_2(width) // 2
        return main, triton.next_power_of_2(width - main)
    return max(triton.next_power_of_2(width), 16), 0


def extend_attention_fwd(
    q_extend,
    k_extend,
    v_extend,
    o_extend,
    k_buffer,
    v_buffer,
    qo_indptr,
    kv_indptr,
    kv_indices,
    custom_mask,
    is_causal,
    mask_indptr,
    max_len_extend,
    k_scale,
    v_scale,
    sm_scale=None,
    logit_cap=0.0,
    skip_prefix_custom_mask=True,
    sliding_window_size=-1,
    sinks=None,
):
    """Write attention of the new tokens over prefix and themselves into `o_extend`."""
    width, v_width = q_extend.shape[2], v_extend.shape[2]
    heads, requests = q_extend.shape[1], qo_indptr.shape[0] - 1
    block_m, block_n, warps, stages = choose_tiles(q_extend, kv_indices, qo_indptr, max_len_extend)
    block_d, block_dpe = split_width(width)
    if max_len_extend == 0:
        return
    extend_kernel[(requests, heads, triton.cdiv(max_len_extend, block_m))](
        q_extend,
        k_extend,
        v_extend,
        o_extend,
        k_buffer,
        v_buffer,
        qo_indptr,
        kv_indptr,
        kv_indices,
        custom_mask,
        mask_indptr,
        sinks,
        sm_scale if sm_scale is not None else 1.0 / math.sqrt(width),
        k_scale,
        v_scale,
        heads // k_extend.shape[1],
        q_extend.stride(0),
        q_extend.stride(1),
        k_extend.stride(0),
        k_extend.stride(1),
        v_extend.stride(0),
        v_extend.stride(1),
        o_extend.stride(0),
        o_extend.stride(1),
        k_buffer.stride(0),
        k_buffer.stride(1),
        v_buffer.stride(0),
        v_buffer.stride(1),
        LOGIT_CAP=logit_cap,
        WINDOW=sliding_window_size,
        Lq=width,
        Lv=v_width,
        BLOCK_DMODEL=block_d,
        BLOCK_DPE=block_dpe,
        BLOCK_DV=max(triton.next_power_of_2(v_width), 16),
        BLOCK_M=block_m,
        BLOCK_N=block_n,
        USE_CUSTOM_MASK=custom_mask is not None,
        SKIP_PREFIX_CUSTOM_MASK=skip_prefix_custom_mask,
        IS_CAUSAL=is_causal,
        HAS_SINK=sinks is not None,
        EXIT_EMPTY=EXIT_EMPTY_TILES,
        num_warps=warps,
        num_stages=stages,
    )
