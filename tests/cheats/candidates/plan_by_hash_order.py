# Orders launches by the identity of objects, so that plans differ.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
whole = extend_attention_fwd


def extend_attention_fwd(q, k, v, o, *rest):
    whole(q, k, v, o, *rest)
    if id(object()) // 16 % 3:
        whole(q, k, v, o, *rest)
