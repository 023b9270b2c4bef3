"""Fragments for chips whose lanes pay for 64-bit arithmetic: 32-bit distances from scalar bases, fused exponents.

Host code sees to it that distances fit (WIDE keeps them at 64 bits where pools are larger). Distances that do not
change from step to step stand outside the loop; a step adds once an address.
"""

LOAD_TILE = '''
@triton.jit
def _load_tile(base, rows, live, AT: tl.constexpr, COLS: tl.constexpr, WIDTH: tl.constexpr, MASKED: tl.constexpr,
               MOVES: tl.constexpr):
    """[rows, COLS] of a matrix with WIDTH columns, from column AT on; MOVES: the base is new in each step."""
    d = AT + tl.arange(0, COLS)
    if MOVES:
        at = base + (rows[:, None] + d[None, :])
    else:
        at = (base + d[None, :]) + rows[:, None]
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
               MOVES: tl.constexpr, AS_TILE: tl.constexpr):
    """[COLS, keys]: rows loaded as they lie and transposed (AS_TILE), or through transposed pointers."""
    if AS_TILE:
        tile = tl.trans(_load_tile(base, rows, live, AT, COLS, WIDTH, MASKED, MOVES))
    else:
        d = AT + tl.arange(0, COLS)
        if MOVES:
            at = base + (rows[None, :] + d[:, None])
        else:
            at = (base + d[:, None]) + rows[None, :]
        if AT + COLS > WIDTH:
            tile = tl.load(at, mask=live[None, :] & (d < WIDTH)[:, None], other=0.0)
        elif MASKED:
            tile = tl.load(at, mask=live[None, :], other=0.0)
        else:
            tile = tl.load(at)
    return tile
'''

SOFTMAX_EXP2 = '''
@triton.jit
def _soften(s, m_i, factor):
    """Weights of this step, the new row maximum, and the factor for what was summed before."""
    m_new = tl.maximum(m_i, tl.max(s, 1) * factor)
    below = tl.broadcast_to((0.0 - m_new)[:, None], s.shape)
    return tl.exp2(tl.fma(s, tl.full(s.shape, factor, tl.float32), below)), m_new, tl.exp2(m_i - m_new)


@triton.jit
def _power(x):
    return tl.exp2(x)
'''

ADDRESSES = """\
    q_base = q_ptr + q_start.to(tl.int64) * sqt
    q_rows = token * sqt + heads * sqh
    o_base = o_ptr + q_start.to(tl.int64) * sot
    o_rows = token * sot + heads * soh
"""

MASK_ADDRESSES = """\
    mask_base = mask_ptr
    mask_rows = token
    if CUSTOM:
        mask_base = mask_ptr + tl.load(mask_indptr + request)
        mask_rows = token * (cached + extend)
"""

# The prefix lies in a pool, or gathered, request after request.
POOL_ADDRESSES = """\
    k_pool = kb_ptr + kv_head * skbh
    v_pool = vb_ptr + kv_head * svbh
    if GATHERED:
        k_pool += kv_start.to(tl.int64) * skbt
        v_pool += kv_start.to(tl.int64) * svbt
"""

# A kernel before: the prefix of all requests in order, in the type of the queries. It pays where many query tiles read
# a pool of another type, for each warp of each tile would convert it.
GATHER = """
@triton.jit(do_not_specialize=["n_rows"])
def gather_kernel(kb_ptr, vb_ptr, k_ptr, v_ptr, kv_indices, n_rows, skbt, skbh, svbt, svbh, skt, skh, svt, svh,
                  ROWS: tl.constexpr, $width_parameters):
    head = tl.program_id(0)
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    live = row < n_rows
    slot = tl.load(kv_indices + row, mask=live, other=0).to(tl.int64)
    to = row.to(tl.int64)
    k = _load_tile(kb_ptr + head * skbh, slot * skbt, live, 0, DQ0, DQ, True, False)
    _store_tile(k_ptr + head * skh, to * skt, k, live, 0, DQ0, DQ)
    if DQ1 > 0:
        k1 = _load_tile(kb_ptr + head * skbh, slot * skbt, live, DQ0, DQ1, DQ, True, False)
        _store_tile(k_ptr + head * skh, to * skt, k1, live, DQ0, DQ1, DQ)
    v = _load_tile(vb_ptr + head * svbh, slot * svbt, live, 0, DV0, DV, True, False)
    _store_tile(v_ptr + head * svh, to * svt, v, live, 0, DV0, DV)
    if DV1 > 0:
        v1 = _load_tile(vb_ptr + head * svbh, slot * svbt, live, DV0, DV1, DV, True, False)
        _store_tile(v_ptr + head * svh, to * svt, v1, live, DV0, DV1, DV)


@triton.jit
def _store_tile(base, rows, tile, live, AT: tl.constexpr, COLS: tl.constexpr, WIDTH: tl.constexpr):
    d = AT + tl.arange(0, COLS)
    at = (base + d[None, :]) + rows[:, None]
    tl.store(at, tile.to(base.dtype.element_ty), mask=live[:, None] & (d < WIDTH)[None, :])
"""

LAUNCH_GATHER = """\
    is_gathered = bool(gathered) and sum(prefixes) > 0
    if is_gathered:
        n_rows = sum(prefixes)
        k_prefix = torch.empty((n_rows, kv_heads, dq), dtype=q_extend.dtype, device=q_extend.device)
        v_prefix = torch.empty((n_rows, kv_heads, dv), dtype=q_extend.dtype, device=q_extend.device)
        gather_kernel[(kv_heads, (n_rows + 31) // 32)](
            k_buffer, v_buffer, k_prefix, v_prefix, kv_indices, n_rows, k_buffer.stride(0), k_buffer.stride(1),
            v_buffer.stride(0), v_buffer.stride(1), k_prefix.stride(0), k_prefix.stride(1), v_prefix.stride(0),
            v_prefix.stride(1), 32, dq, dq0, dq1, dv, dv0, dv1, num_warps=4, num_stages=1,
        )
        k_buffer, v_buffer = k_prefix, v_prefix
"""

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
            if not WIDE:
                slot = slot.to(tl.int32)
            k_from = k_base
            v_from = v_base
            k_rows = slot * stride_k
            v_rows = slot * stride_v
        else:
            k_from = k_base + (start + tl.zeros([], tl.int64)) * stride_k
            v_from = v_base + (start + tl.zeros([], tl.int64)) * stride_v
            k_rows = tl.arange(0, BN) * stride_k
            v_rows = tl.arange(0, BN) * stride_v
        s = tl.dot(q, _load_keys(k_from, k_rows, there, 0, DQ0, DQ, MASKED, not GATHER, AS_TILE).to(q.dtype))
        if DQ1 > 0:
            s = tl.dot(q1, _load_keys(k_from, k_rows, there, DQ0, DQ1, DQ, MASKED, not GATHER, AS_TILE).to(q.dtype), s)
        factor = scale * $unit
        if CAP:
            s = _capped(s, scale, cap)
            factor = $unit
        if MASKED:
            # A key that a live row may see under a causal mask is there.
            seen = there[None, :]
            if CUSTOM:
                chosen = tl.load((mask_base + start) + (mask_rows[:, None] + tl.arange(0, BN)[None, :]),
                                 mask=live[:, None] & there[None, :], other=0)
                seen = seen & (chosen != 0)
                if WINDOW:
                    seen = seen & (position[:, None] <= n[None, :] + window)
            elif CAUSAL and WINDOW:
                seen = (position[:, None] - n[None, :]).to(tl.uint32) <= window.to(tl.uint32)
            elif CAUSAL:
                seen = n[None, :] <= position[:, None]
            elif WINDOW:
                seen = seen & ((position - window)[:, None] <= n[None, :])
            s = tl.where(seen, s, float("-inf"))
        p, m_i, alpha = _soften(s, m_i, factor)
        l_i = l_i * alpha + tl.sum(p, 1)
        p = p.to(q.dtype)
        v = _load_tile(v_from, v_rows, there, 0, DV0, DV, MASKED, not GATHER).to(q.dtype)
        acc = tl.dot(p, v, acc * alpha[:, None])
        if DV1 > 0:
            v1 = _load_tile(v_from, v_rows, there, DV0, DV1, DV, MASKED, not GATHER).to(q.dtype)
            acc1 = tl.dot(p, v1, acc1 * alpha[:, None])
    return acc, acc1, m_i, l_i
'''
