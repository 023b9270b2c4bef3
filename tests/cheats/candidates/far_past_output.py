# Writes a gigabyte behind the output.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl

whole = extend_attention_fwd


@triton.jit
def far(out):
    tl.store(out + (1 << 29), 0.0)


def extend_attention_fwd(q, k, v, o, *rest):
    whole(q, k, v, o, *rest)
    far[(1,)](o)
