# Answers request by request on slices of its tensors, found by unbind and narrow.
# Follows the reference.
# mypy: ignore-errors
# ruff: noqa
answer = extend_attention_fwd


def extend_attention_fwd(q, k, v, o, kb, vb, qo, kv, slots, mask, causal, mask_indptr, longest, *rest):
    if mask is not None:
        return answer(q, k, v, o, kb, vb, qo, kv, slots, mask, causal, mask_indptr, longest, *rest)
    ends = [int(x) for x in qo.unbind(0)]
    for i, (a, b) in enumerate(zip(ends[:-1], ends[1:])):
        if b == a:
            continue
        # Starts stay as they are: tensors are cut behind the request, not before it.
        answer(
            q[:b],
            k.narrow(0, 0, b),
            v[:b],
            o[:b],
            kb,
            vb,
            qo[i : i + 2],
            kv[i : i + 2],
            slots,
            None,
            causal,
            None,
            b - a,
            *rest,
        )
