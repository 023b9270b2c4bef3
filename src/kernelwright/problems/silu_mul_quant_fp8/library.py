"""Torch as a competent user calls it."""

from collections.abc import Callable, Mapping

import torch
from torch.nn import functional

from kernelwright.problems.contract import LibraryWay, Value, number, tensor

GROUP = 128
_LARGEST = 448.0


def library_ways(values: Mapping[str, Value]) -> tuple[LibraryWay, ...]:
    """Return three ways: operations one by one, in place where that saves copies, and by blocks of tokens."""
    x, q, scales = (tensor(values, name) for name in ("x", "q", "scales"))
    width = q.shape[1]
    quantise = _quantiser(values)

    def plain() -> torch.Tensor:
        y = functional.silu(x[:, :width].float()) * x[:, width:].float()
        quantise(y, q, scales)
        return q

    def in_place() -> torch.Tensor:
        y = functional.silu(x[:, :width].float(), inplace=True).mul_(x[:, width:])
        quantise(y, q, scales)
        return q

    def in_blocks() -> torch.Tensor:
        rows = max(1, (1 << 18) // max(width, 1))
        for part, codes, scale in zip(*(torch.split(whole, rows) for whole in (x, q, scales)), strict=True):
            y = functional.silu(part[:, :width].float(), inplace=True).mul_(part[:, width:])
            quantise(y, codes, scale)
        return q

    return (
        LibraryWay("plain", "operations one by one in float32", plain),
        LibraryWay("in-place", "silu and product in one buffer", in_place),
        LibraryWay("in-blocks", "blocks of tokens that stay in the caches", in_blocks),
    )


def _quantiser(values: Mapping[str, Value]) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor], None]:
    """Return a function that quantises float32 rows into given codes and scales; the rows are used up."""
    eps = number(values, "eps")
    most = None if values["amax_ub"] is None else number(values, "amax_ub")

    def quantise(y: torch.Tensor, q: torch.Tensor, scales: torch.Tensor) -> None:
        width = y.shape[1]
        whole = y if width % GROUP == 0 else functional.pad(y, (0, -width % GROUP))
        groups = whole.view(*scales.shape, GROUP)
        amax = torch.linalg.vector_norm(groups, torch.inf, dim=2).clamp_(eps, most)
        scales.copy_(amax.div_(_LARGEST))
        groups.div_(scales[:, :, None]).clamp_(-_LARGEST, _LARGEST)
        q.copy_(whole[:, :width])

    return quantise
