"""Useful work of a workload, and what bounds it."""

from kernelwright.core.plan import ELEMENT_BYTES
from kernelwright.core.problem import Workload
from kernelwright.core.work import Bound, Peaks, Work, compute_ns, roofline_ns, stream_ns
from kernelwright.problems.extend_attention.shape import Shape, parse_shape, visible_pairs
from kernelwright.problems.extend_attention.suites import latency_limit_ns


def work_of(workload: Workload) -> Work:
    """Return flops of visible (query, key) pairs, bytes that must move, exponentials.

    Each needed slot of the pool counts once however many requests share it; with a window only the
    slots that some row sees.
    """
    shape = parse_shape(workload)
    pairs = visible_pairs(shape) * shape.q_heads
    return Work(2 * pairs * (shape.qk_width + shape.v_width), shape.dtype, _moved_bytes(shape), pairs)


def bound_of(workload: Workload, suite: str, peaks: Peaks) -> Bound:
    """Return latency where the roofline time is under the suite's limit, else the larger term."""
    work = work_of(workload)
    if roofline_ns(work, peaks) < latency_limit_ns(suite):
        return "latency"
    return "compute" if compute_ns(work, peaks) >= stream_ns(work, peaks) else "bandwidth"


def _moved_bytes(shape: Shape) -> int:
    element, pooled = ELEMENT_BYTES[shape.dtype], ELEMENT_BYTES[shape.pool_dtype]
    widths = shape.qk_width + shape.v_width
    new = sum(shape.extend)
    queries_and_output = new * shape.q_heads * widths * element
    new_keys = new * shape.kv_heads * widths * element
    slots, named = _needed_slots(shape)
    pool = slots * shape.kv_heads * widths * pooled + named * ELEMENT_BYTES["i64"]
    offsets = 2 * (len(shape.extend) + 1) * ELEMENT_BYTES["i32"]
    sinks = shape.q_heads * element if shape.sinks else 0
    return queries_and_output + new_keys + pool + offsets + sinks + _mask_bytes(shape)


def _needed_slots(shape: Shape) -> tuple[int, int]:
    """Return distinct slots, and entries of the index list, that some query row sees.

    A windowed request sees the last W of its prefix; requests without new tokens see none.
    """
    requests = [(p, e) for e, p in zip(shape.extend, shape.prefix, strict=True) if e]
    if shape.window >= 0:
        seen = [(max(p - shape.window, 0), p) for p, _ in requests]
    elif shape.tree and not shape.skip_prefix_mask:
        # Spans hidden from different rows do not overlap, so only a lone row leaves keys unread.
        seen = [(p // 8 if e == 1 else 0, p) for p, e in requests]
    else:
        seen = [(0, p) for p, _ in requests]
    named = sum(last - first for first, last in seen)
    share = shape.shared_prefix
    own, common = 0, [share]
    for first, last in seen:
        if share and last >= share:
            common.append(min(first, share))
            own += last - max(first, share)
        else:
            own += last - first
    return own + share - min(common), named


def _mask_bytes(shape: Shape) -> int:
    if not shape.tree:
        return 0
    covered = (e if shape.skip_prefix_mask else p + e for e, p in zip(shape.extend, shape.prefix, strict=True))
    entries = sum(e * c for e, c in zip(shape.extend, covered, strict=True))
    return entries + (len(shape.extend) + 1) * ELEMENT_BYTES["i64"]
