"""How long shared memory is kept busy by one access of a block: bytes, and bytes times the bank-conflict degree.

One warp's lanes are laid out as the layouts say, offsets go through the swizzle, and lanes are served in phases of at
most 128 bytes (8 lanes of 16 bytes, 16 of 8, else all 32). A phase takes as many wavefronts of 128 bytes as its fullest
bank has different words. Layouts and swizzles are linear over bits, so one instruction of one warp stands for all.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod

from kernelwright.chips.emulated.lowering.layouts import WARP_LANES, Base, bases, coordinates
from kernelwright.chips.emulated.lowering.ttgir_types import (
    Linear,
    MemDesc,
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


def register_access(kind: TensorType, memory: MemDesc, warps: int, is_load: bool = True) -> SharedUse:
    """Return the use of a load from or a store to shared memory by registers in the tensor's layout."""
    linear, size = bases(kind.layout, kind.shape), max(1, element_bits(kind.element) // 8)
    degree = _matrix_degree(linear, memory, size) if is_load else None
    if degree is not None:
        total = _held_bytes(kind, warps)
        return SharedUse(total, total * degree)
    moved, wavefronts = _warp_use(linear, kind.shape, memory.layout, memory.memory_shape, size)
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


def _matrix_degree(linear: Linear, memory: MemDesc, size: int) -> float | None:
    """Return wavefronts for each 8 rows of 16 bytes that a matrix load (ldmatrix) takes, None where there can be none.

    Its lanes hold 4 bytes of a row each, four lanes to a row; transposed, for 16-bit elements, a row is eight lanes.
    """
    if len(linear.lane) != 5 or size not in (1, 2, 4):
        return None
    register, lane = ([_offset(base, memory) for base in part] for part in (linear.register, linear.lane))
    within = [1 << bit for bit in range((4 // size).bit_length() - 1)]
    if set(within) <= set(register) and lane[:2] == [4 // size, 8 // size]:
        rows = lane[2:]
    elif size == 2 and register and lane[2:] == [1, 2, 4]:
        rows = [register[0], *lane[:2]]
    else:
        return None
    starts = [0]
    for row in rows:
        # Swizzled offsets combine bit by bit, padded ones have no carries within eight rows.
        starts += [start ^ row for start in starts]
    if any(start * size % _WIDEST_BYTES for start in starts):
        return None
    return float(_wavefronts([range(at * size, at * size + _WIDEST_BYTES, _BANK_BYTES) for at in starts]))


def _offset(base: Base, memory: MemDesc) -> int:
    return shared_offset(memory.layout, memory.memory_shape, base)


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
