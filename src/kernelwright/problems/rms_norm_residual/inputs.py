"""Inputs of RMS norm with residual."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from kernelwright.problems.contract import Value
from kernelwright.problems.draws import normal, row_scales, torch_dtype, without_contents


def make_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:
    """Return the arguments in order: rows of very different size, so that a mean over the wrong ones shows."""
    shape = (params["rows"], params["width"])
    dtype = params.get("dtype", "bf16")
    return {
        "x": normal(rng, shape, dtype, row_scales(rng, shape[0])),
        "residual": normal(rng, shape, dtype, row_scales(rng, shape[0])),
        "weight": normal(rng, shape[1:], dtype, 0.3, mean=1.0),
        "out": torch.empty(shape, dtype=torch_dtype(dtype)),
        "eps": params.get("eps", 1e-6),
    }


def make_timing_inputs(params: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Value]:
    """Return the arguments with integers drawn and floats without contents."""
    shape, dtype = (params["rows"], params["width"]), params.get("dtype", "bf16")
    return {
        "x": without_contents(shape, dtype),
        "residual": without_contents(shape, dtype),
        "weight": without_contents(shape[1:], dtype),
        "out": without_contents(shape, dtype),
        "eps": params.get("eps", 1e-6),
    }
