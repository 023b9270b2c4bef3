"""Fragments of the host code of candidates: what runs once per call, on lengths alone."""

SIGNATURE = """
def extend_attention_fwd(
    q_extend, k_extend, v_extend, o_extend, k_buffer, v_buffer, qo_indptr, kv_indptr, kv_indices,
    custom_mask, is_causal, mask_indptr, max_len_extend, k_scale, v_scale, sm_scale=None, logit_cap=0.0,
    skip_prefix_custom_mask=True, sliding_window_size=-1, sinks=None,
):
"""

# (block rows, block keys, block new, block edge, split keys, items a program, warps, stages, keys as tiles,
# tiles first, whether there is a table, whether values are taken in halves, whether the
# prefix is gathered before)
TILES_ONE = """
TILES = $tiles
"""

TILES_BY_REGIME = """
TILES = {
$by_regime
}
OTHERWISE = $tiles
"""

PARTS = '''
def _parts(width):
    """Cut a head width into one or two powers of two, of at least 16."""
    first = max(16, 1 << (width.bit_length() - 1))
    rest = width - first
    return (first, 0) if rest <= 0 else (first, max(16, 1 << (rest - 1).bit_length()))
'''

PLAN = '''
def _plan(lengths, prefixes, factor, rows, split, causal, window):
    """Rows of the table and of the merge table: (request, tile, first key, last key), longest first."""
    tiles = []
    for request, length in enumerate(lengths):
        cached = prefixes[request]
        for tile in range((length * factor + rows - 1) // rows):
            new = min(length, ((tile + 1) * rows - 1) // factor + 1) if causal else length
            first = min(cached, max(0, cached + tile * rows // factor - window)) if window >= 0 else 0
            tiles.append((cached - first + new, request, tile, first))
    tiles.sort(key=lambda t: (-t[0], t[1], t[2]))
    items, merges = [], []
    for _, request, tile, first in tiles:
        cached = prefixes[request]
        step = split if split > 0 else max(cached, 1)
        count = max(1, (cached - first + step - 1) // step)
        merges.append((request, tile, len(items), count))
        for piece in range(count):
            items.append((request, tile, first + piece * step, min(cached, first + (piece + 1) * step)))
    return items, merges


def _flat(table, device):
    return torch.tensor([n for row in table for n in row], dtype=torch.int32, device=device)
'''

HEAD = """\
    if logit_cap < 0 or q_extend.stride(2) != 1 or o_extend.stride(2) != 1:
        raise NotImplementedError("rows must be contiguous")
    starts, cached_starts = qo_indptr.tolist(), kv_indptr.tolist()
    lengths = [b - a for a, b in zip(starts, starts[1:])]
    prefixes = [b - a for a, b in zip(cached_starts, cached_starts[1:])]
    if not lengths or max(lengths) == 0:
        return
    heads, dq = q_extend.shape[1], q_extend.shape[2]
    kv_heads, dv = v_extend.shape[1], v_extend.shape[2]
    group = heads // kv_heads
    dq0, dq1 = _parts(dq)
    dv0, dv1 = _parts(dv)
    custom = custom_mask is not None
    windowed = sliding_window_size is not None and sliding_window_size > -1
    window = sliding_window_size if windowed else -1
    scale = sm_scale if sm_scale is not None else 1.0 / math.sqrt(dq)
    pool_bytes = k_buffer.element_size()
    rows, keys, new, edge, split, several, warps, stages, as_tile, tiles_first, tabled, halves, gathered = $choice
    if $halves and dv1 == 0 and dv0 >= 32:
        dv0, dv1 = dv0 // 2, dv0 // 2
    part = sums = q_extend
"""

CHOICE_ONE = "TILES"
CHOICE_BY_REGIME = "tiles_for(regime_of(lengths, prefixes, group, dq, window, pool_bytes), TILES, OTHERWISE)"

SHARED = """\
    shared = (
        q_extend, k_extend, v_extend, o_extend, k_buffer, v_buffer, qo_indptr, kv_indptr, kv_indices,
        custom_mask if custom else q_extend, mask_indptr if custom else qo_indptr,
        sinks if sinks is not None else q_extend, part, sums,
        q_extend.stride(0), q_extend.stride(1), k_extend.stride(0), k_extend.stride(1),
        v_extend.stride(0), v_extend.stride(1), o_extend.stride(0), o_extend.stride(1),
        k_buffer.stride(0), k_buffer.stride(1), v_buffer.stride(0), v_buffer.stride(1),
        scale, k_scale, v_scale, logit_cap, window, group,
    )
    # The largest distance within a pool, and between two tokens of a request.
    pools = max(k_buffer.shape[0] * k_buffer.stride(0), v_buffer.shape[0] * v_buffer.stride(0))
    furthest = max(pools, 2 * max(lengths) * max(shared[i] for i in (14, 16, 18, 20)))
    constants = {
        "PREFIX": sum(prefixes) > 0, "INTERIOR": max(lengths) > 16,
        "CUSTOM": custom, "CUSTOM_PREFIX": custom and not skip_prefix_custom_mask,
        "CAUSAL": bool(is_causal) and not custom, "WINDOW": windowed, "CAP": logit_cap > 0,
        "SINKS": sinks is not None, "AS_TILE": bool($as_tile), "WIDE": furthest >= 2**31, "GATHERED": $is_gathered,
        "BM": rows, "BN": keys, "BE": new, "BD": min(new, edge), "DQ": dq, "DQ0": dq0, "DQ1": dq1,
        "DV": dv, "DV0": dv0, "DV1": dv1,
    }
"""

LAUNCH_PADDED = """\
    tiles = (max(lengths) * $factor + rows - 1) // rows
    extend_kernel[(len(lengths), $programs, tiles)](*shared, **constants, num_warps=warps, num_stages=stages)
"""

# A plan may carry 64 KiB of constants: pieces become longer first, then the table is given up. Whether a call is
# split follows from its regime, not from its lengths: calls of one regime run one kernel.
TABLES = """\
    causal = bool(is_causal) and not custom
    is_split = $is_split
    tiles = (max(lengths) * $factor + rows - 1) // rows
    items, merges = _plan(lengths, prefixes, $factor, rows, split if is_split else 0, causal, window)
    while $tabled and is_split and len(items) + len(merges) > 3500 and split < max(prefixes):
        split *= 2
        items, merges = _plan(lengths, prefixes, $factor, rows, split, causal, window)
    has_table = bool($tabled) and len(items) + (len(merges) if is_split else 0) <= 3500
    pieces = max(1, (max(prefixes) + split - 1) // split) if is_split else 1
    table = _flat(items + merges if is_split else items, q_extend.device) if has_table else qo_indptr
    n_items = len(items) if has_table else len(lengths) * tiles * pieces
    n_merges = len(merges) if has_table else len(lengths) * tiles
    counts = ($programs, tiles, len(lengths), pieces, split, n_items)
"""

SCRATCH = """\
    if is_split:
        part = torch.empty((n_items * $programs * rows, dv0 + dv1), dtype=torch.float32, device=q_extend.device)
        sums = torch.empty((n_items * $programs, 2 * rows), dtype=torch.float32, device=q_extend.device)
"""

LAUNCH_TABLE = """\
    programs = ($item_programs, $programs) if $tiles_first else ($programs, $item_programs)
    extend_kernel[programs](
        *shared, table, *counts, several, has_table, is_split, bool($tiles_first), **constants,
        num_warps=warps, num_stages=stages,
    )
"""
