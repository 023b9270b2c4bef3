# Hands torch a list that contains itself.
# mypy: ignore-errors
# ruff: noqa
import torch


def extend_attention_fwd(*args):
    nest = []
    nest.append(nest)
    torch.tensor(nest)
