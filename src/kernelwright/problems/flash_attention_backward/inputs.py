"""Inputs of the backward pass: random sequences, needles, and what a forward pass would have left."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import log
from typing import Any

import numpy as np
import torch

from kernelwright.problems.contract import Value, tensor
from kernelwright.problems.draws import VALUE_RMS, random_values, torch_dtype, without_contents
from kernelwright.problems.flash_attention_backward.exact import blocks_of
from kernelwright.problems.flash_attention_backward.shape import Shape, parse_shape

# Standard deviations of the logits, one a key/value head in turn. Where softmax is saturated all gradients vanish and
# only rounding is left, hence less wide than in a forward pass.
SPREADS = (0.3, 1.0, 2.0, 3.5)
_NEEDLES = 12
# How much a needle on a key that must not be seen is above the sum of those that may.
_HIDDEN_BY = 3.0


def make_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:
    """Return the arguments in the entry's order; `o` and `lse` are exact, rounded to their types."""
    shape = parse_shape(params)
    new, cached = sum(shape.lens), sum(shape.key_lens)
    k, v = (random_values(rng, (cached, shape.kv_heads, shape.width), shape.dtype) for _ in range(2))
    q, do = (random_values(rng, (new, shape.q_heads, shape.width), shape.dtype) for _ in range(2))
    q = _scaled(shape, q, rng)
    _plant_needles(shape, q, k, rng)
    values: dict[str, Value] = {
        "do": do,
        "q": q,
        "k": k,
        "v": v,
        "o": torch.empty_like(q),
        "lse": torch.empty((shape.q_heads, new), dtype=torch.float32),
        "dq": torch.empty_like(q),
        "dk": torch.empty_like(k),
        "dv": torch.empty_like(v),
        **_integers(shape),
    }
    _forward(values, torch_dtype(shape.dtype))
    return values


def make_timing_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:
    """Return the arguments with integers drawn and floats without contents."""
    shape = parse_shape(params)
    new, cached = sum(shape.lens), sum(shape.key_lens)
    queries, keys = (new, shape.q_heads, shape.width), (cached, shape.kv_heads, shape.width)
    kinds = {"do": queries, "q": queries, "k": keys, "v": keys, "o": queries}
    gradients = {"dq": queries, "dk": keys, "dv": keys}
    return {
        **{name: without_contents(size, shape.dtype) for name, size in kinds.items()},
        "lse": without_contents((shape.q_heads, new), "f32"),
        **{name: without_contents(size, shape.dtype) for name, size in gradients.items()},
        **_integers(shape),
    }


def _integers(shape: Shape) -> dict[str, Value]:
    """Return the arguments behind the tensors of floats, in order."""
    return {
        "cu_seqlens_q": _starts(shape.lens),
        "cu_seqlens_k": _starts(shape.key_lens),
        "max_seqlen_q": max(shape.lens),
        "max_seqlen_k": max(shape.key_lens),
        "sm_scale": shape.sm_scale,
        "causal": shape.causal,
        "window_size": shape.window,
    }


def _forward(values: Mapping[str, Value], dtype: torch.dtype) -> None:
    """Write `o` and `lse`: computed in float64 and rounded once."""
    for block in blocks_of(values):
        answer = block.weights @ tensor(values, "v")[block.keys, block.kv_head].double()
        tensor(values, "o")[block.rows, block.head] = answer.to(dtype)
        tensor(values, "lse")[block.head, block.rows] = block.lse.float()


def _starts(lengths: Sequence[int]) -> torch.Tensor:
    """Return where each sequence starts, and the end, as int32 [B+1]."""
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32)


def _scaled(shape: Shape, q: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return `q` scaled so that query heads of key/value head h have logits of spread SPREADS[(h + draw) % 4]."""
    turns = torch.arange(shape.q_heads) // shape.group + int(rng.integers(len(SPREADS)))
    unit = 1.0 / (VALUE_RMS**2 * shape.width**0.5 * shape.sm_scale)
    scaled: torch.Tensor = q.float() * (torch.tensor(SPREADS)[turns % len(SPREADS)] * unit)[None, :, None]
    return scaled.to(q.dtype)


def _plant_needles(shape: Shape, q: torch.Tensor, k: torch.Tensor, rng: np.random.Generator) -> None:
    """Aim some queries each at one key: the first it sees, the last, and the nearest before and behind those.

    A key that is seen gets about half of its row's weight, where gradients are largest. One that is not must leave no
    trace: a kernel that takes it, with the log-sum-exp of a row that does not, is off by a factor.
    """
    live = [index for index, m in enumerate(shape.lens) if m]
    q_starts, k_starts = _starts(shape.lens).tolist(), _starts(shape.key_lens).tolist()
    for n in range(_NEEDLES if live else 0):
        sequence, head = live[int(rng.integers(len(live)))], int(rng.integers(shape.q_heads))
        row = shape.lens[sequence] - 1 if n % 3 == 0 else int(rng.integers(shape.lens[sequence]))
        seen = shape.seen(sequence, row)
        position = (seen.start, seen.stop - 1, seen.start - 1, seen.stop)[n % 4]
        position = min(max(position, 0), shape.key_lens[sequence] - 1)
        above = 0.0 if position in seen else _HIDDEN_BY
        key = k[k_starts[sequence] + position, head // shape.group].float()
        # Other logits then have a spread of less than one, which adds a little to the logarithm of their sum.
        wanted = log(len(seen)) + above + 0.3
        aimed = key * (wanted / (shape.sm_scale * key.square().sum()))
        q[q_starts[sequence] + row, head] = aimed.to(q.dtype)
