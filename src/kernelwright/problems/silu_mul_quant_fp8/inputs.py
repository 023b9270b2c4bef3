"""Inputs of the quantised gated layer: tokens of every size, and groups that a careless scale gets wrong."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from kernelwright.problems.contract import Value
from kernelwright.problems.draws import TORCH_DTYPES, row_scales, without_contents

GROUP = 128
_KINDS = 8


def make_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:
    """Return the arguments in order; scales lie in rows of groups, or of tokens where `scales` is "column"."""
    tokens, width, dtype = params["tokens"], params["width"], params.get("dtype", "bf16")
    groups = -(-width // GROUP)
    scales = torch.empty((groups, tokens)).T if params.get("scales", "row") == "column" else torch.empty(tokens, groups)
    return {
        "x": _activations(rng, tokens, width, dtype),
        "q": torch.empty((tokens, width), dtype=torch.float8_e4m3fn),
        "scales": scales,
        "eps": params.get("eps", 1e-10),
        "amax_ub": params.get("amax_ub"),
    }


def make_timing_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:
    """Return the arguments with integers drawn and floats without contents."""
    tokens, width, groups = params["tokens"], params["width"], -(-params["width"] // GROUP)
    is_column = params.get("scales", "row") == "column"
    return {
        "x": without_contents((tokens, 2 * width), params.get("dtype", "bf16")),
        "q": without_contents((tokens, width), "f8e4m3fn"),
        "scales": without_contents((groups, tokens), "f32").T
        if is_column
        else without_contents((tokens, groups), "f32"),
        "eps": params.get("eps", 1e-10),
        "amax_ub": params.get("amax_ub"),
    }


def _activations(rng: np.random.Generator, tokens: int, width: int, dtype: str) -> torch.Tensor:
    """Return gate and up: most tokens near 1, and in turn, from a random one on, tokens of five hostile kinds."""
    gate = rng.standard_normal((tokens, width), dtype=np.float32) * row_scales(rng, tokens)
    up = rng.standard_normal((tokens, width), dtype=np.float32) * row_scales(rng, tokens)
    kind = (np.arange(tokens) + rng.integers(_KINDS)) % _KINDS
    column, token = np.arange(width), np.arange(tokens)[:, None]
    # Below eps: their scale is eps / 448, and their codes are small.
    tiny = kind == 1
    gate[tiny] *= 2e-6
    up[tiny] *= 2e-6
    # Products beyond fp16, gates whose exponential overflows float32.
    huge = kind == 3
    gate[huge] *= 300
    up[huge] *= 4000 if dtype == "f16" else 2.0**30
    # One element sets the scale of its group; the rest has subnormal codes.
    outlier = (kind == 5)[:, None] & (column % GROUP == (token * 7) % GROUP)
    gate[outlier], up[outlier] = 25.0, 60.0
    # Whole groups of zeros, and zeros of gate where up is not.
    empty = (kind == 6)[:, None] & (column // GROUP % 3 == token // _KINDS % 3)
    up[empty] = 0.0
    gate[empty & (column % 2 == 0)] = 0.0
    # One sign only: the largest magnitude is a negative number.
    negative = kind == 7
    gate[negative] = np.abs(gate[negative])
    up[negative] = -np.abs(up[negative])
    return torch.from_numpy(np.concatenate([gate, up], axis=1)).to(TORCH_DTYPES[dtype])
