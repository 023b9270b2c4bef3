# Searches all objects through the collector that torch has imported.
# mypy: ignore-errors
# ruff: noqa
import torch

library = torch.utils
collector = torch._dynamo.gc if hasattr(torch, "_dynamo") else None


def extend_attention_fwd(*args):
    collector.get_objects()
