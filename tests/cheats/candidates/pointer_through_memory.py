# Stores a number in scratch and loads it as a pointer.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import torch
import triton
import triton.language as tl

whole = extend_attention_fwd


@triton.jit
def forged(cell, out, address):
    tl.store(cell, address)
    tl.debug_barrier()
    found = tl.load(cell.to(tl.pointer_type(tl.pointer_type(tl.float32))))
    tl.store(found, 0.0)


def extend_attention_fwd(q, k, v, o, *rest):
    whole(q, k, v, o, *rest)
    forged[(1,)](torch.empty(1, dtype=torch.int64), o, 140000000000000)
