# Orders tiles by their work on the host, the longest first.
# Follows the reference and its parts.
# mypy: ignore-errors
# ruff: noqa


@triton.jit
def list_kernel(
    Q,
    K,
    V,
    O,
    KB,
    VB,
    qo,
    kv,
    slots,
    items,
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
    D: tl.constexpr,
    DV: tl.constexpr,
    BD: tl.constexpr,
    BDV: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    CAUSAL: tl.constexpr,
):
    item = tl.program_id(0)
    whole_tile(
        Q,
        K,
        V,
        O,
        KB,
        VB,
        qo,
        kv,
        slots,
        tl.load(items + 2 * item),
        tl.program_id(1),
        tl.load(items + 2 * item + 1),
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
        D,
        DV,
        BD,
        BDV,
        BM,
        BN,
        CAUSAL,
    )


def extend_attention_fwd(*args):
    q, qo, kv = args[0], args[6], args[7]
    if not is_plain(args):
        return reference_fwd(*args)
    new, old = lengths(qo), lengths(kv)
    pairs = [(i, t) for i in range(len(new)) for t in range((new[i] + 31) // 32)]
    pairs.sort(key=lambda pair: old[pair[0]] + 32 * pair[1], reverse=True)
    items = torch.tensor([x for pair in pairs for x in pair], dtype=torch.int32).to(q.device)
    list_kernel[(len(pairs), q.shape[1])](
        *args[:9], items, *scales(args), *strides(args), **widths(args), BM=32, BN=64, CAUSAL=args[10]
    )
