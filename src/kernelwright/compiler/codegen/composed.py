"""Float functions made of others, and the bits of floats."""

import math

from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.integers import wide
from kernelwright.compiler.codegen.rounding import saturated
from kernelwright.compiler.codegen.routines import Writer, fma, library, magnitude, number, routine, with_sign
from kernelwright.compiler.codegen.text import ELEMENT_BITS, Reg


def saturate(k: Floats, x: Reg) -> Reg:
    """Return x limited to [0, 1]; NaN gives 0."""
    return k.call("minnum", k.call("maxnum", x, number(k, x, 0.0)), number(k, x, 1.0))


def inverse_root(k: Floats, x: Reg) -> Reg:
    """Return 1 / sqrt(x)."""
    return k.op("fdiv", number(k, x, 1.0), k.call("sqrt", x))


def inverse_cube_root(k: Floats, x: Reg) -> Reg:
    """Return 1 / cbrt(x)."""
    return k.op("fdiv", number(k, x, 1.0), library(k, "cbrt", x))


def norm(is_inverse: bool) -> Writer:
    """Return the writer of the length of a vector, or of one over it; no square over- or underflows."""

    def write(k: Floats, *values: Reg) -> Reg:
        largest = magnitude(k, values[0])
        for value in values[1:]:
            largest = k.call("maxnum", largest, magnitude(k, value))
        bits = k.bitcast(largest, "i64", largest.lanes)
        # One over the largest number's power of two, 2**1022 for subnormal numbers.
        exponent = k.op("lshr", bits, k.constant("i64", 52))
        exponent = k.call("smin", k.call("smax", exponent, k.constant("i64", 1)), k.constant("i64", 2045))
        scale = k.op("shl", k.op("sub", k.constant("i64", 2046), exponent), k.constant("i64", 52))
        scale = k.bitcast(scale, "f64", largest.lanes)
        total = number(k, largest, 0.0)
        for value in values:
            small = k.op("fmul", value, scale)
            total = k.call("fma", *k.together(small, small, total))
        root = k.call("sqrt", total)
        result = k.op("fdiv", scale, root) if is_inverse else k.op("fdiv", root, scale)
        infinite = k.compare("fcmp oeq", largest, number(k, largest, math.inf))
        return k.select(infinite, number(k, largest, 0.0 if is_inverse else math.inf), result)

    return lambda k, *args: routine(k, f"{'r' * is_inverse}norm{len(args)}", write, *args)


def of_pi(is_cosine: bool) -> Writer:
    """Return the writer of sin(pi x) or cos(pi x); pi in two parts keeps the error below 1 ulp."""

    def write(k: Floats, x: Reg) -> Reg:
        # Floats of this size are even numbers; infinity becomes NaN.
        is_near = k.compare("fcmp olt", magnitude(k, x), number(k, x, 2.0**53))
        x = k.select(is_near, x, k.op("fmul", x, number(k, x, 0.0)))
        halves = k.call("rint", k.op("fmul", x, number(k, x, 2.0)))
        rest = fma(k, halves, -0.5, x)
        angle = k.op("fmul", rest, number(k, x, math.pi))
        lost = fma(k, rest, 1.2246467991473532e-16, fma(k, rest, math.pi, k.op("fneg", angle)))
        sine, cosine = library(k, "sin", angle), library(k, "cos", angle)
        sine, cosine = fma(k, lost, cosine, sine), fma(k, k.op("fneg", lost), sine, cosine)
        quadrant = saturated(k, halves, "i64", True)
        zero, one, two = (k.constant("i64", value) for value in (0, 1, 2))
        if is_cosine:
            quadrant = k.op("add", quadrant, one)
        value = k.select(k.compare("icmp ne", k.op("and", quadrant, one), zero), cosine, sine)
        value = k.select(k.compare("icmp ne", k.op("and", quadrant, two), zero), k.op("fneg", value), value)
        is_zero = k.compare("fcmp oeq", value, number(k, x, 0.0))
        nothing = number(k, x, 0.0)
        return k.select(is_zero, nothing if is_cosine else with_sign(k, nothing, x), value)

    return lambda k, x: routine(k, "cospi" if is_cosine else "sinpi", write, x)


def integer_power(k: Floats, x: Reg, n: Reg) -> Reg:
    """Return x**n for an i32 n, as pow(x, n)."""
    return library(k, "pow", x, k.convert("sitofp", n, x.element))


def exponent(k: Floats, x: Reg) -> Reg:
    """Return the binary exponent of x as i32: the least integer for 0 and NaN, the greatest for infinity."""
    value = saturated(k, library(k, "logb", x), "i32", True)
    return k.select(k.compare("fcmp uno", x, x), k.constant("i32", -(1 << 31)), value)


def cast(element: str) -> Writer:
    """Return the writer of the same bits as another type."""
    return lambda k, x: k.bitcast(x, element, x.lanes)


def join(k: Floats, high: Reg, low: Reg) -> Reg:
    """Return the f64 with these upper and lower halves."""
    bits = k.op("or", k.op("shl", wide(k, high, False), k.constant("i64", 32)), wide(k, low, False))
    return k.bitcast(bits, "f64", bits.lanes)


def word(shift: int) -> Writer:
    """Return the writer of the 32 bits of an f64 from bit `shift` on."""

    def write(k: Floats, x: Reg) -> Reg:
        bits = k.bitcast(x, "i64", x.lanes)
        return k.convert("trunc", k.op("lshr", bits, k.constant("i64", shift)), "i32")

    return write


def sign_bit(k: Floats, x: Reg) -> Reg:
    """Return 1 where the sign bit is set, else 0."""
    bits = k.bitcast(x, f"i{ELEMENT_BITS[x.element]}", x.lanes)
    return k.convert("zext", k.compare("icmp slt", bits, k.constant(bits.element, 0)), "i32")


def size_test(predicate: str, limit: float) -> Writer:
    """Return the writer of `|x| predicate limit` as 1 or 0."""

    def write(k: Floats, x: Reg) -> Reg:
        return k.convert("zext", k.compare(f"fcmp {predicate}", magnitude(k, x), number(k, x, limit)), "i32")

    return write


def gross_reciprocal(k: Floats, x: Reg) -> Reg:
    """Return 1 / x with the lower halves of x and of the result taken as 0."""
    return _upper_half(k, k.op("fdiv", number(k, x, 1.0), _upper_half(k, x)))


def _upper_half(k: Floats, x: Reg) -> Reg:
    bits = k.op("and", k.bitcast(x, "i64", x.lanes), k.constant("i64", -(1 << 32)))
    return k.bitcast(bits, "f64", x.lanes)
