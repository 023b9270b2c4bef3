"""Attention and its gradients in float64, a sequence and a head at a time, in blocks of rows. Never Triton.

Letters: M queries and N keys of a sequence, D the head width.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch

from kernelwright.problems.contract import Value, number, tensor
from kernelwright.problems.flash_attention_backward.shape import seen_keys

# Rows of a block of logits: small enough for the cache, and blocks of causal rows skip keys that none of them sees.
_ROWS = 256


@dataclass(frozen=True)
class Block:
    """Some rows of one head of one sequence: where they are, the keys that any of them sees, and their weights.

    `rows` and `keys` are slices of the packed tokens, `weights` the exact softmax, `lse` the log-sum-exp, float64.
    """

    rows: slice
    keys: slice
    head: int
    kv_head: int
    weights: torch.Tensor
    lse: torch.Tensor


def blocks_of(values: Mapping[str, Value]) -> Iterator[Block]:
    """Yield the softmax of every head of every sequence in blocks of rows."""
    q, k = tensor(values, "q"), tensor(values, "k")
    group = q.shape[1] // k.shape[1]
    starts = [tensor(values, name).tolist() for name in ("cu_seqlens_q", "cu_seqlens_k")]
    for (q0, q1), (k0, k1) in zip(pairwise(starts[0]), pairwise(starts[1]), strict=True):
        for head in range(q.shape[1]):
            for first in range(q0, q1, _ROWS):
                rows = slice(first, min(first + _ROWS, q1))
                yield _block(values, rows, (first - q0 + (k1 - k0) - (q1 - q0), k0, k1), (head, head // group))


def _block(values: Mapping[str, Value], rows: slice, place: tuple[int, int, int], heads: tuple[int, int]) -> Block:
    position, k0, k1 = place
    count = rows.stop - rows.start
    causal, window = bool(values["causal"]), int(number(values, "window_size"))
    first = seen_keys(position, k1 - k0, causal, window).start
    last = seen_keys(position + count - 1, k1 - k0, causal, window).stop
    keys = slice(k0 + first, k0 + last)
    head, kv_head = heads
    logits = tensor(values, "q")[rows, head].double() @ tensor(values, "k")[keys, kv_head].double().T
    logits *= number(values, "sm_scale")
    query = torch.arange(position, position + count)[:, None]
    key = torch.arange(first, last)[None, :]
    if causal:
        logits.masked_fill_(key > query, -torch.inf)
    if window >= 0:
        logits.masked_fill_(key < query - window, -torch.inf)
    lse = torch.logsumexp(logits, dim=1)
    return Block(rows, keys, head, kv_head, torch.exp(logits - lse[:, None]), lse)
