"""Integer functions beyond LLVM's instructions, on i32 and i64."""

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
