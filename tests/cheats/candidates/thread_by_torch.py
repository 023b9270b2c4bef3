# Starts a thread that sleeps on.
# mypy: ignore-errors
# ruff: noqa
import torch

Thread = torch.utils.data.dataloader.threading.Thread


def extend_attention_fwd(*args):
    Thread(target=print).start()
