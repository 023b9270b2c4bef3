# Attention without masks, window, cap and sinks, in parts that several honest kernels are put together from.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import torch
import triton
import triton.language as tl

reference_fwd = extend_attention_fwd


@triton.jit
def attend(
    q,
    acc,
    deno,
    e_max,
    rows,
    keys_at,
    values_at,
    slots,
    begin,
    end,
    stride_k,
    stride_v,
    scale,
    v_scale,
    D: tl.constexpr,
    DV: tl.constexpr,
    BLOCK_N: tl.constexpr,
    USE_SLOTS: tl.constexpr,
    CAUSAL: tl.constexpr,
):
    d = tl.arange(0, q.shape[1])
    dv = tl.arange(0, acc.shape[1])
    for start in range(begin, end, BLOCK_N):
        key = start + tl.arange(0, BLOCK_N)
        inside = key < end
        place = key.to(tl.int64)
        if USE_SLOTS:
            place = tl.load(slots + key, mask=inside, other=0)
        k = tl.load(
            keys_at + place[None, :] * stride_k + d[:, None], mask=inside[None, :] & (d < D)[:, None], other=0.0
        )
        qk = tl.dot(q, k.to(q.dtype)) * scale
        visible = inside[None, :] & (rows[:, None] >= 0)
        if CAUSAL:
            visible &= rows[:, None] >= key[None, :]
        p, re_scale, e_max, deno = softmax_step(tl.where(visible, qk, float("-inf")), e_max, deno)
        v = tl.load(
            values_at + place[:, None] * stride_v + dv[None, :], mask=inside[:, None] & (dv < DV)[None, :], other=0.0
        )
        acc = acc * re_scale[:, None] + tl.dot(p.to(q.dtype), v.to(q.dtype)) * v_scale
    return acc, deno, e_max


@triton.jit
def load_rows(at, rows, length, stride, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    d = tl.arange(0, BLOCK)
    return tl.load(
        at + rows[:, None] * stride + d[None, :], mask=(rows < length)[:, None] & (d < WIDTH)[None, :], other=0.0
    )


@triton.jit
def store_rows(at, rows, length, stride, values, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    d = tl.arange(0, BLOCK)
    inside = (rows < length)[:, None] & (d < WIDTH)[None, :]
    tl.store(at + rows[:, None] * stride + d[None, :], values.to(at.dtype.element_ty), mask=inside)


@triton.jit
def whole_tile(
    Q,
    K,
    V,
    O,
    KB,
    VB,
    qo,
    kv,
    slots,
    seq,
    head,
    tile,
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
    """Answer one tile of queries of one request and head."""
    start = tl.load(qo + seq).to(tl.int64)
    length = (tl.load(qo + seq + 1) - start).to(tl.int32)
    old = tl.load(kv + seq)
    prefix = tl.load(kv + seq + 1) - old
    if tile * BM < length:
        rows = tile * BM + tl.arange(0, BM)
        q = load_rows(Q + start * sq + head * D, rows, length, sq, D, BD)
        acc = tl.zeros([BM, BDV], tl.float32)
        deno = tl.zeros([BM], tl.float32)
        e_max = tl.zeros([BM], tl.float32) - float("inf")
        kh = head // group
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
        store_rows(O + start * so + head * DV, rows, length, so, acc / deno[:, None], DV, BDV)


def is_plain(args):
    """Return whether the call uses none of masks, window, cap and sinks."""
    mask, cap, window, sinks = args[9], args[16], args[18], args[19]
    return mask is None and not cap and window < 0 and sinks is None


def widths(args):
    q, v = args[0], args[2]
    return {
        "D": q.shape[2],
        "DV": v.shape[2],
        "BD": triton.next_power_of_2(q.shape[2]),
        "BDV": triton.next_power_of_2(v.shape[2]),
    }


def scales(args):
    q, k = args[0], args[1]
    sm_scale = args[15] if args[15] is not None else q.shape[2] ** -0.5
    return q.shape[1] // k.shape[1], sm_scale, args[13], args[14]


def strides(args):
    return tuple(args[i].stride(0) for i in (0, 3, 1, 2, 4, 5))


def lengths(indptr):
    starts = indptr.tolist()
    return [b - a for a, b in zip(starts, starts[1:])]
