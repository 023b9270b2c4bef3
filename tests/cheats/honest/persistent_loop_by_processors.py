# As many programs as the chip has processors take all tiles in turn.
# Follows the reference and its parts.
# mypy: ignore-errors
# ruff: noqa


@triton.jit
def loop_kernel(
    Q,
    K,
    V,
    O,
    KB,
    VB,
    qo,
    kv,
    slots,
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
    for item in range(tl.program_id(0), requests * heads * tiles, tl.num_programs(0)):
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


def extend_attention_fwd(*args):
    q, qo = args[0], args[6]
    if not is_plain(args):
        return reference_fwd(*args)
    counts = qo.shape[0] - 1, q.shape[1], triton.cdiv(args[12], 32)
    programs = min(
        torch.cuda.get_device_properties(q.device).multi_processor_count * 2, counts[0] * counts[1] * counts[2]
    )
    loop_kernel[(programs,)](
        *args[:9], *scales(args), *strides(args), *counts, **widths(args), BM=32, BN=64, CAUSAL=args[10]
    )
