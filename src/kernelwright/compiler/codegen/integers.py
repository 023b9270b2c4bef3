"""Integer functions beyond LLVM's instructions, and division and shifts without undefined cases.

As on a GPU, a division by zero gives some number and never ends the process, and a shift by the width or more leaves
nothing but the sign.
"""

from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.rounding import with_flag
from kernelwright.compiler.codegen.routines import Writer
from kernelwright.compiler.codegen.text import ELEMENT_BITS, Reg


def wide(k: Floats, value: Reg, is_signed: bool) -> Reg:
    """Return an i32 as i64."""
    return k.convert("sext" if is_signed else "zext", value, "i64")


def high_product(is_signed: bool) -> Writer:
    """Return the writer of the upper half of a product."""

    def write(k: Floats, a: Reg, b: Reg) -> Reg:
        high = multiply_high(k, a, b)
        if not is_signed:
            return high
        # A negative factor is 2**bits less than what the unsigned product took it for.
        last = k.constant(a.element, ELEMENT_BITS[a.element] - 1)
        for x, y in ((a, b), (b, a)):
            high = k.op("sub", high, k.op("and", k.op("ashr", x, last), y))
        return high

    return write


def multiply_high(k: Floats, a: Reg, b: Reg) -> Reg:
    """Return the upper half of the unsigned product of two i32 or two i64."""
    a, b = k.together(a, b)
    if a.element == "i32":
        wide = k.op("mul", k.convert("zext", a, "i64"), k.convert("zext", b, "i64"))
        return k.convert("trunc", k.op("lshr", wide, k.constant("i64", 32)), "i32")
    low, half = k.constant("i64", 0xFFFFFFFF), k.constant("i64", 32)
    a_low, a_high = k.op("and", a, low), k.op("lshr", a, half)
    b_low, b_high = k.op("and", b, low), k.op("lshr", b, half)
    first = k.op("lshr", k.op("mul", a_low, b_low), half)
    cross = k.op("add", k.op("mul", a_high, b_low), first)
    other = k.op("add", k.op("mul", a_low, b_high), k.op("and", cross, low))
    top = k.op("add", k.op("mul", a_high, b_high), k.op("lshr", cross, half))
    return k.op("add", top, k.op("lshr", other, half))


def product_24(is_signed: bool) -> Writer:
    """Return the writer of the product of the lower 24 bits of two i32, as i32."""

    def write(k: Floats, a: Reg, b: Reg) -> Reg:
        eight = k.constant("i32", 8)
        down = "ashr" if is_signed else "lshr"
        return k.op("mul", *(k.op(down, k.op("shl", value, eight), eight) for value in (a, b)))

    return write


def average(is_signed: bool, add: int) -> Writer:
    """Return the writer of (a + b + add) / 2, rounded down, without overflow."""

    def write(k: Floats, a: Reg, b: Reg) -> Reg:
        total = k.op("add", wide(k, a, is_signed), wide(k, b, is_signed))
        total = k.op("add", total, k.constant("i64", add))
        return k.convert("trunc", k.op("ashr", total, k.constant("i64", 1)), "i32")

    return write


def absolute_difference(is_signed: bool) -> Writer:
    """Return the writer of |a - b| + c."""
    kind = "s" if is_signed else "u"

    def write(k: Floats, a: Reg, b: Reg, c: Reg) -> Reg:
        return k.op("add", k.op("sub", k.call(f"{kind}max", a, b), k.call(f"{kind}min", a, b)), c)

    return write


def byte_perm(k: Floats, a: Reg, b: Reg, selector: Reg) -> Reg:
    """Return four bytes of the eight of b and a, picked by the lower three bits of the digits of `selector`."""
    both = k.op("or", wide(k, a, False), k.op("shl", wide(k, b, False), k.constant("i64", 32)))
    result = k.constant("i32", 0)
    for place in range(4):
        index = k.op("and", k.op("lshr", selector, k.constant("i32", 4 * place)), k.constant("i32", 7))
        moved = k.op("lshr", both, wide(k, k.op("shl", index, k.constant("i32", 3)), False))
        byte = k.op("and", k.convert("trunc", moved, "i32"), k.constant("i32", 0xFF))
        result = k.op("or", result, k.op("shl", byte, k.constant("i32", 8 * place)))
    return result


def count(write: Writer) -> Writer:
    """Return `write` with its result as i32, also for i64."""

    def narrow(k: Floats, x: Reg) -> Reg:
        value = write(k, x)
        return value if value.element == "i32" else k.convert("trunc", value, "i32")

    return narrow


def first_set(k: Floats, x: Reg) -> Reg:
    """Return the place of the lowest bit that is set, counted from 1; 0 for 0."""
    zero, one = k.constant(x.element, 0), k.constant(x.element, 1)
    place = k.op("add", with_flag(k, "cttz", x), one)
    return k.select(k.compare("icmp eq", x, zero), zero, place)


def shift(k: Floats, text: str, value: Reg, count: Reg) -> Reg:
    """Return shl, lshr or ashr; a count of the width or more, taken as unsigned, shifts everything out."""
    bits = ELEMENT_BITS[value.element]
    if count.constant is not None and 0 <= count.constant < bits:
        return k.op(text, value, count)
    if text == "ashr":
        return k.op(text, value, k.call("umin", count, k.constant(count.element, bits - 1)))
    fits = k.compare("icmp ult", count, k.constant(count.element, bits))
    return k.select(fits, k.op(text, value, count), k.constant(value.element, 0))


def divide(k: Floats, text: str, a: Reg, b: Reg) -> Reg:
    """Return sdiv, udiv, srem or urem; by zero is by one, and the smallest number by -1 is itself."""
    if b.constant not in (None, 0, -1):
        return k.op(text, a, b)
    element = b.element
    zero, one, minus = k.constant(element, 0), k.constant(element, 1), k.constant(element, -1)
    safe = k.select(k.compare("icmp eq", b, zero), one, b)
    if text in ("udiv", "urem"):
        return _quotient(k, text, a, safe)
    is_minus = k.compare("icmp eq", safe, minus)
    result = _quotient(k, text, a, k.select(is_minus, one, safe))
    special = k.op("sub", zero, a) if text == "sdiv" else zero
    return k.select(is_minus, special, result)


def _quotient(k: Floats, text: str, a: Reg, b: Reg) -> Reg:
    a, b = k.together(a, b)
    bits = ELEMENT_BITS[a.element]
    if not a.lanes or bits > 32:
        return k.op(text, a, b)
    # No vector division exists; the quotient of 32-bit integers in f64, of 16-bit ones in f32, truncated, is exact.
    kind, element = "si" if text[0] == "s" else "ui", "f64" if bits == 32 else "f32"
    ratio = k.op("fdiv", k.convert(f"{kind}tofp", a, element), k.convert(f"{kind}tofp", b, element))
    # i32 holds what narrower integers hold, signed or not.
    quotient = k.convert("fptosi" if bits < 32 else f"fpto{kind}", ratio, "i32")
    if bits < 32:
        quotient = k.convert("trunc", quotient, a.element)
    if text.endswith("div"):
        return quotient
    return k.op("sub", a, k.op("mul", quotient, b))
