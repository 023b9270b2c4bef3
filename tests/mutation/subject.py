"""Extend attention, correct and fast: what the mutation test plants bugs in.

Query heads that share a key/value head are packed into one tile of rows. A program holds one tile, one key/value
head and one split of the prefix; where there are few tiles the prefix is split, and a second kernel merges. Loops
over keys that every row sees carry no mask. Logits are in units of log2, the scale is folded into one factor.
"""

# Imports are those a candidate may have, and Triton functions take what the language takes.
# ruff: noqa: D103, PLR0913, PLR0915, PLR0917
# mypy: ignore-errors

import math

import torch
import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)
# Below every logit, and finite: a row that has seen no key keeps it, and differences stay numbers.
NOTHING = tl.constexpr(-1e30)


@triton.jit
def scores(q, q_tail, keys, mask_n, scale, LOGIT_CAP: tl.constexpr, WIDTH: tl.constexpr, MAIN: tl.constexpr,
           TAIL: tl.constexpr):  # fmt: skip
    """Return logits over log(2) of a tile of rows against the keys that `keys` points to."""
    column = tl.arange(0, MAIN)
    k = tl.load(keys[None, :] + column[:, None], mask=mask_n[None, :] & (column < WIDTH)[:, None], other=0.0)
    logits = tl.dot(q, k.to(q.dtype))
    if TAIL > 0:
        rest = MAIN + tl.arange(0, TAIL)
        k_tail = tl.load(keys[None, :] + rest[:, None], mask=mask_n[None, :] & (rest < WIDTH)[:, None], other=0.0)
        logits += tl.dot(q_tail, k_tail.to(q.dtype))
    if LOGIT_CAP > 0:
        grown = tl.exp2(logits * (2.0 * LOG2E * scale / LOGIT_CAP))
        logits = LOGIT_CAP * LOG2E * (1.0 - 2.0 / (grown + 1.0))
    else:
        logits = logits * (scale * LOG2E)
    return logits


@triton.jit
def absorbed(logits, values, acc, total, top):
    """Return accumulator, denominator and running maximum after one more block of keys."""
    new_top = tl.maximum(top, tl.max(logits, 1))
    fade = tl.exp2(top - new_top)
    weights = tl.exp2(logits - new_top[:, None])
    new_total = total * fade + tl.sum(weights, 1)
    new_acc = acc * fade[:, None] + tl.dot(weights.to(values.dtype), values)
    return new_acc, new_total, new_top


@triton.jit
def over_prefix(q, q_tail, acc, total, top, k_buffer, v_buffer, slots, mask_row, position, live, first, last, scale,
                stride_k, stride_v, MASKED: tl.constexpr, PREFIX_MASK: tl.constexpr, WINDOW: tl.constexpr,
                LOGIT_CAP: tl.constexpr, WIDTH: tl.constexpr, V_WIDTH: tl.constexpr, MAIN: tl.constexpr,
                TAIL: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_N: tl.constexpr):  # fmt: skip
    """Return the state after prefix keys `first` to `last`; without MASKED they are whole blocks that all rows see."""
    v_column = tl.arange(0, BLOCK_V)
    for start in range(first, last, BLOCK_N):
        key = start + tl.arange(0, BLOCK_N)
        mask_n = key < last if MASKED else tl.full([BLOCK_N], 1, tl.int1)
        slot = tl.load(slots + key, mask=mask_n, other=0)
        logits = scores(q, q_tail, k_buffer + slot * stride_k, mask_n, scale, LOGIT_CAP, WIDTH, MAIN, TAIL)
        if MASKED:
            visible = live[:, None] & mask_n[None, :]
            if PREFIX_MASK:
                visible = visible & (tl.load(mask_row[:, None] + key[None, :], mask=visible, other=0) != 0)
            if WINDOW >= 0:
                visible = visible & (position[:, None] <= key[None, :] + WINDOW)
            logits = tl.where(visible, logits, float("-inf"))
        v = tl.load(v_buffer + slot[:, None] * stride_v + v_column[None, :],
                    mask=mask_n[:, None] & (v_column < V_WIDTH)[None, :], other=0.0)  # fmt: skip
        acc, total, top = absorbed(logits, v.to(q.dtype), acc, total, top)
    return acc, total, top


@triton.jit
def over_new(q, q_tail, acc, total, top, k_extend, v_extend, token, mask_row, query, live, first, last, scale,
             stride_k, stride_v, MASKED: tl.constexpr, TREE: tl.constexpr, CAUSAL: tl.constexpr,
             WINDOW: tl.constexpr, LOGIT_CAP: tl.constexpr, WIDTH: tl.constexpr, V_WIDTH: tl.constexpr,
             MAIN: tl.constexpr, TAIL: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_N: tl.constexpr):  # fmt: skip
    """Return the state after new keys `first` to `last`; `token` is the row of the request's first new token."""
    v_column = tl.arange(0, BLOCK_V)
    for start in range(first, last, BLOCK_N):
        key = start + tl.arange(0, BLOCK_N)
        mask_n = key < last if MASKED else tl.full([BLOCK_N], 1, tl.int1)
        row = token + key
        logits = scores(q, q_tail, k_extend + row * stride_k, mask_n, scale, LOGIT_CAP, WIDTH, MAIN, TAIL)
        if MASKED:
            visible = live[:, None] & mask_n[None, :]
            if TREE:
                visible = visible & (tl.load(mask_row[:, None] + key[None, :], mask=visible, other=0) != 0)
            elif CAUSAL:
                visible = visible & (key[None, :] <= query[:, None])
            if WINDOW >= 0:
                visible = visible & (query[:, None] <= key[None, :] + WINDOW)
            logits = tl.where(visible, logits, float("-inf"))
        v = tl.load(v_extend + row[:, None] * stride_v + v_column[None, :],
                    mask=mask_n[:, None] & (v_column < V_WIDTH)[None, :], other=0.0)  # fmt: skip
        acc, total, top = absorbed(logits, v, acc, total, top)
    return acc, total, top


@triton.jit
def attend_kernel(
    q_extend, k_extend, v_extend, o_extend, k_buffer, v_buffer, qo_indptr, kv_indptr, kv_indices, custom_mask,
    mask_indptr, sinks, tiles, parts, tops, totals, sm_scale, k_scale, v_scale, tokens, stride_q_row, stride_q_head,
    stride_k_row, stride_k_head, stride_v_row, stride_v_head, stride_o_row, stride_o_head, stride_kb_row,
    stride_kb_head, stride_vb_row, stride_vb_head,
    GROUP: tl.constexpr, Q_HEADS: tl.constexpr, WIDTH: tl.constexpr, V_WIDTH: tl.constexpr, MAIN: tl.constexpr,
    TAIL: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, CAUSAL: tl.constexpr,
    TREE: tl.constexpr, SKIP_PREFIX_MASK: tl.constexpr, WINDOW: tl.constexpr, LOGIT_CAP: tl.constexpr,
    HAS_SINKS: tl.constexpr, SPLITS: tl.constexpr,
):  # fmt: skip
    PREFIX_MASK: tl.constexpr = TREE and not SKIP_PREFIX_MASK
    OPEN_PREFIX: tl.constexpr = not PREFIX_MASK and WINDOW < 0
    OPEN_NEW: tl.constexpr = not TREE and WINDOW < 0
    request = tl.load(tiles + tl.program_id(0) * 2)
    tile = tl.load(tiles + tl.program_id(0) * 2 + 1)
    kv_head = tl.program_id(1)
    split = tl.program_id(2)

    extend_start = tl.load(qo_indptr + request)
    extend_len = tl.load(qo_indptr + request + 1) - extend_start
    prefix_start = tl.load(kv_indptr + request)
    prefix_len = tl.load(kv_indptr + request + 1) - prefix_start

    packed = tile * BLOCK_M + tl.arange(0, BLOCK_M)
    live = packed < extend_len * GROUP
    query = packed // GROUP
    head = kv_head * GROUP + packed % GROUP
    row = (extend_start + query).to(tl.int64)
    first_query = tile * BLOCK_M // GROUP
    last_query = tl.minimum((tile * BLOCK_M + BLOCK_M - 1) // GROUP, extend_len - 1)

    column = tl.arange(0, MAIN)
    q_row = q_extend + row * stride_q_row + head * stride_q_head
    q = tl.load(q_row[:, None] + column[None, :], mask=live[:, None] & (column < WIDTH)[None, :], other=0.0)
    q_tail = q
    if TAIL > 0:
        rest = MAIN + tl.arange(0, TAIL)
        q_tail = tl.load(q_row[:, None] + rest[None, :], mask=live[:, None] & (rest < WIDTH)[None, :], other=0.0)
    mask_row = row
    if TREE:
        mask_row = custom_mask + tl.load(mask_indptr + request) + query * (prefix_len + extend_len)

    acc = tl.zeros([BLOCK_M, BLOCK_V], tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    top = tl.full([BLOCK_M], NOTHING, tl.float32)

    seen = 0
    if WINDOW >= 0:
        seen = tl.minimum(tl.maximum(prefix_len + first_query - WINDOW, 0), prefix_len)
    share = tl.cdiv(tl.cdiv(prefix_len - seen, SPLITS), BLOCK_N) * BLOCK_N
    first = tl.minimum(seen + split * share, prefix_len)
    last = tl.minimum(first + share, prefix_len)
    position = prefix_len + query
    keys, values = k_buffer + kv_head * stride_kb_head, v_buffer + kv_head * stride_vb_head
    slots = kv_indices + prefix_start
    prefix_scale = sm_scale * k_scale
    if OPEN_PREFIX:
        whole = first + (last - first) // BLOCK_N * BLOCK_N
        acc, total, top = over_prefix(
            q, q_tail, acc, total, top, keys, values, slots, mask_row, position, live, first, whole, prefix_scale,
            stride_kb_row, stride_vb_row, False, PREFIX_MASK, WINDOW, LOGIT_CAP, WIDTH, V_WIDTH, MAIN, TAIL, BLOCK_V,
            BLOCK_N,
        )  # fmt: skip
        first = whole
    acc, total, top = over_prefix(
        q, q_tail, acc, total, top, keys, values, slots, mask_row, position, live, first, last, prefix_scale,
        stride_kb_row, stride_vb_row, True, PREFIX_MASK, WINDOW, LOGIT_CAP, WIDTH, V_WIDTH, MAIN, TAIL, BLOCK_V,
        BLOCK_N,
    )  # fmt: skip
    acc *= v_scale

    if split == SPLITS - 1:
        if HAS_SINKS:
            # A sink is a key without a value.
            sink = tl.load(sinks + head).to(tl.float32) * LOG2E
            with_sink = tl.maximum(top, sink)
            fade = tl.exp2(top - with_sink)
            total = total * fade + tl.exp2(sink - with_sink)
            acc = acc * fade[:, None]
            top = with_sink
        near = 0
        if WINDOW >= 0:
            near = tl.maximum(first_query - WINDOW, 0)
        far = extend_len
        if CAUSAL and not TREE:
            far = last_query + 1
        token = extend_start.to(tl.int64)
        new_keys, new_values = k_extend + kv_head * stride_k_head, v_extend + kv_head * stride_v_head
        mask_row += prefix_len
        if OPEN_NEW:
            whole = far // BLOCK_N * BLOCK_N
            if CAUSAL:
                whole = (first_query + 1) // BLOCK_N * BLOCK_N
            acc, total, top = over_new(
                q, q_tail, acc, total, top, new_keys, new_values, token, mask_row, query, live, near, whole, sm_scale,
                stride_k_row, stride_v_row, False, TREE, CAUSAL, WINDOW, LOGIT_CAP, WIDTH, V_WIDTH, MAIN, TAIL,
                BLOCK_V, BLOCK_N,
            )  # fmt: skip
            near = whole
        acc, total, top = over_new(
            q, q_tail, acc, total, top, new_keys, new_values, token, mask_row, query, live, near, far, sm_scale,
            stride_k_row, stride_v_row, True, TREE, CAUSAL, WINDOW, LOGIT_CAP, WIDTH, V_WIDTH, MAIN, TAIL, BLOCK_V,
            BLOCK_N,
        )  # fmt: skip

    v_column = tl.arange(0, BLOCK_V)
    stored = live[:, None] & (v_column < V_WIDTH)[None, :]
    if SPLITS == 1:
        o_row = o_extend + row * stride_o_row + head * stride_o_head
        out = acc / total[:, None]
        tl.store(o_row[:, None] + v_column[None, :], out.to(o_extend.dtype.element_ty), mask=stored)
    else:
        part = (split * tokens + row) * Q_HEADS + head
        tl.store(parts + part[:, None] * V_WIDTH + v_column[None, :], acc, mask=stored)
        tl.store(tops + part, top, mask=live)
        tl.store(totals + part, total, mask=live)


@triton.jit
def merge_kernel(
    o_extend, parts, tops, totals, count, stride_o_row, stride_o_head,
    Q_HEADS: tl.constexpr, V_WIDTH: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_R: tl.constexpr,
    SPLITS: tl.constexpr,
):  # fmt: skip
    """Write the answer of BLOCK_R rows (token, head) from what each split of the prefix found."""
    index = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    live = index < count
    v_column = tl.arange(0, BLOCK_V)
    stored = live[:, None] & (v_column < V_WIDTH)[None, :]
    acc = tl.zeros([BLOCK_R, BLOCK_V], tl.float32)
    total = tl.zeros([BLOCK_R], tl.float32)
    top = tl.full([BLOCK_R], NOTHING, tl.float32)
    for split in range(0, SPLITS):
        part = split * count + index
        part_top = tl.load(tops + part, mask=live, other=0.0)
        part_total = tl.load(totals + part, mask=live, other=0.0)
        part_acc = tl.load(parts + part[:, None] * V_WIDTH + v_column[None, :], mask=stored, other=0.0)
        new_top = tl.maximum(top, part_top)
        fade, gain = tl.exp2(top - new_top), tl.exp2(part_top - new_top)
        total = total * fade + part_total * gain
        acc = acc * fade[:, None] + part_acc * gain[:, None]
        top = new_top
    row, head = index // Q_HEADS, index % Q_HEADS
    o_row = o_extend + row * stride_o_row + head * stride_o_head
    out = acc / total[:, None]
    tl.store(o_row[:, None] + v_column[None, :], out.to(o_extend.dtype.element_ty), mask=stored)


def split_width(width):
    """Return two powers of two that hold `width`, the second 0 when one is enough without waste."""
    main = max(triton.next_power_of_2(width), 16)
    if main * 3 // 4 < width:
        return main, 0
    rest = max(triton.next_power_of_2(width - main // 2), 16)
    return (main // 2, rest) if main // 2 + rest < main else (main, 0)


def plan_tiles(starts, group, block_m):
    """Return request and tile number of every tile that has rows, the longest requests first."""
    lengths = [end - start for start, end in zip(starts, starts[1:])]
    table = []
    for request in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        for tile in range(triton.cdiv(lengths[request] * group, block_m)):
            table += [request, tile]
    return table


def choose_splits(programs, starts):
    """Return how many programs share a prefix: several where there would be few programs."""
    longest = max(end - start for start, end in zip(starts, starts[1:]))
    if programs >= 16:
        return 1
    return min(max(triton.cdiv(longest, 64), 1), 8)


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
    tokens, q_heads, width = q_extend.shape
    kv_heads, v_width = v_extend.shape[1], v_extend.shape[2]
    group = q_heads // kv_heads
    main, tail = split_width(width)
    block_v = max(triton.next_power_of_2(v_width), 16)
    block_m = 64 if max_len_extend * group > 32 else 32
    block_n = 64 if width <= 256 else 32
    table = plan_tiles(qo_indptr.tolist(), group, block_m)
    if not table:
        return
    tile_count = len(table) // 2
    splits = choose_splits(tile_count * kv_heads, kv_indptr.tolist())
    tiles = torch.tensor(table, dtype=torch.int32, device=q_extend.device)
    parts = tops = totals = None
    if splits > 1:
        parts = torch.empty((splits, tokens, q_heads, v_width), dtype=torch.float32, device=q_extend.device)
        tops = torch.empty((splits, tokens, q_heads), dtype=torch.float32, device=q_extend.device)
        totals = torch.empty((splits, tokens, q_heads), dtype=torch.float32, device=q_extend.device)
    attend_kernel[(tile_count, kv_heads, splits)](
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
        tiles,
        parts,
        tops,
        totals,
        sm_scale if sm_scale is not None else 1.0 / math.sqrt(width),
        k_scale,
        v_scale,
        tokens,
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
        GROUP=group,
        Q_HEADS=q_heads,
        WIDTH=width,
        V_WIDTH=v_width,
        MAIN=main,
        TAIL=tail,
        BLOCK_V=block_v,
        BLOCK_M=block_m,
        BLOCK_N=block_n,
        CAUSAL=is_causal,
        TREE=custom_mask is not None,
        SKIP_PREFIX_MASK=skip_prefix_custom_mask,
        WINDOW=sliding_window_size,
        LOGIT_CAP=logit_cap,
        HAS_SINKS=sinks is not None,
        SPLITS=splits,
    )
    if splits > 1:
        block_r = 16
        merge_kernel[(triton.cdiv(tokens * q_heads, block_r),)](
            o_extend,
            parts,
            tops,
            totals,
            tokens * q_heads,
            o_extend.stride(0),
            o_extend.stride(1),
            Q_HEADS=q_heads,
            V_WIDTH=v_width,
            BLOCK_V=block_v,
            BLOCK_R=block_r,
            SPLITS=splits,
        )
