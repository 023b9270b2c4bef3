"""Inputs of the matrix product: sums that grow far beyond what is left of them in the end."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from kernelwright.problems.contract import Value
from kernelwright.problems.draws import TORCH_DTYPES, normal, row_scales, without_contents

# Products of these grow to `_LEVEL`**2 * k / 2 and cancel; what stays is about 1.5 * `_LEVEL` * sqrt(k).
_LEVEL = 6.0
# The gap between rows of a strided operand, in elements.
_GAP = 24


def make_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:
    """Return the arguments in order.

    Rows of `a` and columns of `b` lie around a level of random sign, and the level of `b` changes its sign halfway
    along k: the levels' products cancel exactly, so that sums kept in less than float32, operands rounded on their
    way and a few products left out all show.
    """
    m, n, k, dtype = params["m"], params["n"], params["k"], params.get("dtype", "bf16")
    half = np.where(np.arange(k) < k // 2, 1.0, -1.0).astype(np.float32)
    if k % 2:
        half[-1] = 0.0
    a = _around(rng, np.ones((m, k), np.float32), dtype, row_scales(rng, m))
    b = _around(rng, np.tile(half, (n, 1)), dtype, np.float32(1))
    bias = normal(rng, (n,), "f32", _LEVEL * k**0.5) if params.get("bias", False) else None
    return {
        "a": _apart(a) if params.get("a_rows_apart", False) else a,
        "b": _weights(b, params.get("weights", "nk")),
        "bias": bias,
        "c": torch.empty((m, n), dtype=TORCH_DTYPES[params.get("out", dtype)]),
    }


def make_timing_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:
    """Return the arguments with integers drawn and floats without contents."""
    m, n, k, dtype = params["m"], params["n"], params["k"], params.get("dtype", "bf16")
    gap = _GAP if params.get("a_rows_apart", False) else 0
    is_transposed = params.get("weights", "nk") == "nk"
    return {
        "a": without_contents((m, k + gap), dtype)[:, :k],
        "b": without_contents((n, k), dtype).T if is_transposed else without_contents((k, n), dtype),
        "bias": without_contents((n,), "f32") if params.get("bias", False) else None,
        "c": without_contents((m, n), params.get("out", dtype)),
    }


def _around(
    rng: np.random.Generator,
    pattern: "np.typing.NDArray[np.float32]",
    dtype: str,
    scale: "np.float32 | np.typing.NDArray[np.float32]",
) -> torch.Tensor:
    """Return rows of unit noise around `_LEVEL` times a sign of their own times `pattern`, all times `scale`."""
    signs = rng.choice(np.array([-1, 1], dtype=np.float32), (len(pattern), 1))
    noise = rng.standard_normal(pattern.shape, dtype=np.float32)
    return torch.from_numpy((noise + _LEVEL * signs * pattern) * scale).to(TORCH_DTYPES[dtype])


def _weights(b: torch.Tensor, layout: str) -> torch.Tensor:
    """Return `b`, given as [n, k], as [k, n]: a view of the weights as layers keep them, or in rows of n."""
    return b.T if layout == "nk" else b.T.contiguous()


def _apart(a: torch.Tensor) -> torch.Tensor:
    """Return `a` as the first columns of a wider tensor whose others are NaN."""
    wide = torch.full((a.shape[0], a.shape[1] + _GAP), float("nan"), dtype=a.dtype)
    wide[:, : a.shape[1]] = a
    return wide[:, : a.shape[1]]
