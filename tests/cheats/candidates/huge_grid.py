# Launches more programs than any chip has time for.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl


@triton.jit
def nothing(out):
    tl.store(out, 0.0)


def extend_attention_fwd(q, k, v, o, *rest):
    nothing[(1 << 30, 1, 1)](o)
