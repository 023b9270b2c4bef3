"""Rotation in float64; what the pool gets is rounded once, and NaN says that a slot is not written."""

from collections.abc import Mapping

import torch

from kernelwright.problems.contract import Answers, Value, number, tensor
from kernelwright.problems.rounding import E4M3, rounded


def oracle(inputs: Mapping[str, Value]) -> Answers:
    """Return `q` and `k` rotated, all tokens of them, and both caches with what tokens with a slot put there."""
    table = tensor(inputs, "cos_sin").double()[tensor(inputs, "positions")]
    is_neox = bool(inputs["is_neox"])
    q, k = (rotated(tensor(inputs, name).double(), table, is_neox) for name in ("q", "k"))
    return {
        "q": q,
        "k": k,
        "k_cache": _written(inputs, "k_cache", k, number(inputs, "k_scale")),
        "v_cache": _written(inputs, "v_cache", tensor(inputs, "v").double(), number(inputs, "v_scale")),
    }


def rotated(x: torch.Tensor, table: torch.Tensor, is_neox: bool) -> torch.Tensor:
    """Return [tokens, heads, width] with pairs of the first columns turned by the angles of [tokens, rotary].

    A pair is column i and i + rotary / 2, or without `is_neox` 2 i and 2 i + 1; the other columns stay.
    """
    rotary = table.shape[1]
    cos, sin = table[:, None, : rotary // 2], table[:, None, rotary // 2 :]
    first, second = (
        (slice(0, rotary // 2), slice(rotary // 2, rotary)) if is_neox else (slice(0, rotary, 2), slice(1, rotary, 2))
    )
    turned = x.clone()
    turned[..., first] = x[..., first] * cos - x[..., second] * sin
    turned[..., second] = x[..., second] * cos + x[..., first] * sin
    return turned


def _written(inputs: Mapping[str, Value], name: str, rows: torch.Tensor, scale: float) -> torch.Tensor:
    """Return the cache: NaN where nothing is written; an fp8 cache holds rows / scale as numbers of e4m3."""
    cache, slots = tensor(inputs, name), tensor(inputs, "slot_mapping")
    answer = torch.full(cache.shape, float("nan"), dtype=torch.float64)
    if cache.dtype == torch.float8_e4m3fn:
        rows = rounded(rows / scale, E4M3)
    taken = slots >= 0
    answer[slots[taken] // cache.shape[1], slots[taken] % cache.shape[1]] = rows[taken]
    return answer
