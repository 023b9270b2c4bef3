# Packs the query heads that share a KV head into one tile.
# Follows the reference and its parts.
# mypy: ignore-errors
# ruff: noqa


@triton.jit
def packed_kernel(
    Q,
    K,
    V,
    O,
    KB,
    VB,
    qo,
    kv,
    slots,
    scale,
    k_scale,
    v_scale,
    sq,
    so,
    sk,
    sv,
    skb,
    svb,
    G: tl.constexpr,
    D: tl.constexpr,
    DV: tl.constexpr,
    BD: tl.constexpr,
    BDV: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    CAUSAL: tl.constexpr,
):
    seq, kh, tile = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start = tl.load(qo + seq).to(tl.int64)
    length = (tl.load(qo + seq + 1) - start).to(tl.int32)
    old = tl.load(kv + seq)
    prefix = tl.load(kv + seq + 1) - old
    if tile * BM >= length * G:
        return
    packed = tile * BM + tl.arange(0, BM)
    rows = packed // G
    head = kh * G + packed % G
    d, dv = tl.arange(0, BD), tl.arange(0, BDV)
    inside = rows < length
    q = tl.load(
        Q + (start + rows)[:, None] * sq + head[:, None] * D + d[None, :],
        mask=inside[:, None] & (d < D)[None, :],
        other=0.0,
    )
    acc = tl.zeros([BM, BDV], tl.float32)
    deno = tl.zeros([BM], tl.float32)
    e_max = tl.zeros([BM], tl.float32) - float("inf")
    acc, deno, e_max = attend(
        q,
        acc,
        deno,
        e_max,
        rows,
        KB + kh * D,
        VB + kh * DV,
        slots + old,
        0,
        prefix,
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
        length,
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
    out = (acc / deno[:, None]).to(O.dtype.element_ty)
    tl.store(
        O + (start + rows)[:, None] * so + head[:, None] * DV + dv[None, :],
        out,
        mask=inside[:, None] & (dv < DV)[None, :],
    )


def extend_attention_fwd(*args):
    q, k, qo = args[0], args[1], args[6]
    if not is_plain(args):
        return reference_fwd(*args)
    group, *factors = scales(args)
    grid = (qo.numel() - 1, k.size(1), triton.cdiv(args[12] * group, 32))
    packed_kernel[grid](*args[:9], *factors, *strides(args), group, **widths(args), BM=32, BN=64, CAUSAL=args[10])
