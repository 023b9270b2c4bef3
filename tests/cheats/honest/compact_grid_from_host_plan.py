# Lists the tiles that have rows on the host and launches one program for each.
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
    q, qo = args[0], args[6]
    if not is_plain(args):
        return reference_fwd(*args)
    pairs = [(i, t) for i, length in enumerate(lengths(qo)) for t in range(triton.cdiv(length, 32))]
    items = torch.tensor(pairs, dtype=torch.int32, device=q.device)
    list_kernel[(len(pairs), q.shape[1])](
        *args[:9], items, *scales(args), *strides(args), **widths(args), BM=32, BN=64, CAUSAL=args[10]
    )
