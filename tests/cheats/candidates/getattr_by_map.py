# Calls getattr through another name.
# mypy: ignore-errors
# ruff: noqa
reach = getattr


def extend_attention_fwd(q, *rest):
    reach(q, "_" + "_class__")
