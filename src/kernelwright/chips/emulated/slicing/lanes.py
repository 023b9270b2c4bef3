"""Tensors worked out lane by lane, in Numba; tables are those of `tables`.

The arguments t, r, v are the tables, the registers and the arena of lanes; `at` is a place in the tables. Masks
from memory spend their time here.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.jit import compiled, inlined
from kernelwright.chips.emulated.slicing.arithmetic import compute
from kernelwright.chips.emulated.slicing.contents import Contents, read, write
from kernelwright.chips.emulated.slicing.opcodes import Opcode

Array = NDArray[Any]
Rows = tuple[int, int, int]

# `rows` are (dimension, first, end): work is done on those lanes alone, on all of them for this.
EVERY_ROW = (-1, 0, 0)

# Sizes of the fixed tables; RANK is 4.
_LANES = 5
_PLACE = 9
_HALF = 5
EXCHANGE, SWAP, FETCH = 100, 101, 102


@inlined
def _lane(t: Array, at: int, i: int, j: int, k: int, m: int) -> Any:
    """Return the place in the arena of a lane."""
    return t[at] + i * t[at + 1] + j * t[at + 2] + k * t[at + 3] + m * t[at + 4]


@inlined
def _target(t: Array, at: int, i: int, j: int, k: int, m: int) -> Any:
    """Return the place in the arena of a result's lane."""
    return t[at] + i * t[at + 5] + j * t[at + 6] + k * t[at + 7] + m * t[at + 8]


@inlined
def _low(t: Array, at: int, d: int, rows: Rows) -> Any:
    """Return the first lane along dimension d of those to be worked out."""
    return rows[1] if rows[0] == d and t[at + 1 + d] > 1 else 0


@inlined
def _high(t: Array, at: int, d: int, rows: Rows) -> Any:
    """Return the lane behind the last along dimension d of those to be worked out."""
    return min(rows[2], t[at + 1 + d]) if rows[0] == d and t[at + 1 + d] > 1 else t[at + 1 + d]


@inlined
def _affine(t: Array, r: Array, v: Array, at: int, i: int, j: int, k: int, m: int) -> Any:  # noqa: PLR0913, PLR0917
    """Return one lane of an affine form."""
    value = r[t[at]] + i * r[t[at + 1]] + j * r[t[at + 2]] + k * r[t[at + 3]] + m * r[t[at + 4]]
    at += 6
    for _ in range(t[at - 1]):
        value += r[t[at]] * v[_lane(t, at + 1, i, j, k, m)]
        at += 1 + _LANES
    return value


@inlined
def _behind_affine(t: Array, at: int) -> Any:
    """Return the place behind the table of an affine form."""
    return at + 6 + t[at + 5] * (1 + _LANES)


@inlined
def _flagged(t: Array, v: Array, at: int, i: int, j: int, k: int, m: int) -> Any:
    """Return whether all flags of a mask leave a lane; `at` is the place of their number."""
    flag = at + 1
    for _ in range(t[at]):
        if v[_lane(t, flag, i, j, k, m)] == 0:
            return False
        flag += _LANES
    return True


@inlined
def _holds(t: Array, r: Array, v: Array, at: int, i: int, j: int, k: int, m: int) -> Any:  # noqa: PLR0913, PLR0917
    """Return whether a mask leaves a lane."""
    if r[t[at]] == 0:
        return False
    if not (r[t[at + 1]] <= i < r[t[at + 2]] and r[t[at + 3]] <= j < r[t[at + 4]]):
        return False
    if not (r[t[at + 5]] <= k < r[t[at + 6]] and r[t[at + 7]] <= m < r[t[at + 8]]):
        return False
    half = at + 10
    for _ in range(t[at + 9]):
        if r[t[half]] + i * r[t[half + 1]] + j * r[t[half + 2]] + k * r[t[half + 3]] + m * r[t[half + 4]] < 0:
            return False
        half += _HALF
    return _flagged(t, v, half, i, j, k, m)


@inlined
def _is_far(t: Array, r: Array, at: int) -> Any:
    """Return whether a half of a mask leaves nothing of the box of its spans: not even its best corner."""
    half = at + 10
    for _ in range(t[at + 9]):
        best = r[t[half]]
        for d in range(4):
            stride = r[t[half + 1 + d]]
            best += stride * (r[t[at + 2 + 2 * d]] - 1 if stride > 0 else r[t[at + 1 + 2 * d]])
        if best < 0:
            return True
        half += _HALF
    return False


@inlined
def _is_whole(t: Array, r: Array, at: int) -> Any:
    """Return whether every half of a mask leaves all of the box of its spans: even its worst corner."""
    half = at + 10
    for _ in range(t[at + 9]):
        worst = r[t[half]]
        for d in range(4):
            stride = r[t[half + 1 + d]]
            worst += stride * (r[t[at + 2 + 2 * d]] - 1 if stride < 0 else r[t[at + 1 + 2 * d]])
        if worst < 0:
            return False
        half += _HALF
    return True


@inlined
def _span_low(t: Array, r: Array, at: int, d: int, rows: Rows) -> Any:
    low = r[t[at + 1 + 2 * d]]
    return max(low, rows[1]) if rows[0] == d else low


@inlined
def _span_high(t: Array, r: Array, at: int, d: int, rows: Rows) -> Any:
    high = r[t[at + 2 + 2 * d]]
    return min(high, rows[2]) if rows[0] == d else high


@inlined
def _is_even(t: Array, at: int) -> Any:
    """Return whether every flag of a mask says the same of all lanes along the last dimension, as masks of rows do."""
    flag = at + 1
    for _ in range(t[at]):
        if t[flag + 4] != 0:
            return False
        flag += _LANES
    return True


@compiled
def count(t: Array, r: Array, v: Array, at: int, is_any: bool, rows: Rows) -> Any:
    """Return how many lanes a mask leaves within `rows`; 1 as soon as there is one for `is_any`.

    Rows along the last dimension are cut by every half at once; lanes are looked at one by one only for flags
    that differ along it.
    """
    if r[t[at]] == 0 or _is_far(t, r, at):
        return 0
    halves = t[at + 9]
    flags = at + 10 + halves * _HALF
    total = 0
    is_even = _is_even(t, flags)
    if t[flags] == 0 and _is_whole(t, r, at):
        # Tiles off the diagonal and inside of a window are most of a launch, and need no look at their rows.
        total = 1
        for d in range(4):
            total *= max(0, _span_high(t, r, at, d, rows) - _span_low(t, r, at, d, rows))
        return min(total, 1) if is_any else total
    for i in range(_span_low(t, r, at, 0, rows), _span_high(t, r, at, 0, rows)):
        for j in range(_span_low(t, r, at, 1, rows), _span_high(t, r, at, 1, rows)):
            for k in range(_span_low(t, r, at, 2, rows), _span_high(t, r, at, 2, rows)):
                low, high = _span_low(t, r, at, 3, rows), _span_high(t, r, at, 3, rows)
                half = at + 10
                for _ in range(halves):
                    rest = r[t[half]] + i * r[t[half + 1]] + j * r[t[half + 2]] + k * r[t[half + 3]]
                    step = r[t[half + 4]]
                    if step == 0:
                        if rest < 0:
                            high = low
                    elif step == 1:
                        low = max(low, -rest)
                    elif step == -1:
                        high = min(high, rest + 1)
                    elif step > 0:
                        low = max(low, -(rest // step))
                    else:
                        high = min(high, rest // -step + 1)
                    half += _HALF
                if is_even:
                    if low < high and _flagged(t, v, flags, i, j, k, low):
                        total += 1 if is_any else high - low
                else:
                    for m in range(low, high):
                        if _flagged(t, v, flags, i, j, k, m):
                            total += 1
                            if is_any:
                                return 1
                if is_any and total > 0:
                    return 1
    return total


@compiled
def fill(t: Array, r: Array, v: Array, at: int, rows: Rows) -> None:
    """Work out an affine form. Table: place, affine."""
    for i in range(_low(t, at, 0, rows), _high(t, at, 0, rows)):
        for j in range(_low(t, at, 1, rows), _high(t, at, 1, rows)):
            for k in range(_low(t, at, 2, rows), _high(t, at, 2, rows)):
                for m in range(_low(t, at, 3, rows), _high(t, at, 3, rows)):
                    v[_target(t, at, i, j, k, m)] = _affine(t, r, v, at + _PLACE, i, j, k, m)


@compiled
def elementwise(t: Array, v: Array, at: int, rows: Rows) -> None:
    """Work out an operation on three operands. Table: place, opcode, wrap, lanes x 3."""
    code, wrap = t[at + _PLACE], t[at + _PLACE + 1]
    x, y, z = at + _PLACE + 2, at + _PLACE + 2 + _LANES, at + _PLACE + 2 + 2 * _LANES
    for i in range(_low(t, at, 0, rows), _high(t, at, 0, rows)):
        for j in range(_low(t, at, 1, rows), _high(t, at, 1, rows)):
            for k in range(_low(t, at, 2, rows), _high(t, at, 2, rows)):
                for m in range(_low(t, at, 3, rows), _high(t, at, 3, rows)):
                    a, b, c = v[_lane(t, x, i, j, k, m)], v[_lane(t, y, i, j, k, m)], v[_lane(t, z, i, j, k, m)]
                    v[_target(t, at, i, j, k, m)] = compute(code, a, b, c, wrap)


@compiled
def mask_lanes(t: Array, r: Array, v: Array, at: int, rows: Rows) -> None:
    """Write 1 where a mask leaves a lane, else 0. Table: place, mask."""
    for i in range(_low(t, at, 0, rows), _high(t, at, 0, rows)):
        for j in range(_low(t, at, 1, rows), _high(t, at, 1, rows)):
            for k in range(_low(t, at, 2, rows), _high(t, at, 2, rows)):
                for m in range(_low(t, at, 3, rows), _high(t, at, 3, rows)):
                    v[_target(t, at, i, j, k, m)] = 1 if _holds(t, r, v, at + _PLACE, i, j, k, m) else 0


@compiled
def load(t: Array, r: Array, v: Array, at: int, rows: Rows, memory: Contents) -> None:
    """Read the lanes that a mask leaves. Table: place, kind, lanes of the others, affine address, mask."""
    kind = t[at + _PLACE]
    others = at + _PLACE + 1
    address = others + _LANES
    mask = _behind_affine(t, address)
    for i in range(_low(t, at, 0, rows), _high(t, at, 0, rows)):
        for j in range(_low(t, at, 1, rows), _high(t, at, 1, rows)):
            for k in range(_low(t, at, 2, rows), _high(t, at, 2, rows)):
                for m in range(_low(t, at, 3, rows), _high(t, at, 3, rows)):
                    if _holds(t, r, v, mask, i, j, k, m):
                        value = read(memory, _affine(t, r, v, address, i, j, k, m), kind)
                    else:
                        value = v[_lane(t, others, i, j, k, m)]
                    v[_target(t, at, i, j, k, m)] = value


@compiled
def store(t: Array, r: Array, v: Array, at: int, memory: Contents) -> None:
    """Write the lanes that a mask leaves. Table: extents, kind, lanes, affine address, mask."""
    kind = t[at + 4]
    values = at + 5
    address = values + _LANES
    mask = _behind_affine(t, address)
    for i in range(t[at]):
        for j in range(t[at + 1]):
            for k in range(t[at + 2]):
                for m in range(t[at + 3]):
                    if _holds(t, r, v, mask, i, j, k, m):
                        write(memory, _affine(t, r, v, address, i, j, k, m), kind, v[_lane(t, values, i, j, k, m)])


@compiled
def atomic(t: Array, r: Array, v: Array, at: int, memory: Contents) -> None:
    """Do an atomic on each lane in order. Table: place, kind, code, lanes, lanes, affine address, mask."""
    kind, code = t[at + _PLACE], t[at + _PLACE + 1]
    first = at + _PLACE + 2
    second = first + _LANES
    address = second + _LANES
    mask = _behind_affine(t, address)
    wrap = 0 if kind == 4 else 64 - (8 << kind)
    for i in range(t[at + 1]):
        for j in range(t[at + 2]):
            for k in range(t[at + 3]):
                for m in range(t[at + 4]):
                    old: Any = np.int64(0)
                    if _holds(t, r, v, mask, i, j, k, m):
                        place = _affine(t, r, v, address, i, j, k, m)
                        old = read(memory, place, kind)
                        value = v[_lane(t, first, i, j, k, m)]
                        if code == EXCHANGE:
                            write(memory, place, kind, value)
                        elif code == SWAP:
                            if old == value:
                                write(memory, place, kind, v[_lane(t, second, i, j, k, m)])
                        elif code != FETCH:
                            write(memory, place, kind, compute(code, old, value, 0, wrap))
                    v[_target(t, at, i, j, k, m)] = old


@compiled
def reduce(t: Array, v: Array, at: int) -> None:
    """Combine lanes along an axis. Table: place with the source's extents, opcode, wrap, axis, lanes."""
    code, wrap, axis = t[at + _PLACE], t[at + _PLACE + 1], t[at + _PLACE + 2]
    source = at + _PLACE + 3
    for i in range(t[at + 1]):
        for j in range(t[at + 2]):
            for k in range(t[at + 3]):
                for m in range(t[at + 4]):
                    value = v[_lane(t, source, i, j, k, m)]
                    place = _target(t, at, i, j, k, m)
                    begins = (i, j, k, m)[axis] == 0
                    v[place] = value if begins else compute(code, v[place], value, 0, wrap)


@compiled
def scan(t: Array, v: Array, at: int) -> None:
    """Combine every lane with those before it along an axis. Table: place, opcode, wrap, axis, reverse, lanes."""
    code, wrap, axis = t[at + _PLACE], t[at + _PLACE + 1], t[at + _PLACE + 2]
    is_reverse = t[at + _PLACE + 3] != 0
    source = at + _PLACE + 4
    for i0 in range(t[at + 1]):
        for j0 in range(t[at + 2]):
            for k0 in range(t[at + 3]):
                for m0 in range(t[at + 4]):
                    i = t[at + 1] - 1 - i0 if is_reverse and axis == 0 else i0
                    j = t[at + 2] - 1 - j0 if is_reverse and axis == 1 else j0
                    k = t[at + 3] - 1 - k0 if is_reverse and axis == 2 else k0
                    m = t[at + 4] - 1 - m0 if is_reverse and axis == 3 else m0
                    value = v[_lane(t, source, i, j, k, m)]
                    place = _target(t, at, i, j, k, m)
                    if (i0, j0, k0, m0)[axis] > 0:
                        back = t[at + 5 + axis]
                        before = v[place + back if is_reverse else place - back]
                        value = compute(code, before, value, 0, wrap)
                    v[place] = value


@compiled
def query(t: Array, r: Array, v: Array, at: int, memory: Contents) -> Any:
    """Count a mask's lanes row by row, working out what its flags need for one row at a time.

    Table: whether any lane is enough, dimension of rows, number of instructions, (opcode, table) of each, mask.
    """
    is_any, d, parts = t[at] != 0, t[at + 1], t[at + 2]
    mask = at + 3 + 2 * parts
    if r[t[mask]] == 0 or _is_far(t, r, mask):
        return 0
    total = 0
    for row in range(r[t[mask + 1 + 2 * d]], r[t[mask + 2 + 2 * d]]):
        rows = (d, row, row + 1)
        for part in range(parts):
            code, table = t[at + 3 + 2 * part], t[at + 4 + 2 * part]
            if code == Opcode.LANES:
                fill(t, r, v, table, rows)
            elif code == Opcode.ELEMENTWISE:
                elementwise(t, v, table, rows)
            elif code == Opcode.MASK_LANES:
                mask_lanes(t, r, v, table, rows)
            else:
                load(t, r, v, table, rows, memory)
        total += count(t, r, v, mask, is_any, rows)
        if is_any and total > 0:
            return 1
    return total
