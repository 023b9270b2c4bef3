"""How long shared memory is kept busy by one access of a block: bytes, and bytes times the bank-conflict degree.

One warp's lanes are laid out as the layouts say, offsets go through the swizzle, and lanes are served in phases of at
most 128 bytes (8 lanes of 16 bytes, 16 of 8, else all 32). A phase takes as many wavefronts of 128 bytes as its fullest
bank has different words. Layouts and swizzles are linear over bits, so one instruction of one warp stands for all.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod

from kernelwright.chips.emulated.layouts import WARP_LANES, Base, bases, coordinates
from kernelwright.chips.emulated.ttgir_types import (
    DotOperand,
    Linear,
    MemDesc,
    Mma,
    OtherShared,
    Padded,
    Shared,
    TensorType,
    element_bits,
)

_BANK_BYTES = 4
_WAVEFRONT_BYTES = 128
_WIDEST_BYTES = 16


@dataclass(frozen=True)
class SharedUse:
    """What one access of a block moves, lanes that ask for the same once; `wavefront_bytes` is 128 for each turn."""

    bytes: float
    wavefront_bytes: float


def shared_offset(layout: Shared, shape: tuple[int, ...], place: Base) -> int:
    """Return the offset of an element, in elements."""
    if isinstance(layout, OtherShared) or not layout.order:
        return _row_major(shape, place, tuple(reversed(range(len(shape)))))
    # A view may have dimensions in front of those that the layout orders.
    lead = len(shape) - len(layout.order)
    order = tuple(dim + lead for dim in layout.order) + tuple(reversed(range(lead)))
    if isinstance(layout, Padded):
        plain = _row_major(shape, place, order)
        return plain + sum(plain // interval * padding for interval, padding in layout.intervals)
    if len(layout.order) > 1 and layout.max_phase > 1:
        inner, outer = order[0], order[1]
        phase = place[outer] // layout.per_phase % layout.max_phase
        swizzled = (place[inner] // layout.vec ^ phase) * layout.vec + place[inner] % layout.vec
        place = tuple(swizzled if dim == inner else c for dim, c in enumerate(place))
    return _row_major(shape, place, order)


def register_access(kind: TensorType, memory: MemDesc, warps: int) -> SharedUse:
    """Return the use of a load from or a store to shared memory by registers in the tensor's layout."""
    if isinstance(kind.layout, DotOperand) and isinstance(kind.layout.parent, Mma):
        matrices = _matrix_degree(kind.layout, kind.shape, memory)
        if matrices is not None:
            total = _held_bytes(kind, warps)
            return SharedUse(total, total * matrices)
    linear = bases(kind.layout, kind.shape)
    moved, wavefronts = _warp_use(
        linear, kind.shape, memory.layout, memory.memory_shape, element_bits(kind.element) // 8 or 1
    )
    return SharedUse(float(moved * warps), float(wavefronts * _WAVEFRONT_BYTES * warps))


def round_trip(kind: TensorType, warps: int) -> SharedUse:
    """Return the use of a tensor's way in or out of scratch, whose swizzle Triton picks free of conflicts."""
    same = sum(not any(base) for base in bases(kind.layout, kind.shape).lane)
    total = _held_bytes(kind, warps) / (1 << same)
    return SharedUse(total, total)


def _held_bytes(kind: TensorType, warps: int) -> float:
    bytes_each = max(1, element_bits(kind.element) // 8)
    return float((1 << len(bases(kind.layout, kind.shape).register)) * WARP_LANES * warps * bytes_each)


def _row_major(shape: tuple[int, ...], place: Base, order: tuple[int, ...]) -> int:
    offset, stride = 0, 1
    for dim in order:
        offset += place[dim] * stride
        stride *= shape[dim]
    return offset


def _matrix_degree(layout: DotOperand, shape: tuple[int, ...], memory: MemDesc) -> float | None:
    """Return wavefronts for each 8 rows of 16 bytes that one matrix load takes, None where there is no such load."""
    size = element_bits(memory.element) // 8
    rank = len(shape)
    k_dim = rank - 1 if layout.index == 0 else rank - 2
    shared = memory.layout
    lead = rank - len(getattr(shared, "order", ()) or (0,) * rank)
    inner = shared.order[0] + lead if not isinstance(shared, OtherShared) and shared.order else rank - 1
    along_k = inner == k_dim
    if (not along_k and size != 2) or size * layout.k_width != 4 or size not in (1, 2, 4):
        return None
    outer = next(dim for dim in reversed(range(rank)) if dim not in (inner, *range(rank - 2)))
    rows = [
        shared_offset(shared, memory.memory_shape, tuple(row if d == outer else 0 for d in range(rank))) * size
        for row in range(8)
    ]
    return float(_wavefronts([range(row, row + _WIDEST_BYTES, _BANK_BYTES) for row in rows]))


def _wavefronts(lanes: list[range]) -> int:
    """Return the turns that a phase takes whose lanes touch these byte addresses, bank by bank."""
    banks: dict[int, set[int]] = {}
    for words in lanes:
        for address in words:
            word = address // _BANK_BYTES
            banks.setdefault(word % WARP_LANES, set()).add(word)
    return max(len(words) for words in banks.values())


@lru_cache(maxsize=4096)
def _warp_use(
    linear: Linear, shape: tuple[int, ...], shared: Shared, memory: tuple[int, ...], size: int
) -> tuple[int, int]:
    """Return (bytes, wavefronts) of one warp's access to all its elements."""
    rank = len(shape)
    offsets = {shared_offset(shared, memory, base) for base in linear.register}
    vector = 1
    while vector in offsets and vector * 2 * size <= _WIDEST_BYTES:
        vector *= 2
    width = vector * size
    lanes = [shared_offset(shared, memory, place) * size for place in coordinates(linear.lane, rank)]
    step = min(WARP_LANES, max(1, _WAVEFRONT_BYTES // width))
    turns = sum(
        _wavefronts([range(start // 4 * 4, start + width, _BANK_BYTES) for start in lanes[first : first + step]])
        for first in range(0, len(lanes), step)
    )
    instructions = prod([2] * len(linear.register)) // vector
    return instructions * width * len(set(lanes)), instructions * turns
