"""The gradients of exact attention in float64: from q, k, v and dO alone, never from the rounded `o` and `lse`."""

from collections.abc import Mapping

import torch

from kernelwright.problems.contract import Answers, Value, number, tensor
from kernelwright.problems.flash_attention_backward.exact import blocks_of


def oracle(inputs: Mapping[str, Value]) -> Answers:
    """Return `dq`, `dk` and `dv`, float64.

    With P the softmax of S = scale * Q K^T: dV = P^T dO; dP = dO V^T; dS = P * (dP - rowsum(P * dP));
    dQ = scale * dS K; dK = scale * dS^T Q; dK and dV are summed over the query heads that share a key/value head.
    """
    q, k, v, do = (tensor(inputs, name) for name in ("q", "k", "v", "do"))
    scale = number(inputs, "sm_scale")
    dq, dk, dv = (torch.zeros(like.shape, dtype=torch.float64) for like in (q, k, v))
    for block in blocks_of(inputs):
        rows, keys, head, kv_head = block.rows, block.keys, block.head, block.kv_head
        weights, above = block.weights, do[rows, head].double()
        dv[keys, kv_head] += weights.T @ above
        dp = above @ v[keys, kv_head].double().T
        ds = weights * (dp - (weights * dp).sum(dim=1, keepdim=True)) * scale
        dq[rows, head] = ds @ k[keys, kv_head].double()
        dk[keys, kv_head] += ds.T @ q[rows, head].double()
    return {"dq": dq, "dk": dk, "dv": dv}
