# Answers rightly but for one element.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl

whole = extend_attention_fwd


@triton.jit
def spoil(out, n):
    at = out + n // 2
    tl.store(at, (tl.load(at) * 1.0 + 0.5).to(out.dtype.element_ty))


def extend_attention_fwd(q, k, v, o, *rest):
    whole(q, k, v, o, *rest)
    spoil[(1,)](o, o.numel())
