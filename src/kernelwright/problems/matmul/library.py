"""Torch as a competent user calls it."""

from collections.abc import Mapping

import torch
from torch.nn import functional

from kernelwright.problems.contract import LibraryWay, Value, tensor


def library_ways(values: Mapping[str, Value]) -> tuple[LibraryWay, ...]:
    """Return three ways: the product and a sum, the layer, and the product of float32 copies."""
    a, b, c = (tensor(values, name) for name in ("a", "b", "c"))
    given = values["bias"]
    bias = given if isinstance(given, torch.Tensor) else None
    # A layer keeps weights as [n, k], and its bias in the type of the weights.
    weights, small_bias = b.T, None if bias is None else bias.to(b.dtype)

    def product() -> torch.Tensor:
        return _added(torch.matmul(a, b), bias, c.dtype)

    def layer() -> torch.Tensor:
        return functional.linear(a, weights, small_bias).to(c.dtype)

    def widened() -> torch.Tensor:
        return _added(a.float() @ b.float(), bias, c.dtype)

    return (
        LibraryWay("matmul", "torch.matmul, then the bias", product),
        LibraryWay("linear", "functional.linear with the bias in the type of the weights", layer),
        LibraryWay("float32", "operands widened to float32 first", widened),
    )


def _added(product: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor:
    return (product if bias is None else product + bias).to(dtype)
