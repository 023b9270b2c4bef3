# Asks for more scratch than the machine has.
# mypy: ignore-errors
# ruff: noqa
import torch
import triton
import triton.language as tl


@triton.jit
def touch(scratch, out):
    tl.store(scratch, 0.0)
    tl.store(out, 0.0)


def extend_attention_fwd(q, k, v, o, *rest):
    touch[(1,)](torch.empty(3 << 40, dtype=torch.float32), o)
