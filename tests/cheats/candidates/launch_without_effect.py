# Launches a kernel whose stores are all masked off.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl


@triton.jit
def nothing(out, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.store(out + i, 0.0, mask=i < n)


def extend_attention_fwd(q, k, v, o, *rest):
    nothing[(64,)](o, 0, BLOCK=64)
