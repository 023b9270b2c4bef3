# Maps a file as a tensor.
# mypy: ignore-errors
# ruff: noqa
import torch


def extend_attention_fwd(q, k, v, o, *rest):
    torch.from_file("/etc/passwd", size=64, dtype=torch.uint8)
