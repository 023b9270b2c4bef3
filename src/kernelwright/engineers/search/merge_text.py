"""The second kernel of a split prefix, as text: it joins what the pieces of a query tile left."""

# A row of the table behind those of the items: request, tile, first item, number of items.
MERGE = '''
@triton.jit(do_not_specialize=$merge_numbers)
def merge_kernel(part_ptr, sums_ptr, o_ptr, qo_indptr, kv_indptr, sinks, table, sot, soh,
                 n_heads, n_tiles, n_requests, n_pieces, step, n_items, group,
                 TABLE: tl.constexpr, SINKS: tl.constexpr, BM: tl.constexpr, $width_parameters):
    """Join the partial results of the pieces of one query tile."""
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
$rows
    live = token < extend
    acc = tl.zeros([BM, DV0], tl.float32)
    acc1 = tl.zeros([BM, DV1 if DV1 > 0 else 1], tl.float32)
    m_i = tl.full([BM], -1.0e30, tl.float32)
    l_i = tl.zeros([BM], tl.float32)
    for piece in range(item, item + count):
        slot = piece * n_heads + head
        sums = sums_ptr + slot * (2 * BM) + tl.arange(0, BM)
        part = part_ptr + (slot * BM + tl.arange(0, BM)).to(tl.int64) * (DV0 + DV1)
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
'''
