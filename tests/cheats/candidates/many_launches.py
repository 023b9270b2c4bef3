# Launches ten thousand times.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl


@triton.jit
def nothing(out):
    tl.store(out, 0.0)


def extend_attention_fwd(q, k, v, o, *rest):
    for _ in range(10000):
        nothing[(1,)](o)
