# Reads the slot list on the host, which is no plan input.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
whole = extend_attention_fwd


def extend_attention_fwd(q, k, v, o, kb, vb, qo, kv, slots, *rest):
    if slots.tolist():
        whole(q, k, v, o, kb, vb, qo, kv, slots, *rest)
