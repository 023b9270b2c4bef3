# Prints and asserts in its kernel, as one does while looking for a mistake.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl

answer = extend_attention_fwd


@triton.jit
def look(out, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    x = tl.load(out + i, mask=i < n, other=0.0)
    tl.device_print("first values", x)
    tl.device_assert(x == x, "an answer is a number")
    tl.static_assert(BLOCK == 64)


def extend_attention_fwd(q, k, v, o, *rest):
    answer(q, k, v, o, *rest)
    look[(1,)](o, o.numel(), BLOCK=64)
