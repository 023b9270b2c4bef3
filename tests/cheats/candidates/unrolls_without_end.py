# Unrolls a million steps, in loops within loops.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl


@triton.jit
def unrolled(out):
    x = tl.load(out).to(tl.float32)
    for i in tl.static_range(100):
        for j in tl.static_range(100):
            for k in tl.static_range(100):
                x = x * 1.0001 + i * j + k
    tl.store(out, x.to(out.dtype.element_ty))


def extend_attention_fwd(q, k, v, o, *rest):
    unrolled[(1,)](o)
