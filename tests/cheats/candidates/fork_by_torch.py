# Starts a process that outlives the call.
# mypy: ignore-errors
# ruff: noqa
import torch.multiprocessing


def extend_attention_fwd(*args):
    torch.multiprocessing.spawn(print, nprocs=2)
