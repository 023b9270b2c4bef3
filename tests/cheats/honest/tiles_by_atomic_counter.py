# Programs fetch tiles from a counter until none is left.
# Follows the reference and its parts.
# mypy: ignore-errors
# ruff: noqa


@triton.jit
def fetch_kernel(
    Q,
    K,
    V,
    O,
    KB,
    VB,
    qo,
    kv,
    slots,
    counter,
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
    requests,
    heads,
    tiles,
    D: tl.constexpr,
    DV: tl.constexpr,
    BD: tl.constexpr,
    BDV: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    CAUSAL: tl.constexpr,
):
    item = tl.atomic_add(counter, 1)
    while item < requests * heads * tiles:
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
            item // (heads * tiles),
            item // tiles % heads,
            item % tiles,
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
        item = tl.atomic_add(counter, 1, sem="relaxed")


def extend_attention_fwd(*args):
    q, qo = args[0], args[6]
    if not is_plain(args):
        return reference_fwd(*args)
    counts = qo.shape[0] - 1, q.shape[1], triton.cdiv(args[12], 32)
    counter = torch.zeros((1,), dtype=torch.int32, device=q.device)
    fetch_kernel[(4,)](
        *args[:9], counter, *scales(args), *strides(args), *counts, **widths(args), BM=32, BN=64, CAUSAL=args[10]
    )
