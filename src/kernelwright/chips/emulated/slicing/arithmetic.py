"""Integer arithmetic of slice programs, in Numba."""

from typing import Any

import numpy as np

from kernelwright.chips.emulated.engine.jit import inlined
from kernelwright.chips.emulated.slicing.opcodes import Opcode


def combined(code: int, a: Any, b: Any, c: Any, wrap: int) -> Any:  # noqa: PLR0915
    """Return the result of an integer instruction, sign-extended from 64 - `wrap` bits."""
    r: Any = 0
    if code == Opcode.ADD:
        r = a + b
    elif code == Opcode.SUB:
        r = a - b
    elif code == Opcode.MUL:
        r = a * b
    elif code == Opcode.AND:
        r = a & b
    elif code == Opcode.OR:
        r = a | b
    elif code == Opcode.XOR:
        r = a ^ b
    elif code == Opcode.MIN:
        r = min(a, b)
    elif code == Opcode.MAX:
        r = max(a, b)
    elif code == Opcode.EQ:
        return 1 if a == b else 0
    elif code == Opcode.NE:
        return 1 if a != b else 0
    elif code == Opcode.LT:
        return 1 if a < b else 0
    elif code == Opcode.LE:
        return 1 if a <= b else 0
    elif code == Opcode.GT:
        return 1 if a > b else 0
    elif code == Opcode.GE:
        return 1 if a >= b else 0
    elif code == Opcode.SELECT:
        r = b if a != 0 else c
    elif code == Opcode.MOV:
        r = a
    elif code == Opcode.DIV:
        if b != 0:
            r = abs(a) // abs(b)
            if (a < 0) != (b < 0):
                r = -r
    elif code == Opcode.REM:
        if b != 0:
            r = abs(a) % abs(b)
            if a < 0:
                r = -r
    elif code == Opcode.FLOORDIV:
        if b != 0:
            r = a // b
    elif code == Opcode.CEILDIV:
        if b != 0:
            r = -((-a) // b)
    elif code == Opcode.SHL:
        r = a << b if 0 <= b < 64 else 0
    elif code == Opcode.SHR:
        r = a >> min(max(b, 0), 63)
    elif code == Opcode.ABS:
        r = abs(a)
    else:
        return _unsigned(code, a, b, wrap)
    return (r << wrap) >> wrap


@inlined
def _unsigned(code: int, a: int, b: int, wrap: int) -> Any:
    # Operands are sign-extended; shifting out the copies of the sign leaves the unsigned reading.
    shift = np.uint64(wrap)
    x = (np.uint64(a) << shift) >> shift
    y = (np.uint64(b) << shift) >> shift
    r: Any = np.uint64(0)
    if code == Opcode.ULT:
        return 1 if x < y else 0
    if code == Opcode.ULE:
        return 1 if x <= y else 0
    if code == Opcode.UGT:
        return 1 if x > y else 0
    if code == Opcode.UGE:
        return 1 if x >= y else 0
    if code == Opcode.ZEXT:
        return np.int64(x)
    if code == Opcode.UMIN:
        r = min(x, y)
    elif code == Opcode.UMAX:
        r = max(x, y)
    elif code == Opcode.UDIV:
        r = x // y if y != 0 else np.uint64(0)
    elif code == Opcode.UREM:
        r = x % y if y != 0 else np.uint64(0)
    elif code == Opcode.USHR:
        r = x >> y if y < np.uint64(64) else np.uint64(0)
    elif code == Opcode.UMULHI:
        r = _high(x, y, wrap)
    return (np.int64(r) << wrap) >> wrap


@inlined
def _high(x: Any, y: Any, wrap: int) -> Any:
    """Return the upper half of a product of unsigned numbers of 64 - `wrap` bits (32 or 64)."""
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    if wrap == 32:
        return (x * y) >> half
    x0, x1, y0, y1 = x & low, x >> half, y & low, y >> half
    middle = x1 * y0 + ((x0 * y0) >> half)
    carry = (middle & low) + x0 * y1
    return x1 * y1 + (middle >> half) + (carry >> half)


compute = inlined(combined)
