"""Torch as a competent user calls it."""

from collections.abc import Callable, Mapping

import torch

from kernelwright.problems.contract import LibraryWay, Value, number, tensor

Turn = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], None]
_LARGEST = 448.0


def library_ways(values: Mapping[str, Value]) -> tuple[LibraryWay, ...]:
    """Return three ways: halves one by one in float32, the half-turned copy of models, and complex numbers."""
    q, k, v = (tensor(values, name) for name in ("q", "k", "v"))
    table, positions = tensor(values, "cos_sin"), tensor(values, "positions")
    pairs = table.shape[1] // 2
    is_neox = bool(values["is_neox"])

    def way(turn: Turn) -> Callable[[], torch.Tensor]:
        def call() -> torch.Tensor:
            rows = table.index_select(0, positions).float()[:, None, :]
            for x in (q, k):
                turn(x[..., : 2 * pairs], rows[..., :pairs], rows[..., pairs:])
            _write(values, "k_cache", k, number(values, "k_scale"))
            _write(values, "v_cache", v, number(values, "v_scale"))
            return q

        return call

    turns: tuple[Turn, ...] = (_by_parts(is_neox), _by_half_turn(is_neox), _by_complex(is_neox))
    return (
        LibraryWay("parts", "both members of each pair in float32", way(turns[0])),
        LibraryWay("half-turn", "x * cos + half_turn(x) * sin, as models write it", way(turns[1])),
        LibraryWay("complex", "a product of complex numbers", way(turns[2])),
    )


def _paired(x: torch.Tensor, is_neox: bool) -> torch.Tensor:
    """Return `x` as [..., pairs, 2]."""
    pairs = x.shape[-1] // 2
    if is_neox:
        return x.view(*x.shape[:-1], 2, pairs).transpose(-1, -2)
    return x.view(*x.shape[:-1], pairs, 2)


def _by_parts(is_neox: bool) -> Turn:
    def turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> None:
        first, second = _paired(x, is_neox).unbind(-1)
        turned = first * cos - second * sin
        second.copy_(second * cos + first * sin)
        first.copy_(turned)

    return turn


def _by_half_turn(is_neox: bool) -> Turn:
    def turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> None:
        first, second = _paired(x, is_neox).unbind(-1)
        if is_neox:
            half, both_cos, both_sin = torch.cat((-second, first), -1), cos.repeat(1, 1, 2), sin.repeat(1, 1, 2)
        else:
            half = torch.stack((-second, first), -1).flatten(-2)
            both_cos, both_sin = cos.repeat_interleave(2, -1), sin.repeat_interleave(2, -1)
        x.copy_(torch.addcmul(x * both_cos, half, both_sin))

    return turn


def _by_complex(is_neox: bool) -> Turn:
    def turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> None:
        first, second = _paired(x, is_neox).unbind(-1)
        numbers = torch.complex(first.float(), second.float()) * torch.complex(cos, sin)
        first.copy_(numbers.real)
        second.copy_(numbers.imag)

    return turn


def _write(values: Mapping[str, Value], name: str, rows: torch.Tensor, scale: float) -> None:
    cache, slots = tensor(values, name), tensor(values, "slot_mapping")
    taken = (slots >= 0).nonzero()[:, 0]
    slots, rows = slots[taken], rows[taken]
    if cache.dtype == torch.float8_e4m3fn:
        # Indexed writes know no fp8: bytes are written instead.
        rows = (rows.float() / scale).clamp_(-_LARGEST, _LARGEST).to(cache.dtype).view(torch.uint8)
        cache = cache.view(torch.uint8)
    page = cache.shape[1]
    cache.index_put_((slots // page, slots % page), rows)
