"""Useful work of paged decode attention."""

from collections.abc import Mapping
from typing import Any

from kernelwright.core.plan import ELEMENT_BYTES
from kernelwright.core.work import Work
from kernelwright.problems.paged_decode_attention.shape import Shape, parse_shape


def work(params: Mapping[str, Any]) -> Work:
    """Return flops of the keys that are seen, bytes that must move, exponentials.

    A slot counts once however many requests share it; of the page table the entries of pages that are seen.
    """
    shape = parse_shape(params)
    pairs = shape.q_heads * sum(n - shape.first_seen(n) for n in shape.lens)
    widths = shape.qk_width + shape.v_width
    element, pooled = ELEMENT_BYTES[shape.dtype], ELEMENT_BYTES[shape.pool_dtype]
    entries = sum(shape.pages(n) - shape.first_seen(n) // shape.page for n in shape.lens)
    moved = (
        len([n for n in shape.lens if n]) * shape.q_heads * shape.qk_width * element
        + len(shape.lens) * shape.q_heads * shape.v_width * element
        + _slots(shape) * shape.kv_heads * widths * pooled
        + (entries + len(shape.lens)) * ELEMENT_BYTES["i32"]
        + (shape.q_heads * element if shape.sinks else 0)
    )
    return Work(2 * pairs * widths, shape.dtype, moved, pairs)


def _slots(shape: Shape) -> int:
    """Return the distinct slots that some request sees."""
    own, shared = 0, shape.shared
    for n in shape.lens:
        first = shape.first_seen(n)
        own += n - max(first, shape.shared) if shape.shares(n) else n - first
        shared = min(shared, first) if shape.shares(n) else shared
    return own + shape.shared - shared
