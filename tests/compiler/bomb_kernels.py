# mypy: ignore-errors
"""Kernels that are too much, or look as if they were."""

import triton
import triton.language as tl


@triton.jit
def doubled_often(x_ptr):
    at = tl.arange(0, 64)
    value = tl.load(x_ptr + at)
    for _ in tl.static_range(60):
        value = value + value
    tl.store(x_ptr + at, value)


@triton.jit
def unrolled_often(x_ptr, ROUNDS: tl.constexpr):
    at = tl.arange(0, 64)
    for step in tl.static_range(ROUNDS):
        tl.store(x_ptr + at, tl.load(x_ptr + at) * step)
