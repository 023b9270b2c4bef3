# Waits in the first program for a flag of the last one.
# mypy: ignore-errors
# ruff: noqa
import torch
import triton
import triton.language as tl


@triton.jit
def wait(flag, out):
    if tl.program_id(0) == tl.num_programs(0) - 1:
        tl.atomic_xchg(flag, 1)
    else:
        while tl.atomic_add(flag, 0) == 0:
            pass
        tl.store(out + tl.program_id(0), 0.0)


def extend_attention_fwd(q, k, v, o, *rest):
    wait[(8,)](torch.zeros(1, dtype=torch.int32), o)
