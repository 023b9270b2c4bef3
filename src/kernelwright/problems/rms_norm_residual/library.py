"""Torch as a competent user calls it."""

from collections.abc import Mapping

import torch
from torch.nn import functional

from kernelwright.problems.contract import LibraryWay, Value, number, tensor


def library_ways(values: Mapping[str, Value]) -> tuple[LibraryWay, ...]:
    """Return three ways: the fused norm, plain operations in float32, and those with fewer copies."""
    x, residual, weight = (tensor(values, name) for name in ("x", "residual", "weight"))
    eps = number(values, "eps")

    def fused() -> torch.Tensor:
        total = x + residual
        residual.copy_(total)
        return functional.rms_norm(total, weight.shape, weight, eps)

    def plain() -> torch.Tensor:
        total = x.float() + residual.float()
        residual.copy_(total)
        return (total * torch.rsqrt(total.square().mean(-1, keepdim=True) + eps) * weight.float()).to(x.dtype)

    def in_place() -> torch.Tensor:
        residual.add_(x)
        scale = torch.linalg.vector_norm(residual, dim=-1, keepdim=True, dtype=torch.float32)
        inverse = torch.rsqrt(scale.square() / residual.shape[-1] + eps)
        return (residual * inverse * weight).to(x.dtype)

    return (
        LibraryWay("rms_norm", "add, then functional.rms_norm", fused),
        LibraryWay("plain", "operations one by one in float32", plain),
        LibraryWay("in-place", "add_ and vector_norm", in_place),
    )
