"""Paged decode attention with long contexts split over programs, autotuned.

Every program takes one part of a request's context and leaves a partial answer with its maximum and denominator; a
second kernel merges them. Requests that fit one part are written at once. Programs are planned from the lengths,
longest first.
"""

# Triton functions take what the language takes.
# ruff: noqa: D103, PLR0915
# mypy: ignore-errors

import torch
import triton
import triton.language as tl

LOG2E = 1.4426950408889634
# Parts of contexts are multiples of this, and there are about this many programs where lengths allow it.
PART, PROGRAMS = 256, 64

CONFIGS = [triton.Config({"BLOCK_N": n}, num_warps=warps) for n in (32, 64, 128) for warps in (4,)]


@triton.autotune(CONFIGS, key=["PART_LEN"])
@triton.jit
def part_kernel(
    q,
    k_cache,
    v_cache,
    out,
    partial,
    weights,
    block_tables,
    seq_lens,
    sinks,
    plan,
    qk_scale,
    v_scale,
    table_width,
    PART_LEN,
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
    entry = tl.program_id(0) * 4
    kv_head = tl.program_id(1)
    request = tl.load(plan + entry)
    part_start = tl.load(plan + entry + 1)
    place = tl.load(plan + entry + 2)
    alone = tl.load(plan + entry + 3)
    group: tl.constexpr = HEADS // KV_HEADS
    in_group = tl.program_id(2) * BLOCK_H + tl.arange(0, BLOCK_H)
    mask_h = in_group < group
    head = kv_head * group + in_group
    length = tl.load(seq_lens + request)
    first = part_start
    if WINDOW >= 0:
        first = tl.maximum(first, length - 1 - WINDOW)
    last = tl.minimum(part_start + PART_LEN, length)

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
    for start in range(first, last, BLOCK_N):
        position = start + tl.arange(0, BLOCK_N)
        seen = position < last
        page = tl.load(block_tables + request * table_width + position // PAGE, mask=seen, other=0)
        row = (page.to(tl.int64) * PAGE + position % PAGE) * KV_HEADS + kv_head
        k = tl.load(k_cache + row[None, :] * Dqk + offs_d[:, None], mask=seen[None, :] & mask_d[:, None], other=0.0)
        qk = tl.dot(q_tile, k.to(q_tile.dtype))
        if BLOCK_DPE > 0:
            k_pe = tl.load(
                k_cache + row[None, :] * Dqk + offs_pe[:, None], mask=seen[None, :] & mask_pe[:, None], other=0.0
            )
            qk += tl.dot(q_pe, k_pe.to(q_tile.dtype))
        # Logits from here on are in powers of two.
        qk *= qk_scale
        if LOGIT_CAP > 0:
            qk = LOGIT_CAP * (2.0 / (1.0 + tl.exp(-2.0 * qk / LOGIT_CAP)) - 1.0) * 1.4426950408889634
        qk = tl.where(seen[None, :], qk, float("-inf"))
        new_max = tl.maximum(e_max, tl.max(qk, 1))
        rescale = tl.exp2(e_max - new_max)
        p = tl.exp2(qk - new_max[:, None])
        deno = deno * rescale + tl.sum(p, 1)
        v = tl.load(v_cache + row[:, None] * Dv + offs_dv[None, :], mask=seen[:, None] & mask_dv[None, :], other=0.0)
        acc = acc * rescale[:, None] + tl.dot(p.to(q_tile.dtype), v.to(q_tile.dtype))
        e_max = new_max

    mask_o = mask_h[:, None] & mask_dv[None, :]
    if alone != 0:
        if HAS_SINK:
            sink = tl.load(sinks + head, mask=mask_h, other=0.0).to(tl.float32)
            deno += tl.exp2(sink * 1.4426950408889634 - e_max)
        answer = acc * v_scale / tl.where(deno > 0, deno, 1.0)[:, None]
        tl.store(
            out + ((request * HEADS + head) * Dv)[:, None] + offs_dv[None, :],
            answer.to(out.dtype.element_ty),
            mask=mask_o,
        )
    else:
        tl.store(partial + ((place * HEADS + head) * Dv)[:, None] + offs_dv[None, :], acc, mask=mask_o)
        tl.store(weights + (place * HEADS + head) * 2, e_max, mask=mask_h)
        tl.store(weights + (place * HEADS + head) * 2 + 1, deno, mask=mask_h)


@triton.jit
def merge_kernel(
    out,
    partial,
    weights,
    sinks,
    plan,
    v_scale,
    HEADS: tl.constexpr,
    HAS_SINK: tl.constexpr,
    Dv: tl.constexpr,
    BLOCK_DV: tl.constexpr,
):
    entry = tl.program_id(0) * 3
    head = tl.program_id(1)
    request = tl.load(plan + entry)
    first = tl.load(plan + entry + 1)
    parts = tl.load(plan + entry + 2)
    offs_dv = tl.arange(0, BLOCK_DV)
    mask_dv = offs_dv < Dv
    e_max = tl.load(weights + (first * HEADS + head) * 2)
    for part in range(1, parts):
        e_max = tl.maximum(e_max, tl.load(weights + ((first + part) * HEADS + head) * 2))
    acc = tl.zeros([BLOCK_DV], dtype=tl.float32)
    deno = 0.0
    if HAS_SINK:
        deno = tl.exp2(tl.load(sinks + head).to(tl.float32) * 1.4426950408889634 - e_max)
    for part in range(parts):
        row = (first + part) * HEADS + head
        factor = tl.exp2(tl.load(weights + row * 2) - e_max)
        deno += factor * tl.load(weights + row * 2 + 1)
        acc += factor * tl.load(partial + row * Dv + offs_dv, mask=mask_dv, other=0.0)
    answer = acc * v_scale / deno
    tl.store(out + (request * HEADS + head) * Dv + offs_dv, answer.to(out.dtype.element_ty), mask=mask_dv)


def split_width(width):
    """Return two powers of two that hold `width`, the second 0 when one is enough without much waste."""
    whole = max(triton.next_power_of_2(width), 16)
    if whole == width or 4 * width > 3 * whole:
        return whole, 0
    return whole // 2, max(triton.next_power_of_2(width - whole // 2), 16)


def plan_parts(lengths, window, programs_per_part):
    """Return the length of a part, programs (request, start, place, alone), merges (request, place, parts), places."""
    firsts = [max(n - 1 - window, 0) if window >= 0 else 0 for n in lengths]
    total = sum(n - first for n, first in zip(lengths, firsts, strict=True)) * programs_per_part
    part = max(triton.cdiv(total, PROGRAMS * PART), 1) * PART
    programs, merges, places = [], [], 0
    for request, (n, first) in enumerate(zip(lengths, firsts, strict=True)):
        starts = list(range(first, n, part)) or [0]
        alone = len(starts) == 1
        for index, start in enumerate(starts):
            programs.append((request, start, 0 if alone else places + index, int(alone), min(n - start, part)))
        if not alone:
            merges.append((request, places, len(starts)))
            places += len(starts)
    programs.sort(key=lambda program: -program[4])
    return part, [program[:4] for program in programs], merges, places


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
    _, heads, width = q.shape
    page, kv_heads, v_width = k_cache.shape[1], k_cache.shape[2], v_cache.shape[3]
    block_d, block_dpe = split_width(width)
    block_h = 16
    tiles = triton.cdiv(heads // kv_heads, block_h)
    part, programs, merges, places = plan_parts(seq_lens.tolist(), window_size, kv_heads * tiles)
    partial = torch.empty((max(places, 1), heads, v_width), dtype=torch.float32, device=q.device)
    weights = torch.empty((max(places, 1), heads, 2), dtype=torch.float32, device=q.device)
    plan = torch.tensor(flat(programs), dtype=torch.int32, device=q.device)
    part_kernel[(len(programs), kv_heads, tiles)](
        q,
        k_cache,
        v_cache,
        out,
        partial,
        weights,
        block_tables,
        seq_lens,
        sinks,
        plan,
        sm_scale * k_scale * LOG2E if logit_cap == 0 else sm_scale * k_scale,
        v_scale,
        block_tables.shape[1],
        part,
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
    )
    if merges:
        merge_plan = torch.tensor(flat(merges), dtype=torch.int32, device=q.device)
        merge_kernel[(len(merges), heads)](
            out,
            partial,
            weights,
            sinks,
            merge_plan,
            v_scale,
            HEADS=heads,
            HAS_SINK=sinks is not None,
            Dv=v_width,
            BLOCK_DV=max(triton.next_power_of_2(v_width), 16),
        )


def flat(rows):
    """Return the integers of all rows in order."""
    return [number for row in rows for number in row]
