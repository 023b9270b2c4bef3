"""Fragments of the attention kernels, as text: one function or block of a candidate each.

`$name` marks a place that the composer fills. Letters: BM rows of a query tile, BN keys a
step, DQ and DV head widths; a width that is no power of two is cut in two parts (DQ0 and
DQ1, DV0 and DV1), part 1 absent where it is 0. Row maxima are kept in
units of $unit (log2(e) where exponentials are base 2). Numbers that follow from how many heads and tiles a call has
are arguments and never specialised, so that calls of one regime run one kernel.
"""

IMPORTS = """\
import math
from typing import Any

import torch
import triton
import triton.language as tl
"""

LOAD_TILE = '''
@triton.jit
def _load_tile(base, rows, live, AT: tl.constexpr, COLS: tl.constexpr, WIDTH: tl.constexpr, MASKED: tl.constexpr):
    """[rows, COLS] of a matrix with WIDTH columns, from column AT on."""
    d = AT + tl.arange(0, COLS)
    at = base + rows[:, None] + d[None, :]
    if AT + COLS > WIDTH:
        tile = tl.load(at, mask=live[:, None] & (d < WIDTH)[None, :], other=0.0)
    elif MASKED:
        tile = tl.load(at, mask=live[:, None], other=0.0)
    else:
        tile = tl.load(at)
    return tile
'''

LOAD_KEYS = '''
@triton.jit
def _load_keys(base, rows, live, AT: tl.constexpr, COLS: tl.constexpr, WIDTH: tl.constexpr, MASKED: tl.constexpr,
               AS_TILE: tl.constexpr):
    """[COLS, keys]: rows loaded as they lie and transposed (AS_TILE), or through transposed pointers."""
    if AS_TILE:
        tile = tl.trans(_load_tile(base, rows, live, AT, COLS, WIDTH, MASKED))
    else:
        d = AT + tl.arange(0, COLS)
        at = base + rows[None, :] + d[:, None]
        if AT + COLS > WIDTH:
            tile = tl.load(at, mask=live[None, :] & (d < WIDTH)[:, None], other=0.0)
        elif MASKED:
            tile = tl.load(at, mask=live[None, :], other=0.0)
        else:
            tile = tl.load(at)
    return tile
'''

CAP = '''
@triton.jit
def _capped(s, scale, cap):
    """cap * tanh(s * scale / cap), in natural units."""
    return cap * (2.0 / (1.0 + tl.exp(s * (-2.0 * scale / cap))) - 1.0)
'''

SOFTMAX_EXP = '''
@triton.jit
def _soften(s, m_i, factor):
    """Weights of this step, the new row maximum, and the factor for what was summed before."""
    s = s * factor
    m_new = tl.maximum(m_i, tl.max(s, 1))
    return tl.exp(s - m_new[:, None]), m_new, tl.exp(m_i - m_new)


@triton.jit
def _power(x):
    return tl.exp(x)
'''

# The factor multiplies inside the exponent, where it becomes one fused step.
SOFTMAX_EXP2 = '''
@triton.jit
def _soften(s, m_i, factor):
    """Weights of this step, the new row maximum, and the factor for what was summed before."""
    m_new = tl.maximum(m_i, tl.max(s, 1) * factor)
    return tl.exp2(s * factor - m_new[:, None]), m_new, tl.exp2(m_i - m_new)


@triton.jit
def _power(x):
    return tl.exp2(x)
'''

SWEEP = '''
@triton.jit
def _sweep(acc, acc1, m_i, l_i, q, q1, k_base, v_base, stride_k, stride_v, index, first, last,
           position, mask_base, mask_rows, live, scale, cap, window,
           GATHER: tl.constexpr, MASKED: tl.constexpr, CUSTOM: tl.constexpr, CAUSAL: tl.constexpr,
           WINDOW: tl.constexpr, CAP: tl.constexpr, BN: tl.constexpr, DQ: tl.constexpr, DQ0: tl.constexpr,
           DQ1: tl.constexpr, DV: tl.constexpr, DV0: tl.constexpr, DV1: tl.constexpr, AS_TILE: tl.constexpr,
           WIDE: tl.constexpr):
    """Attend to keys [first, last); a query at `position` stands in the frame of these keys."""
$early
    for start in range(first, last, BN):
        n = start + tl.arange(0, BN)
        there = n < last
        if GATHER:
$slots
        else:
            slot = n.to(tl.int64)
        s = tl.dot(q, _load_keys(k_base, slot * stride_k, there, 0, DQ0, DQ, MASKED, AS_TILE).to(q.dtype))
        if DQ1 > 0:
            s = tl.dot(q1, _load_keys(k_base, slot * stride_k, there, DQ0, DQ1, DQ, MASKED, AS_TILE).to(q.dtype), s)
        factor = scale * $unit
        if CAP:
            s = _capped(s, scale, cap)
            factor = $unit
        if MASKED:
            seen = there[None, :]
            if CUSTOM:
                chosen = tl.load(mask_rows[:, None] + n[None, :], mask=live[:, None] & there[None, :], other=0)
                seen = seen & (chosen != 0)
            elif CAUSAL:
                seen = seen & (n[None, :] <= position[:, None])
            if WINDOW:
                seen = seen & (position[:, None] <= n[None, :] + window)
            s = tl.where(seen, s, float("-inf"))
        p, m_i, alpha = _soften(s, m_i, factor)
        l_i = l_i * alpha + tl.sum(p, 1)
        p = p.to(q.dtype)
        v = _load_tile(v_base, slot * stride_v, there, 0, DV0, DV, MASKED).to(q.dtype)
        acc = tl.dot(p, v, acc * alpha[:, None])
        if DV1 > 0:
            v1 = _load_tile(v_base, slot * stride_v, there, DV0, DV1, DV, MASKED).to(q.dtype)
            acc1 = tl.dot(p, v1, acc1 * alpha[:, None])
    return acc, acc1, m_i, l_i
'''

# How a step finds the slots of its keys: it asks for its own, or for those of the step after it. Pipelines that
# compilers make keep no copies in flight where a load waits for another load of the same step.
SLOTS_SAME = """\
            if MASKED:
                slot = tl.load(index + n, mask=there, other=0).to(tl.int64)
            else:
                slot = tl.load(index + n).to(tl.int64)
"""

EARLY_AHEAD = """\
    if GATHER:
        early = first + tl.arange(0, BN)
        coming = tl.load(index + early, mask=early < last, other=0).to(tl.int64)
"""

SLOTS_AHEAD = """\
            slot = coming
            later = n + BN
            coming = tl.load(index + later, mask=later < last, other=0).to(tl.int64)
"""

# The inside of `_attend`: which keys each sweep covers, and whether it masks them.
SWEEPS_ONE = """\
    if PREFIX:
        acc, acc1, m_i, l_i = _sweep(acc, acc1, m_i, l_i, q, q1, k_pool, v_pool, skb, svb, index, first, last,
                                     cached + token, mask_base, mask_rows, live, scale * k_scale, cap, window,
                                     $scattered, True, CUSTOM_PREFIX, False, WINDOW, CAP, BN, $widths, AS_TILE, WIDE)
        acc *= v_scale
        acc1 *= v_scale
    acc, acc1, m_i, l_i = _sweep(acc, acc1, m_i, l_i, q, q1, k_new, v_new, ske, sve, index, new_first, new_last,
                                 token, mask_base, mask_rows + cached, live, scale, cap, window,
                                 False, True, CUSTOM, CAUSAL, WINDOW, CAP, BE, $widths, AS_TILE, WIDE)
"""

SWEEPS_APART = """\
    if PREFIX:
        middle = first
        if not (WINDOW or CUSTOM_PREFIX):
            middle = tl.maximum(first, first + (last - first) // BN * BN)
            acc, acc1, m_i, l_i = _sweep(acc, acc1, m_i, l_i, q, q1, k_pool, v_pool, skb, svb, index, first, middle,
                                         cached + token, mask_base, mask_rows, live, scale * k_scale, cap, window,
                                         $scattered, False, False, False, False, CAP, BN, $widths, AS_TILE, WIDE)
        acc, acc1, m_i, l_i = _sweep(acc, acc1, m_i, l_i, q, q1, k_pool, v_pool, skb, svb, index, middle, last,
                                     cached + token, mask_base, mask_rows, live, scale * k_scale, cap, window,
                                     $scattered, True, CUSTOM_PREFIX, False, WINDOW, CAP, BN, $widths, AS_TILE, WIDE)
        acc *= v_scale
        acc1 *= v_scale
    new_middle = new_first
    if INTERIOR and not (WINDOW or CUSTOM):
        full = extend
        if CAUSAL:
            full = tl.minimum(extend, token_first + 1)
        new_middle = tl.minimum(full, new_last) // BE * BE
        acc, acc1, m_i, l_i = _sweep(acc, acc1, m_i, l_i, q, q1, k_new, v_new, ske, sve, index, new_first, new_middle,
                                     token, mask_base, mask_rows, live, scale, cap, window,
                                     False, False, False, False, False, CAP, BE, $widths, AS_TILE, WIDE)
    acc, acc1, m_i, l_i = _sweep(acc, acc1, m_i, l_i, q, q1, k_new, v_new, ske, sve, index, new_middle, new_last,
                                 token, mask_base, mask_rows + cached, live, scale, cap, window,
                                 False, True, CUSTOM, CAUSAL, WINDOW, CAP, BD, $widths, AS_TILE, WIDE)
"""

WIDTHS = "DQ, DQ0, DQ1, DV, DV0, DV1"

ARGUMENTS = """\
q_ptr, ke_ptr, ve_ptr, o_ptr, kb_ptr, vb_ptr, qo_indptr, kv_indptr, kv_indices, mask_ptr, mask_indptr, sinks,
part_ptr, sums_ptr, sqt, sqh, sket, skeh, svet, sveh, sot, soh, skbt, skbh, svbt, svbh,
scale, k_scale, v_scale, cap, window, group,"""

CONSTANTS = """\
PREFIX, INTERIOR, CUSTOM, CUSTOM_PREFIX, CAUSAL, WINDOW, CAP, SINKS, AS_TILE, WIDE, GATHERED, BM, BN, BE, BD,
DQ, DQ0, DQ1, DV, DV0, DV1"""

# Where the rows of the query tile lie in memory, and in the mask.
ADDRESSES = """\
    at = (q_start + token).to(tl.int64)
    q_base = q_ptr
    q_rows = at * sqt + heads * sqh
    o_base = o_ptr
    o_rows = at * sot + heads * soh
"""

MASK_ADDRESSES = """\
    mask_base = mask_ptr
    mask_rows = mask_ptr + token * 0
    if CUSTOM:
        mask_rows = mask_ptr + tl.load(mask_indptr + request) + token * (cached + extend).to(tl.int64)
"""

POOL_ADDRESSES = """\
    k_pool = kb_ptr + kv_head * skbh
    v_pool = vb_ptr + kv_head * svbh
"""

# rows: which token and head each row of the query tile is.
ROWS_TOKENS = """\
    row = tile * BM + tl.arange(0, BM)
    token = row
    heads = head + row * 0
    kv_head = head // group
    token_first = tile * BM
    token_last = tile * BM + BM - 1
"""

ROWS_GROUP = """\
    row = tile * BM + tl.arange(0, BM)
    token = (row.to(tl.uint32) // group.to(tl.uint32)).to(tl.int32)
    heads = head * group + row - token * group
    kv_head = head
    token_first = tile * BM // group
    token_last = (tile * BM + BM - 1) // group
"""

ATTEND = '''
@triton.jit
def _attend($arguments
            request, tile, head, piece_first, piece_last, is_last, slot, SPLIT: tl.constexpr,
            $parameters):
    """One query tile of `request`: prefix keys [piece_first, piece_last), new keys too if `is_last`."""
    q_start = tl.load(qo_indptr + request)
    extend = tl.load(qo_indptr + request + 1) - q_start
    kv_start = tl.load(kv_indptr + request)
    cached = tl.load(kv_indptr + request + 1) - kv_start
$rows
    token_last = tl.minimum(token_last, extend - 1)
    live = token < extend
$addresses
    q = _load_tile(q_base, q_rows, live, 0, DQ0, DQ, True$load_moves)
    q1 = q
    if DQ1 > 0:
        q1 = _load_tile(q_base, q_rows, live, DQ0, DQ1, DQ, True$load_moves)
    acc = tl.zeros([BM, DV0], tl.float32)
    acc1 = tl.zeros([BM, DV1 if DV1 > 0 else 1], tl.float32)
    # Finite, so that a row that sees no key in a step gives weights 0 and never inf - inf.
    m_i = tl.full([BM], -1.0e30, tl.float32)
    l_i = tl.zeros([BM], tl.float32)
$mask_addresses
$pool_addresses
    skb = skbt
    svb = svbt
    k_new = ke_ptr + q_start.to(tl.int64) * sket + kv_head * skeh
    v_new = ve_ptr + q_start.to(tl.int64) * svet + kv_head * sveh
    ske = sket
    sve = svet
    index = kv_indices + kv_start
    first = piece_first
    last = piece_last
    new_first = 0
    new_last = extend
    if CAUSAL and not CUSTOM:
        new_last = token_last + 1
    if WINDOW:
        first = tl.maximum(first, cached + token_first - window)
        new_first = tl.maximum(0, token_first - window)
    new_last = new_last * is_last
$sweeps
    if SPLIT:
        sums = sums_ptr + slot * (2 * BM) + tl.arange(0, BM)
        tl.store(sums, m_i)
        tl.store(sums + BM, l_i)
        part = part_ptr + (slot * BM + tl.arange(0, BM)).to(tl.int64) * (DV0 + DV1)
        tl.store(part[:, None] + tl.arange(0, DV0)[None, :], acc)
        if DV1 > 0:
            tl.store(part[:, None] + DV0 + tl.arange(0, DV1)[None, :], acc1)
    else:
        _finish(acc, acc1, m_i, l_i, sinks, heads, live, o_base, o_rows, SINKS, $widths)
'''

FINISH = '''
@triton.jit
def _finish(acc, acc1, m_i, l_i, sinks, heads, live, o_ptr, rows, SINKS: tl.constexpr, $width_parameters):
    """Divide by the sum of weights and store; a row that saw no key becomes 0."""
    if SINKS:
        l_i += _power(tl.load(sinks + heads, mask=live, other=0.0).to(tl.float32) * $unit - m_i)
    share = 1.0 / tl.where(l_i == 0.0, 1.0, l_i)
    out = acc * share[:, None]
    d = tl.arange(0, DV0)
    tl.store(o_ptr + rows[:, None] + d[None, :], out.to(o_ptr.dtype.element_ty), mask=live[:, None] & (d < DV)[None, :])
    if DV1 > 0:
        out1 = acc1 * share[:, None]
        d1 = DV0 + tl.arange(0, DV1)
        keep = live[:, None] & (d1 < DV)[None, :]
        tl.store(o_ptr + rows[:, None] + d1[None, :], out1.to(o_ptr.dtype.element_ty), mask=keep)
'''

# The kernel itself: how programs find their tiles.
KERNEL_PADDED = """
@triton.jit(do_not_specialize=$call_numbers)
def extend_kernel($arguments
                  $parameters):
    request = tl.program_id(0)
    head = tl.program_id(1)
    tile = tl.program_id(2)
    cached = tl.load(kv_indptr + request + 1) - tl.load(kv_indptr + request)
    _attend($arguments
            request, tile, head, 0, cached, 1, 0, False,
            $constants)
"""

KERNEL_PADDED_EXIT = """
@triton.jit(do_not_specialize=$call_numbers)
def extend_kernel($arguments
                  $parameters):
    request = tl.program_id(0)
    head = tl.program_id(1)
    tile = tl.program_id(2)
    extend = tl.load(qo_indptr + request + 1) - tl.load(qo_indptr + request)
    if tile * BM < extend * $row_factor:
        cached = tl.load(kv_indptr + request + 1) - tl.load(kv_indptr + request)
        _attend($arguments
                request, tile, head, 0, cached, 1, 0, False,
                $constants)
"""

# A row of the table: request, tile, first and last prefix key of the piece. Without a table items count through the
# pieces of a tile, then requests, then tiles, longest tile first; those beyond a request's end are dead.
ITEM = """
@triton.jit
def _item($arguments
          table, item, head, n_heads, n_tiles, n_requests, n_pieces, step, TABLE: tl.constexpr, SPLIT: tl.constexpr,
          $parameters):
    if TABLE:
        request = tl.load(table + item * 4)
        tile = tl.load(table + item * 4 + 1)
    else:
        request = item // n_pieces % n_requests
        tile = n_tiles - 1 - item // n_pieces // n_requests
    cached = tl.load(kv_indptr + request + 1) - tl.load(kv_indptr + request)
    piece_first = 0
    piece_last = cached
    is_live = True
    if TABLE:
        piece_first = tl.load(table + item * 4 + 2)
        piece_last = tl.load(table + item * 4 + 3)
    elif SPLIT:
        piece_first = item % n_pieces * step
        piece_last = tl.minimum(piece_first + step, cached)
        is_live = (piece_first < cached) | (piece_first == 0)
    extend = tl.load(qo_indptr + request + 1) - tl.load(qo_indptr + request)
    if (tile * BM < extend * $row_factor) & is_live:
        _attend($arguments
                request, tile, head, piece_first, piece_last, (piece_last == cached).to(tl.int32),
                item * n_heads + head, SPLIT, $constants)
"""

KERNEL_TABLE = """
@triton.jit(do_not_specialize=$call_numbers)
def extend_kernel($arguments
                  table, n_heads, n_tiles, n_requests, n_pieces, step, n_items,
                  ITEMS: tl.constexpr, TABLE: tl.constexpr, SPLIT: tl.constexpr, TILES_FIRST: tl.constexpr,
                  $parameters):
    head = tl.program_id(1 if TILES_FIRST else 0)
    _item($arguments
          table, tl.program_id(0 if TILES_FIRST else 1), head, n_heads, n_tiles, n_requests, n_pieces, step,
          TABLE, SPLIT, $constants)
"""

KERNEL_TABLE_SEVERAL = """
@triton.jit(do_not_specialize=$call_numbers)
def extend_kernel($arguments
                  table, n_heads, n_tiles, n_requests, n_pieces, step, n_items,
                  ITEMS: tl.constexpr, TABLE: tl.constexpr, SPLIT: tl.constexpr, TILES_FIRST: tl.constexpr,
                  $parameters):
    head = tl.program_id(1 if TILES_FIRST else 0)
    begin = tl.program_id(0 if TILES_FIRST else 1) * ITEMS
    for item in range(begin, tl.minimum(begin + ITEMS, n_items)):
        _item($arguments
              table, item, head, n_heads, n_tiles, n_requests, n_pieces, step,
              TABLE, SPLIT, $constants)
"""
