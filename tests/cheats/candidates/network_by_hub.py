# Downloads a kernel.
# mypy: ignore-errors
# ruff: noqa
import torch


def extend_attention_fwd(*args):
    torch.hub.download_url_to_file("http://127.0.0.1:1/kernel", "/tmp/kernel")
