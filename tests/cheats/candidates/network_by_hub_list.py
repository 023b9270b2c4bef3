# Asks a server through torch.hub without naming a module.
# mypy: ignore-errors
# ruff: noqa
import torch


def extend_attention_fwd(*args):
    torch.hub.load_state_dict_from_url("http://127.0.0.1:1/x.pth")
