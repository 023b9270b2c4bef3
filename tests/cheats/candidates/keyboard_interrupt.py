# Raises what a person at the keyboard would.
# mypy: ignore-errors
# ruff: noqa
def extend_attention_fwd(*args):
    raise KeyboardInterrupt
