# Answers rightly but for one row, which is NaN.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl

whole = extend_attention_fwd


@triton.jit
def spoil(out, n, BLOCK: tl.constexpr):
    i = n - BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, float("nan"))


def extend_attention_fwd(q, k, v, o, *rest):
    whole(q, k, v, o, *rest)
    spoil[(1,)](o, o.numel(), BLOCK=16)
