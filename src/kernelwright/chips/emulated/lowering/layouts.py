"""Distributed layouts as bit bases: which register, lane and warp holds which element.

Every layout that capability 8.0 and 8.9 lower to is linear over bits: bit b of the register, lane or warp number adds
(by exclusive or) a fixed coordinate. A zero base holds the same element again. Source: Triton's
LinearLayoutConversions.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod

from kernelwright.chips.emulated.lowering.ttgir_types import (
    Blocked,
    Distributed,
    DotOperand,
    Linear,
    Mma,
    Slice,
    TensorType,
)
from kernelwright.core.errors import UnsupportedOpError

WARP_LANES = 32
Base = tuple[int, ...]


@lru_cache(maxsize=4096)
def bases(layout: Distributed, shape: tuple[int, ...]) -> Linear:
    """Return the bases of a tensor of `shape` in `layout`; sizes are powers of two."""
    match layout:
        case Linear():
            return _fit(layout.register, layout.lane, layout.warp, shape, tuple(reversed(range(len(shape)))))
        case Blocked():
            return _blocked(layout, shape)
        case Mma():
            return _mma(layout, shape)
        case Slice():
            return _slice(layout, shape)
        case DotOperand():
            return _operand(layout, shape)


def thread_elements(kind: TensorType) -> int:
    """Return the elements of a tensor that one thread holds."""
    return 1 << len(bases(kind.layout, kind.shape).register)


def unique_threads(kind: TensorType) -> int:
    """Return how many threads hold elements that no thread before them holds."""
    linear = bases(kind.layout, kind.shape)
    return 1 << sum(any(base) for base in (*linear.lane, *linear.warp))


def fastest_order(layout: Distributed, rank: int) -> tuple[int, ...]:
    """Return the dimensions, the one that neighbouring registers and lanes walk first in front."""
    match layout:
        case Blocked():
            return layout.order
        case Slice():
            parent = fastest_order(layout.parent, rank + 1)
            return tuple(d - (d > layout.dim) for d in parent if d != layout.dim)
        case Linear():
            seen = [next(d for d in range(rank) if base[d]) for base in (*layout.register, *layout.lane) if any(base)]
            return tuple(dict.fromkeys([*seen, *reversed(range(rank))]))
    return tuple(reversed(range(rank)))


def thread_run(kind: TensorType, dim: int) -> int:
    """Return how many neighbours along `dim` one thread holds in a row."""
    run = 1
    register = set(bases(kind.layout, kind.shape).register)
    while tuple(run if d == dim else 0 for d in range(len(kind.shape))) in register:
        run *= 2
    return run


def lanes_along(kind: TensorType, dim: int) -> tuple[int, int, int]:
    """Return (elements of a thread, lanes of a warp, warps) among which a row along `dim` is cut."""
    linear = bases(kind.layout, kind.shape)
    register, lane, warp = (
        sum(base[dim] != 0 for base in part) for part in (linear.register, linear.lane, linear.warp)
    )
    return 1 << register, 1 << lane, 1 << warp


def _bits(size: int) -> list[int]:
    if size & (size - 1):
        raise UnsupportedOpError(f"a tensor's size must be a power of 2, got {size}")
    return [1 << bit for bit in range(size.bit_length() - 1)]


def _along(dim: int, rank: int, steps: Sequence[int]) -> list[Base]:
    return [tuple(step if d == dim else 0 for d in range(rank)) for step in steps]


def _fit(
    register: Sequence[Base], lane: Sequence[Base], warp: Sequence[Base], shape: tuple[int, ...], order: tuple[int, ...]
) -> Linear:
    """Return bases that cover `shape`: what lies outside is the same again, what is missing goes to registers."""
    inside = [
        [tuple(c if c < size else 0 for c, size in zip(base, shape, strict=True)) for base in part]
        for part in (register, lane, warp)
    ]
    covered = [max([1, *(2 * base[dim] for part in inside for base in part)]) for dim in range(len(shape))]
    registers = [base for base in inside[0] if any(base)]
    for dim in order:
        registers += _along(dim, len(shape), [step for step in _bits(shape[dim]) if step >= covered[dim]])
    return Linear(tuple(registers), tuple(inside[1]), tuple(inside[2]))


class _Tile:
    """Grows a layout bit by bit, each time along one dimension."""

    def __init__(self, rank: int) -> None:
        self.size = [1] * rank
        self.parts: dict[str, list[Base]] = {"register": [], "lane": [], "warp": []}

    def add(self, part: str, dim: int, count: int) -> None:
        self.parts[part] += _along(dim, len(self.size), [self.size[dim] * step for step in _bits(count)])
        self.size[dim] *= count

    def repeat(self, part: str, count: int) -> None:
        self.parts[part] += [(0,) * len(self.size)] * len(_bits(count))

    def fit(self, shape: tuple[int, ...], order: tuple[int, ...]) -> Linear:
        return _fit(self.parts["register"], self.parts["lane"], self.parts["warp"], shape, order)


def _blocked(layout: Blocked, shape: tuple[int, ...]) -> Linear:
    tile = _Tile(len(shape))
    for part, counts in (("register", layout.size_per_thread), ("lane", layout.threads), ("warp", layout.warps)):
        for dim in layout.order:
            tile.add(part, dim, counts[dim])
    return tile.fit(shape, layout.order)


def _mma(layout: Mma, shape: tuple[int, ...]) -> Linear:
    if layout.version != 2:
        raise UnsupportedOpError(f"a matrix layout must be of version 2 (capability 8), got {layout.version}")
    rank = len(shape)
    inner, outer = rank - 1, rank - 2
    tile = _Tile(rank)
    tile.add("register", inner, 2)
    tile.add("lane", inner, 4)
    tile.add("lane", outer, 8)
    tile.add("register", outer, layout.instr_shape[-2] // 8)
    tile.add("register", inner, layout.instr_shape[-1] // 8)
    for dim in reversed(range(rank)):
        tile.add("warp", dim, layout.warps[dim])
    return tile.fit(shape, tuple(reversed(range(rank))))


def _operand(layout: DotOperand, shape: tuple[int, ...]) -> Linear:
    parent, rank = layout.parent, len(shape)
    k_dim = rank - 1 if layout.index == 0 else rank - 2
    outer = rank - 2 if layout.index == 0 else rank - 1
    tile = _Tile(rank)
    if isinstance(parent, Mma):
        tile.add("register", k_dim, layout.k_width)
        tile.add("lane", k_dim, 4)
        tile.add("lane", outer, 8)
        tile.add("register", outer, 2 if layout.index == 0 else 1)
        tile.add("register", k_dim, 2)
        for dim in reversed(range(rank)):
            if dim == k_dim:
                tile.repeat("warp", parent.warps[dim])
            else:
                tile.add("warp", dim, parent.warps[dim])
        return tile.fit(shape, (k_dim, outer, *range(rank - 2)))
    if not isinstance(parent, Blocked):
        raise UnsupportedOpError(f"a product's layout must be blocked or a matrix layout, got {type(parent).__name__}")
    tile.add("register", k_dim, shape[k_dim])
    for part, counts in (("register", parent.size_per_thread), ("lane", parent.threads), ("warp", parent.warps)):
        for dim in parent.order:
            if dim != k_dim:
                tile.add(part, dim, counts[dim])
            elif part != "register":
                tile.repeat(part, counts[dim])
    return tile.fit(shape, parent.order)


def _slice(layout: Slice, shape: tuple[int, ...]) -> Linear:
    parent = bases(layout.parent, (*shape[: layout.dim], 1, *shape[layout.dim :]))
    register, lane, warp = (
        tuple((*base[: layout.dim], *base[layout.dim + 1 :]) for base in part)
        for part in (parent.register, parent.lane, parent.warp)
    )
    return Linear(tuple(base for base in register if any(base)), lane, warp)


def coordinates(parts: Sequence[Base], rank: int) -> list[Base]:
    """Return the coordinates of numbers 0, 1, ... whose bits have the bases `parts`."""
    found: list[Base] = [(0,) * rank]
    for base in parts:
        found += [tuple(a ^ b for a, b in zip(old, base, strict=True)) for old in found]
    return found


def replication(kind: TensorType, warps: int) -> float:
    """Return how many times the block holds each element."""
    return thread_elements(kind) * WARP_LANES * warps / prod(kind.shape)
