# Asks for gigabytes of scratch on every workload that it hardly uses.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import torch
import triton
import triton.language as tl

whole = extend_attention_fwd


@triton.jit
def touch(scratch):
    tl.store(scratch, 0.0)


def extend_attention_fwd(*args):
    touch[(1,)](torch.empty((4 << 30) // 4 - 64, dtype=torch.float32))
    whole(*args)
