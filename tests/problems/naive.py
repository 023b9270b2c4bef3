"""Attention written from its definition, element by element: shares no code with the oracle."""

import math

import torch

from kernelwright.problems.contract import Inputs


def naive_attention(inputs: Inputs) -> torch.Tensor:
    """Return the output, float64; for a handful of tokens only."""
    a = inputs.values
    q, out = inputs.tensor("q_extend").double(), torch.zeros(inputs.tensor("o_extend").shape, dtype=torch.float64)
    group = q.shape[1] // inputs.tensor("k_extend").shape[1]
    qo, kv = inputs.tensor("qo_indptr").tolist(), inputs.tensor("kv_indptr").tolist()
    for request in range(len(qo) - 1):
        for row in range(qo[request + 1] - qo[request]):
            for head in range(q.shape[1]):
                keys = _keys(inputs, request, row, head // group, kv[request + 1] - kv[request])
                logits, values = [], []
                for key, value, scale in keys:
                    logit = float(q[qo[request] + row, head] @ key) * _scale(inputs) * scale
                    cap = inputs.number("logit_cap")
                    logits.append(cap * math.tanh(logit / cap) if cap else logit)
                    values.append(value)
                # All logits less the largest: the exponential of some has no float64.
                most = max(logits, default=0.0)
                weights = [math.exp(logit - most) for logit in logits]
                total = sum(weights)
                if a["sinks"] is not None:
                    total += math.exp(float(inputs.tensor("sinks")[head]) - most)
                for weight, value in zip(weights, values, strict=True):
                    out[qo[request] + row, head] += weight / total * value
    return out


def visible(inputs: Inputs, request: int, row: int, position: int, prefix: int, extend: int) -> bool:
    """Return whether a row sees the key at `position` of prefix plus new tokens, from the words of the contract."""
    window = inputs.number("sliding_window_size")
    if window >= 0 and prefix + row > position + window:
        return False
    if inputs.values["custom_mask"] is None:
        return position <= prefix + row or not inputs.values["is_causal"]
    if position < prefix and inputs.values["skip_prefix_custom_mask"]:
        return True
    at = int(inputs.tensor("mask_indptr")[request]) + row * (prefix + extend) + position
    return bool(inputs.tensor("custom_mask")[at])


def _keys(
    inputs: Inputs, request: int, row: int, head: int, prefix: int
) -> list[tuple[torch.Tensor, torch.Tensor, float]]:
    qo = inputs.tensor("qo_indptr").tolist()
    start, extend = qo[request], qo[request + 1] - qo[request]
    found = []
    for position in range(prefix + extend):
        if not visible(inputs, request, row, position, prefix, extend):
            continue
        if position < prefix:
            slot = int(inputs.tensor("kv_indices")[int(inputs.tensor("kv_indptr")[request]) + position])
            key, value = inputs.tensor("k_buffer")[slot, head].double(), inputs.tensor("v_buffer")[slot, head].double()
            found.append((key, value * inputs.number("v_scale"), inputs.number("k_scale")))
        else:
            at = start + position - prefix
            key, value = inputs.tensor("k_extend")[at, head].double(), inputs.tensor("v_extend")[at, head].double()
            found.append((key, value, 1.0))
    return found


def _scale(inputs: Inputs) -> float:
    given = inputs.values["sm_scale"]
    return 1.0 / math.sqrt(inputs.tensor("q_extend").shape[2]) if given is None else inputs.number("sm_scale")
