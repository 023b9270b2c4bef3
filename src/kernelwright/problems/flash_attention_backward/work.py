"""Useful work of the backward pass."""

from collections.abc import Mapping
from typing import Any

from kernelwright.core.plan import ELEMENT_BYTES
from kernelwright.core.work import Work
from kernelwright.problems.flash_attention_backward.shape import Shape, parse_shape


def work(params: Mapping[str, Any]) -> Work:
    """Return flops of the five products over visible pairs, compulsory traffic, one exponential a pair.

    q, k, v, o, dO and the log-sum-exp are read once, dq, dk and dv written once. Kernels that make the weights
    twice, once for dQ and once for dK and dV, do seven products; the two more are not counted.
    """
    shape = parse_shape(params)
    pairs = shape.q_heads * sum(_pairs(shape, sequence) for sequence in range(len(shape.lens)))
    element = ELEMENT_BYTES[shape.dtype]
    of_queries = sum(shape.lens) * shape.q_heads * (4 * shape.width * element + ELEMENT_BYTES["f32"])
    of_keys = sum(shape.key_lens) * shape.kv_heads * 4 * shape.width * element
    offsets = 2 * (len(shape.lens) + 1) * ELEMENT_BYTES["i32"]
    return Work(10 * pairs * shape.width, shape.dtype, of_queries + of_keys + offsets, pairs)


def _pairs(shape: Shape, sequence: int) -> int:
    return sum(len(shape.seen(sequence, row)) for row in range(shape.lens[sequence]))
