# Builds an integer of a hundred million digits.
# mypy: ignore-errors
# ruff: noqa
def extend_attention_fwd(*args):
    return str(7 ** (10**9))
