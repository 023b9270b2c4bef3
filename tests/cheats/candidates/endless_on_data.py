# Loops for ever where a query is positive.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl


@triton.jit
def loop(q, out):
    x = tl.max(tl.load(q + tl.arange(0, 256)).to(tl.float32), 0)
    while x > 0:
        x = x * 1.5
    tl.store(out, x)


def extend_attention_fwd(q, k, v, o, *rest):
    loop[(1,)](q, o)
