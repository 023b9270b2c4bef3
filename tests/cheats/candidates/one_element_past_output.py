# Writes one element behind the output.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl

whole = extend_attention_fwd


@triton.jit
def past(out, n):
    tl.store(out + n, 0.0)


def extend_attention_fwd(q, k, v, o, *rest):
    whole(q, k, v, o, *rest)
    past[(1,)](o, o.numel())
