# Splits a prefix over programs; the one that arrives last joins the parts.
# Follows the reference and its parts.
# mypy: ignore-errors
# ruff: noqa


@triton.jit
def part_kernel(
    Q,
    K,
    V,
    O,
    KB,
    VB,
    qo,
    kv,
    slots,
    sums,
    tops,
    arrivals,
    group,
    scale,
    k_scale,
    v_scale,
    sq,
    so,
    sk,
    sv,
    skb,
    svb,
    total,
    SPLITS: tl.constexpr,
    D: tl.constexpr,
    DV: tl.constexpr,
    BD: tl.constexpr,
    BDV: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    CAUSAL: tl.constexpr,
):
    seq, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2) % SPLITS
    tile = tl.program_id(2) // SPLITS
    heads = tl.num_programs(1)
    start = tl.load(qo + seq).to(tl.int64)
    length = (tl.load(qo + seq + 1) - start).to(tl.int32)
    old = tl.load(kv + seq)
    prefix = tl.load(kv + seq + 1) - old
    if tile * BM >= length:
        return
    rows = tile * BM + tl.arange(0, BM)
    q = load_rows(Q + start * sq + head * D, rows, length, sq, D, BD)
    acc = tl.zeros([BM, BDV], tl.float32)
    deno = tl.zeros([BM], tl.float32)
    e_max = tl.zeros([BM], tl.float32) - float("inf")
    kh = head // group
    share = tl.cdiv(prefix, SPLITS)
    acc, deno, e_max = attend(
        q,
        acc,
        deno,
        e_max,
        rows,
        KB + kh * D,
        VB + kh * DV,
        slots + old,
        split * share,
        tl.minimum((split + 1) * share, prefix),
        skb,
        svb,
        scale * k_scale,
        v_scale,
        D,
        DV,
        BN,
        True,
        False,
    )
    if split == 0:
        end = tl.minimum(length, (tile + 1) * BM) if CAUSAL else length
        acc, deno, e_max = attend(
            q,
            acc,
            deno,
            e_max,
            rows,
            K + start * sk + kh * D,
            V + start * sv + kh * DV,
            slots,
            0,
            end,
            sk,
            sv,
            scale,
            1.0,
            D,
            DV,
            BN,
            False,
            CAUSAL,
        )
    at = (split * heads + head) * total + start
    inside = rows < length
    store_rows(sums + at * DV, rows, length, DV, acc, DV, BDV)
    tl.store(tops + (at + rows) * 2, e_max, mask=inside)
    tl.store(tops + (at + rows) * 2 + 1, deno, mask=inside)
    tl.debug_barrier()
    tiles = tl.num_programs(2) // SPLITS
    if tl.atomic_add(arrivals + (seq * heads + head) * tiles + tile, 1, sem="acq_rel") == SPLITS - 1:
        acc = tl.zeros([BM, BDV], tl.float32)
        deno = tl.zeros([BM], tl.float32)
        e_max = tl.zeros([BM], tl.float32) - 1e30
        for other in range(SPLITS):
            at = (other * heads + head) * total + start
            top = tl.load(tops + (at + rows) * 2, mask=inside, other=0.0)
            new = tl.maximum(top, e_max)
            acc = (
                acc * tl.exp(e_max - new)[:, None]
                + load_rows(sums + at * DV, rows, length, DV, DV, BDV) * tl.exp(top - new)[:, None]
            )
            deno = deno * tl.exp(e_max - new) + tl.load(tops + (at + rows) * 2 + 1, mask=inside, other=1.0) * tl.exp(
                top - new
            )
            e_max = new
        store_rows(O + start * so + head * DV, rows, length, so, acc / deno[:, None], DV, BDV)


def extend_attention_fwd(*args):
    q, v, qo = args[0], args[2], args[6]
    if not is_plain(args):
        return reference_fwd(*args)
    splits, total, heads, tiles = 4, q.shape[0], q.shape[1], triton.cdiv(args[12], 32)
    sums = torch.empty((splits, heads, total, v.shape[2]), dtype=torch.float32)
    tops = torch.empty((splits, heads, total, 2), dtype=torch.float32)
    arrivals = torch.zeros((qo.shape[0] - 1) * heads * tiles, dtype=torch.int32)
    part_kernel[(qo.shape[0] - 1, heads, tiles * splits)](
        *args[:9],
        sums,
        tops,
        arrivals,
        *scales(args),
        *strides(args),
        total,
        splits,
        **widths(args),
        BM=32,
        BN=32,
        CAUSAL=args[10],
    )
