"""The second kernel of a split prefix, as text: it joins what the pieces of a query tile left.

Tiles of many rows are joined RB rows a program, piece after piece; on chips that run many programs at once tiles of few
rows are joined one row a program, 16 pieces at a time, for there are few rows then and many pieces.
"""

# A row of the table behind those of the items: request, tile, first item, number of items.
_PLACE = """\
    head = tl.program_id(0)
    entry = tl.program_id(1)
    if TABLE:
        row_of_table = table + (n_items + entry) * 4
        request = tl.load(row_of_table)
        tile = tl.load(row_of_table + 1)
        item = tl.load(row_of_table + 2)
        count = tl.load(row_of_table + 3)
    else:
        request = entry % n_requests
        tile = n_tiles - 1 - entry // n_requests
        item = entry * n_pieces
        cached = tl.load(kv_indptr + request + 1) - tl.load(kv_indptr + request)
        count = tl.maximum(1, (cached + step - 1) // step)
    q_start = tl.load(qo_indptr + request)
    extend = tl.load(qo_indptr + request + 1) - q_start
    # No pieces where the tile is dead: its loop then reads nothing, and no row is stored.
    count = tl.where(tile * BM < extend * $row_factor, count, 0)
"""

_SIGNATURE = """
@triton.jit(do_not_specialize=$merge_numbers)
def $name(part_ptr, sums_ptr, o_ptr, qo_indptr, kv_indptr, sinks, table, sot, soh,
          n_heads, n_tiles, n_requests, n_pieces, step, n_items, group,
          TABLE: tl.constexpr, SINKS: tl.constexpr, BM: tl.constexpr, RB: tl.constexpr, $width_parameters):
"""

MERGE = (
    _SIGNATURE.replace("$name", "merge_kernel")
    + '''    """Join the partial results of the pieces of RB rows of a query tile."""
'''
    + _PLACE
    + """\
    place = tl.program_id(2) * RB + tl.arange(0, RB)
$merge_rows
    live = token < extend
    acc = tl.zeros([RB, DV0], tl.float32)
    acc1 = tl.zeros([RB, DV1 if DV1 > 0 else 1], tl.float32)
    m_i = tl.full([RB], -1.0e30, tl.float32)
    l_i = tl.zeros([RB], tl.float32)
    for piece in range(item, item + count):
        slot = piece * n_heads + head
        sums = sums_ptr + slot * (2 * BM) + place
        part = part_ptr + (slot * BM + place).to(tl.int64) * (DV0 + DV1)
        m_part = tl.load(sums)
        m_new = tl.maximum(m_i, m_part)
        old = _power(m_i - m_new)
        fresh = _power(m_part - m_new)
        l_i = l_i * old + tl.load(sums + BM) * fresh
        acc = acc * old[:, None] + tl.load(part[:, None] + tl.arange(0, DV0)[None, :]) * fresh[:, None]
        if DV1 > 0:
            more = tl.load(part[:, None] + DV0 + tl.arange(0, DV1)[None, :])
            acc1 = acc1 * old[:, None] + more * fresh[:, None]
        m_i = m_new
    o_rows = token * sot + heads * soh
    _finish(acc, acc1, m_i, l_i, sinks, heads, live, o_ptr + q_start.to(tl.int64) * sot, o_rows, SINKS, $widths)
"""
)

MERGE_ROW = (
    _SIGNATURE.replace("$name", "merge_row_kernel")
    + '''    """Join the partial results of the pieces of one row of a query tile, RB pieces at a time."""
'''
    + _PLACE
    + """\
    place = tl.program_id(2)
$merge_rows
    count = tl.where(token < extend, count, 0)
    acc = tl.zeros([DV0], tl.float32)
    acc1 = tl.zeros([DV1 if DV1 > 0 else 1], tl.float32)
    m_i = -1.0e30
    l_i = 0.0
    for first in range(0, count, RB):
        piece = first + tl.arange(0, RB)
        there = piece < count
        slot = (item + piece) * n_heads + head
        m_part = tl.load(sums_ptr + slot * (2 * BM) + place, mask=there, other=-1.0e30)
        m_new = tl.maximum(m_i, tl.max(m_part, 0))
        old = _power(m_i - m_new)
        fresh = _power(m_part - m_new)
        l_part = tl.load(sums_ptr + slot * (2 * BM) + BM + place, mask=there, other=0.0)
        l_i = l_i * old + tl.sum(l_part * fresh, 0)
        part = part_ptr + (slot * BM + place).to(tl.int64)[:, None] * (DV0 + DV1)
        tile_part = tl.load(part + tl.arange(0, DV0)[None, :], mask=there[:, None], other=0.0)
        acc = acc * old + tl.sum(tile_part * fresh[:, None], 0)
        if DV1 > 0:
            more = tl.load(part + DV0 + tl.arange(0, DV1)[None, :], mask=there[:, None], other=0.0)
            acc1 = acc1 * old + tl.sum(more * fresh[:, None], 0)
        m_i = m_new
    if count > 0:
        if SINKS:
            l_i += _power(tl.load(sinks + heads).to(tl.float32) * $unit - m_i)
        share = 1.0 / tl.where(l_i == 0.0, 1.0, l_i)
        out = o_ptr + (q_start + token).to(tl.int64) * sot + heads * soh
        d = tl.arange(0, DV0)
        tl.store(out + d, (acc * share).to(o_ptr.dtype.element_ty), mask=d < DV)
        if DV1 > 0:
            d1 = DV0 + tl.arange(0, DV1)
            tl.store(out + d1, (acc1 * share).to(o_ptr.dtype.element_ty), mask=d1 < DV)
"""
)

# Which of the rows of the tile those at `place` are.
ROWS_TOKENS = """\
    token = tile * BM + place
    heads = head + token * 0
"""

ROWS_GROUP = """\
    row = tile * BM + place
    token = row // group
    heads = head * group + row % group
"""

LAUNCH = """\
    if is_split:
        merge_kernel[($programs, n_merges, 1)](
            part, sums, o_extend, qo_indptr, kv_indptr, shared[11], table, o_extend.stride(0), o_extend.stride(1),
            *counts, group, has_table, sinks is not None,
            rows, rows, dq, dq0, dq1, dv, dv0, dv1, num_warps=warps, num_stages=1,
        )
"""

LAUNCH_MANY = """\
    if is_split:
        by_row = rows <= 64
        merge = merge_row_kernel if by_row else merge_kernel
        merge[($programs, n_merges, rows if by_row else rows // 16)](
            part, sums, o_extend, qo_indptr, kv_indptr, shared[11], table, o_extend.stride(0), o_extend.stride(1),
            *counts, group, has_table, sinks is not None,
            rows, 16, dq, dq0, dq1, dv, dv0, dv1, num_warps=2 if by_row else 4, num_stages=1,
        )
"""
