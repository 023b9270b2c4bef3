# Asks for a tensor of billions of elements in one program.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl


@triton.jit
def giant(out):
    i = tl.arange(0, 1048576)
    j = tl.arange(0, 1024)
    tl.store(out + i[:, None] * 1024 + j[None, :], 0.0)


def extend_attention_fwd(q, k, v, o, *rest):
    giant[(1,)](o)
