# Leaves torch one thread.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import torch

whole = extend_attention_fwd


def extend_attention_fwd(*args):
    torch.set_num_threads(1)
    whole(*args)
