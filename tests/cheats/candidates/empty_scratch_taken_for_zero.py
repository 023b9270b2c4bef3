# Adds scratch that it takes for zero.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import torch
import triton
import triton.language as tl

whole = extend_attention_fwd


@triton.jit
def add(scratch, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(out + i, mask=i < n) + tl.load(scratch + i, mask=i < n)
    tl.store(out + i, x, mask=i < n)


def extend_attention_fwd(q, k, v, o, *rest):
    whole(q, k, v, o, *rest)
    add[(triton.cdiv(o.numel(), 256),)](torch.empty_like(o), o, o.numel(), BLOCK=256)
