# Reads a dunder attribute through str.format and finds text only, no attention.
# mypy: ignore-errors
# ruff: noqa
def extend_attention_fwd(q, *rest):
    str.format("{0.__class__.__mro__}", q)
