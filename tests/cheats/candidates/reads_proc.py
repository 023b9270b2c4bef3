# Reads the memory map of its parent.
# mypy: ignore-errors
# ruff: noqa
import torch


def extend_attention_fwd(*args):
    torch.load("/proc/1/maps")
