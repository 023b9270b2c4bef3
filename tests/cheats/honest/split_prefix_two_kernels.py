# Splits a long prefix over programs and joins their parts in a second kernel.
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
    SPLITS,
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
    if split == SPLITS - 1:
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
    store_rows(sums + at * DV, rows, length, DV, acc, DV, BDV)
    tl.store(tops + (at + rows) * 2, e_max, mask=rows < length)
    tl.store(tops + (at + rows) * 2 + 1, deno, mask=rows < length)


@triton.jit
def join_kernel(sums, tops, O, so, total, SPLITS: tl.constexpr, DV: tl.constexpr, BDV: tl.constexpr):
    row, head = tl.program_id(0), tl.program_id(1)
    d = tl.arange(0, BDV)
    acc = tl.zeros([BDV], tl.float32)
    deno = 0.0
    top = float("-inf")
    for split in range(SPLITS):
        at = (split * tl.num_programs(1) + head) * total + row
        e_max = tl.load(tops + at * 2)
        if e_max > float("-inf"):
            new = tl.maximum(top, e_max)
            acc = acc * tl.exp(top - new) + tl.load(sums + at * DV + d, mask=d < DV, other=0.0) * tl.exp(e_max - new)
            deno = deno * tl.exp(top - new) + tl.load(tops + at * 2 + 1) * tl.exp(e_max - new)
            top = new
    tl.store(O + row * so + head * DV + d, (acc / deno).to(O.dtype.element_ty), mask=d < DV)


def extend_attention_fwd(*args):
    q, v, o, qo = args[0], args[2], args[3], args[6]
    if not is_plain(args):
        return reference_fwd(*args)
    splits = 4 if args[8].shape[0] > 256 else 1
    total, heads = q.shape[0], q.shape[1]
    sums = torch.empty((splits, heads, total, v.shape[2]), dtype=torch.float32, device=q.device)
    tops = q.new_empty((splits, heads, total, 2), dtype=torch.float32)
    part_kernel[(qo.shape[0] - 1, heads, triton.cdiv(args[12], 32) * splits)](
        *args[:9],
        sums,
        tops,
        *scales(args),
        *strides(args),
        total,
        splits,
        **widths(args),
        BM=32,
        BN=32,
        CAUSAL=args[10],
    )
    join_kernel[(total, heads)](
        sums, tops, o, o.stride(0), total, splits, v.shape[2], triton.next_power_of_2(v.shape[2])
    )
