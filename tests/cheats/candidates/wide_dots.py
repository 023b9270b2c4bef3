# Makes hundreds of large matrix products in one kernel.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl


@triton.jit
def dots(out):
    i = tl.arange(0, 256)
    x = (i[:, None] + i[None, :]).to(tl.float32)
    for _ in tl.static_range(600):
        x = tl.dot(x, x)
    tl.store(out + i, tl.sum(x, 0).to(out.dtype.element_ty))


def extend_attention_fwd(q, k, v, o, *rest):
    dots[(1,)](o)
