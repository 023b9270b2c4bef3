# mypy: ignore-errors
"""The reference with the heads of a program and the tokens that it goes through chosen, autotuned."""

import torch
import triton
import triton.language as tl

CONFIGS = [
    triton.Config({"HEADS": heads, "TOKENS": tokens}, num_warps=4)
    for heads, tokens in ((1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (4, 8), (8, 8), (16, 8))
]


@triton.jit
def as_cached(x, scale, FP8: tl.constexpr):
    """Return `x` as the cache holds it; fp8 saturates."""
    return tl.minimum(tl.maximum(x / scale, -448.0), 448.0) if FP8 else x


@triton.jit
def rope_token(
    token, q, k, v, cos_sin, positions, slot_mapping, k_cache, v_cache, k_scale, v_scale,
    q_heads, kv_heads, width, pairs, page,
    stride_q, stride_k, stride_v, stride_table, stride_page, stride_slot, stride_head,
    NEOX: tl.constexpr, FP8: tl.constexpr, HEADS: tl.constexpr, PAIRS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Rotate some heads of queries of one token, or rotate and write some of its keys, and values."""
    pair = tl.arange(0, PAIRS)
    table = cos_sin + tl.load(positions + token) * stride_table + pair
    cos = tl.load(table, mask=pair < pairs, other=0.0).to(tl.float32)[None, :]
    sin = tl.load(table + pairs, mask=pair < pairs, other=0.0).to(tl.float32)[None, :]
    first = (pair if NEOX else 2 * pair)[None, :]
    second = (pair + pairs if NEOX else 2 * pair + 1)[None, :]
    q_blocks = tl.cdiv(q_heads, HEADS)
    if tl.program_id(1) < q_blocks:
        head = tl.program_id(1) * HEADS + tl.arange(0, HEADS)[:, None]
        inside = (head < q_heads) & (pair < pairs)[None, :]
        row = q + token * stride_q + head * width
        x = tl.load(row + first, mask=inside, other=0.0).to(tl.float32)
        y = tl.load(row + second, mask=inside, other=0.0).to(tl.float32)
        tl.store(row + first, (x * cos - y * sin).to(q.dtype.element_ty), mask=inside)
        tl.store(row + second, (y * cos + x * sin).to(q.dtype.element_ty), mask=inside)
    else:
        slot = tl.load(slot_mapping + token)
        head = (tl.program_id(1) - q_blocks) * HEADS + tl.arange(0, HEADS)[:, None]
        place = slot // page * stride_page + slot % page * stride_slot + head * stride_head
        inside = (head < kv_heads) & (pair < pairs)[None, :]
        row = k + token * stride_k + head * width
        x = tl.load(row + first, mask=inside, other=0.0).to(tl.float32)
        y = tl.load(row + second, mask=inside, other=0.0).to(tl.float32)
        turned_x, turned_y = x * cos - y * sin, y * cos + x * sin
        tl.store(row + first, turned_x.to(k.dtype.element_ty), mask=inside)
        tl.store(row + second, turned_y.to(k.dtype.element_ty), mask=inside)
        if slot >= 0:
            kind = k_cache.dtype.element_ty
            tl.store(k_cache + place + first, as_cached(turned_x, k_scale, FP8).to(kind), mask=inside)
            tl.store(k_cache + place + second, as_cached(turned_y, k_scale, FP8).to(kind), mask=inside)
            column = tl.arange(0, WIDTH)[None, :]
            whole = (head < kv_heads) & (column < width)
            if 2 * pairs < width:
                passed = whole & (column >= 2 * pairs)
                rest = tl.load(row + column, mask=passed, other=0.0).to(tl.float32)
                tl.store(k_cache + place + column, as_cached(rest, k_scale, FP8).to(kind), mask=passed)
            values = tl.load(v + token * stride_v + head * width + column, mask=whole, other=0.0).to(tl.float32)
            tl.store(v_cache + place + column, as_cached(values, v_scale, FP8).to(kind), mask=whole)


@triton.autotune(CONFIGS, key=["tokens", "q_heads", "kv_heads", "width", "pairs"])
@triton.jit
def rope_kv_kernel(
    q, k, v, cos_sin, positions, slot_mapping, k_cache, v_cache, k_scale, v_scale,
    tokens, q_heads, kv_heads, width, pairs, page,
    stride_q, stride_k, stride_v, stride_table, stride_page, stride_slot, stride_head,
    NEOX: tl.constexpr, FP8: tl.constexpr, PAIRS: tl.constexpr, WIDTH: tl.constexpr,
    HEADS: tl.constexpr, TOKENS: tl.constexpr,
):  # fmt: skip
    """Go through `TOKENS` tokens."""
    start = tl.program_id(0).to(tl.int64) * TOKENS
    for token in range(start, min(start + TOKENS, tokens)):
        rope_token(
            token, q, k, v, cos_sin, positions, slot_mapping, k_cache, v_cache, k_scale, v_scale,
            q_heads, kv_heads, width, pairs, page,
            stride_q, stride_k, stride_v, stride_table, stride_page, stride_slot, stride_head,
            NEOX, FP8, HEADS, PAIRS, WIDTH,
        )  # fmt: skip


def rope_kv_write(q, k, v, cos_sin, positions, slot_mapping, k_cache, v_cache, k_scale, v_scale, is_neox):
    """Rotate `q` and `k` in place; write `k` and `v` to the slots of `slot_mapping`, -1 being none."""
    tokens, q_heads, width = q.shape
    kv_heads = k.shape[1]
    pairs = cos_sin.shape[1] // 2
    rope_kv_kernel[
        lambda config: (
            triton.cdiv(tokens, config["TOKENS"]),
            triton.cdiv(q_heads, config["HEADS"]) + triton.cdiv(kv_heads, config["HEADS"]),
        )
    ](
        q, k, v, cos_sin, positions, slot_mapping, k_cache, v_cache, k_scale, v_scale,
        tokens, q_heads, kv_heads, width, pairs, k_cache.shape[1],
        q.stride(0), k.stride(0), v.stride(0), cos_sin.stride(0),
        k_cache.stride(0), k_cache.stride(1), k_cache.stride(2),
        NEOX=is_neox, FP8=k_cache.dtype == torch.float8_e4m3fn,
        PAIRS=triton.next_power_of_2(pairs), WIDTH=triton.next_power_of_2(width),
    )  # fmt: skip
