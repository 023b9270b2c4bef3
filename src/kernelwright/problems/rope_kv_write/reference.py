# mypy: ignore-errors
"""Rotary embedding and cache write, one token a program: the reference."""

import torch
import triton
import triton.language as tl


@triton.jit
def as_cached(x, scale, FP8: tl.constexpr):
    """Return `x` as the cache holds it; fp8 saturates."""
    return tl.minimum(tl.maximum(x / scale, -448.0), 448.0) if FP8 else x


@triton.jit
def rope_kv_kernel(
    q, k, v, cos_sin, positions, slot_mapping, k_cache, v_cache, k_scale, v_scale,
    q_heads, kv_heads, width, pairs, page,
    stride_q, stride_k, stride_v, stride_table, stride_page, stride_slot, stride_head,
    NEOX: tl.constexpr, FP8: tl.constexpr, Q_HEADS: tl.constexpr, KV_HEADS: tl.constexpr,
    PAIRS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Rotate all heads of one token in place, and write its keys and values if it has a slot."""
    token = tl.program_id(0).to(tl.int64)
    pair = tl.arange(0, PAIRS)
    table = cos_sin + tl.load(positions + token) * stride_table + pair
    cos = tl.load(table, mask=pair < pairs, other=0.0).to(tl.float32)[None, :]
    sin = tl.load(table + pairs, mask=pair < pairs, other=0.0).to(tl.float32)[None, :]
    first = pair if NEOX else 2 * pair
    second = pair + pairs if NEOX else 2 * pair + 1

    head = tl.arange(0, Q_HEADS)[:, None]
    inside = (head < q_heads) & (pair < pairs)[None, :]
    row = q + token * stride_q + head * width
    x = tl.load(row + first[None, :], mask=inside, other=0.0).to(tl.float32)
    y = tl.load(row + second[None, :], mask=inside, other=0.0).to(tl.float32)
    tl.store(row + first[None, :], (x * cos - y * sin).to(q.dtype.element_ty), mask=inside)
    tl.store(row + second[None, :], (y * cos + x * sin).to(q.dtype.element_ty), mask=inside)

    slot = tl.load(slot_mapping + token)
    place = slot // page * stride_page + slot % page * stride_slot
    head = tl.arange(0, KV_HEADS)[:, None]
    inside = (head < kv_heads) & (pair < pairs)[None, :]
    row = k + token * stride_k + head * width
    x = tl.load(row + first[None, :], mask=inside, other=0.0).to(tl.float32)
    y = tl.load(row + second[None, :], mask=inside, other=0.0).to(tl.float32)
    turned_x = x * cos - y * sin
    turned_y = y * cos + x * sin
    tl.store(row + first[None, :], turned_x.to(k.dtype.element_ty), mask=inside)
    tl.store(row + second[None, :], turned_y.to(k.dtype.element_ty), mask=inside)
    cached = k_cache + place + head * stride_head
    written = inside & (slot >= 0)
    tl.store(cached + first[None, :], as_cached(turned_x, k_scale, FP8).to(k_cache.dtype.element_ty), mask=written)
    tl.store(cached + second[None, :], as_cached(turned_y, k_scale, FP8).to(k_cache.dtype.element_ty), mask=written)

    column = tl.arange(0, WIDTH)[None, :]
    written = (head < kv_heads) & (column < width) & (slot >= 0)
    passed = written & (column >= 2 * pairs)
    x = tl.load(row + column, mask=passed, other=0.0).to(tl.float32)
    tl.store(cached + column, as_cached(x, k_scale, FP8).to(k_cache.dtype.element_ty), mask=passed)
    x = tl.load(v + token * stride_v + head * width + column, mask=written, other=0.0).to(tl.float32)
    cached = v_cache + place + head * stride_head
    tl.store(cached + column, as_cached(x, v_scale, FP8).to(v_cache.dtype.element_ty), mask=written)


def rope_kv_write(q, k, v, cos_sin, positions, slot_mapping, k_cache, v_cache, k_scale, v_scale, is_neox):
    """Rotate `q` and `k` in place; write `k` and `v` to the slots of `slot_mapping`, -1 being none."""
    tokens, q_heads, width = q.shape
    kv_heads = k.shape[1]
    pairs = cos_sin.shape[1] // 2
    rope_kv_kernel[(tokens,)](
        q, k, v, cos_sin, positions, slot_mapping, k_cache, v_cache, k_scale, v_scale,
        q_heads, kv_heads, width, pairs, k_cache.shape[1],
        q.stride(0), k.stride(0), v.stride(0), cos_sin.stride(0),
        k_cache.stride(0), k_cache.stride(1), k_cache.stride(2),
        NEOX=is_neox, FP8=k_cache.dtype == torch.float8_e4m3fn,
        Q_HEADS=triton.next_power_of_2(q_heads), KV_HEADS=triton.next_power_of_2(kv_heads),
        PAIRS=triton.next_power_of_2(pairs), WIDTH=triton.next_power_of_2(width), num_warps=4,
    )  # fmt: skip
