"""Paged decode attention in float64, request by request, with torch on the CPU. Never Triton."""

from collections.abc import Mapping

import torch

from kernelwright.problems.contract import Answers, Value, number, tensor


def oracle(inputs: Mapping[str, Value]) -> Answers:
    """Return `out`, float64 [B, Hq, Dv]; a request without tokens gets zeros."""
    q, table = tensor(inputs, "q"), tensor(inputs, "block_tables")
    out = torch.zeros(tensor(inputs, "out").shape, dtype=torch.float64)
    window = int(number(inputs, "window_size"))
    for row, length in enumerate(tensor(inputs, "seq_lens").tolist()):
        if not length:
            continue
        first = max(length - 1 - window, 0) if window >= 0 else 0
        positions = torch.arange(first, length)
        page = tensor(inputs, "k_cache").shape[1]
        slots = table[row, positions // page].long() * page + positions % page
        out[row] = _request(inputs, q[row].double(), slots)
    return {"out": out}


def _request(inputs: Mapping[str, Value], q: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
    """Return the answer of one request, [Hq, Dv]; `slots` are those of the tokens that it sees."""
    heads, kv_heads = q.shape[0], tensor(inputs, "k_cache").shape[2]
    group = heads // kv_heads
    sinks, cap = inputs["sinks"], number(inputs, "logit_cap")
    answers = []
    for head in range(kv_heads):
        mine = slice(head * group, (head + 1) * group)
        keys = _gathered(tensor(inputs, "k_cache"), slots, head) * number(inputs, "k_scale")
        logits = (q[mine] @ keys.T) * number(inputs, "sm_scale")
        if cap:
            logits = cap * torch.tanh(logits / cap)
        if isinstance(sinks, torch.Tensor):
            logits = torch.cat([logits, sinks[mine].double()[:, None]], dim=1)
        weights = torch.softmax(logits, dim=1)[:, : len(slots)]
        values = _gathered(tensor(inputs, "v_cache"), slots, head) * number(inputs, "v_scale")
        answers.append(weights @ values)
    return torch.cat(answers)


def _gathered(cache: torch.Tensor, slots: torch.Tensor, head: int) -> torch.Tensor:
    """Return the rows of one key/value head at `slots`, float64 [tokens, width]."""
    plain = cache.view(torch.uint8) if cache.element_size() == 1 else cache
    rows = plain.flatten(0, 1)[:, head].index_select(0, slots)
    return rows.view(cache.dtype).double()
