# Says that it cannot do windows.
# mypy: ignore-errors
# ruff: noqa
def extend_attention_fwd(*args):
    raise NotImplementedError("sliding windows")
