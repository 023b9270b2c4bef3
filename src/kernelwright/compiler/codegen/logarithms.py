"""Logarithms in f32: log, log2, log10 and log1p, on scalars and vectors.

A number is m * 2**n with m in [sqrt(1/2), sqrt(2)); log(1 + f) is f + f**2 Q(f), Q a polynomial of degree 9 (relative
error of the logarithm 7.3e-10 before rounding), coefficients from a Remez iteration of ours.
Largest errors seen: log 0.82 ulp, log2 0.95, log10 0.92, log1p 1.41.
"""

import math
from dataclasses import dataclass

from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.routines import Writer, fma, horner, number
from kernelwright.compiler.codegen.text import Reg

_Q = (
    -0.5, 0.3333331048488617, -0.24999986588954926, 0.20002231001853943, -0.16669265925884247, 0.14218564331531525,
    -0.1238403394818306, 0.11873413622379303, -0.11791897565126419, 0.06916846334934235,
)  # fmt: skip
_SQRT_HALF_BITS = 0x3F3504F3
_SMALLEST_NORMAL = 2.0**-126


@dataclass(frozen=True)
class _Base:
    """The logarithms of 2 and of e, each in two parts whose sum has about 48 bits."""

    of_2: tuple[float, float]
    of_e: tuple[float, float]


_E = _Base((0.6931471824645996, -1.9046542121259336e-09), (1.0, 0.0))
_2 = _Base((1.0, 0.0), (1.4426950216293335, 1.925963033500011e-08))
_10 = _Base((0.3010300099849701, -1.432098883924482e-08), (0.4342944920063019, -1.0103049952192578e-08))


def split(k: Floats, x: Reg) -> tuple[Reg, Reg]:
    """Return (n, m), both f32, with x = m * 2**n and m in [sqrt(1/2), sqrt(2)), for positive finite x."""
    is_subnormal = k.compare("fcmp olt", x, number(k, x, _SMALLEST_NORMAL))
    normal = k.select(is_subnormal, k.op("fmul", x, number(k, x, 2.0**23)), x)
    bias = k.select(is_subnormal, number(k, x, -23.0), number(k, x, 0.0))
    exponent, mantissa = _split_bits(k, normal)
    return k.op("fadd", k.convert("sitofp", exponent, "f32"), bias), mantissa


def _split_bits(k: Floats, x: Reg) -> tuple[Reg, Reg]:
    bits = k.bitcast(x, "i32", x.lanes)
    width = k.constant("i32", 23)
    exponent = k.op("ashr", k.op("sub", bits, k.constant("i32", _SQRT_HALF_BITS)), width)
    return exponent, k.bitcast(k.op("sub", bits, k.op("shl", exponent, width)), "f32", x.lanes)


def _logarithm(base: _Base) -> Writer:
    def write(k: Floats, x: Reg) -> Reg:
        exponent, mantissa = split(k, x)
        value = _sum(k, exponent, k.op("fsub", mantissa, number(k, x, 1.0)), base)
        return _limits(k, x, 0.0, value)

    return write


log, log2, log10 = _logarithm(_E), _logarithm(_2), _logarithm(_10)


def log1p(k: Floats, x: Reg) -> Reg:
    """Return log(1 + x)."""
    one = number(k, x, 1.0)
    u = k.op("fadd", x, one)
    # What rounding u left: exact, and brought to the size of the mantissa below.
    rest = k.select(
        k.compare("fcmp ogt", x, one), k.op("fsub", one, k.op("fsub", u, x)), k.op("fsub", x, k.op("fsub", u, one))
    )
    exponent, mantissa = _split_bits(k, u)
    limited = k.call("smin", exponent, k.constant("i32", 126))
    bits = k.op("shl", k.op("sub", k.constant("i32", 127), limited), k.constant("i32", 23))
    fraction = fma(k, rest, k.bitcast(bits, "f32", x.lanes), k.op("fsub", mantissa, one))
    value = _sum(k, k.convert("sitofp", exponent, "f32"), fraction, _E)
    value = _limits(k, x, -1.0, value)
    return k.select(k.compare("fcmp oeq", x, number(k, x, 0.0)), x, value)


def _sum(k: Floats, exponent: Reg, f: Reg, base: _Base) -> Reg:
    """Return the logarithm of (1 + f) * 2**exponent, smallest parts first."""
    scaled = [coefficient * sum(base.of_e) for coefficient in _Q]
    small = fma(k, exponent, base.of_2[1], k.op("fmul", f, number(k, f, base.of_e[1])))
    small = fma(k, k.op("fmul", f, f), horner(k, f, scaled), small)
    return fma(k, exponent, base.of_2[0], fma(k, f, base.of_e[0], small))


def _limits(k: Floats, x: Reg, pole: float, value: Reg) -> Reg:
    """Return `value` with what belongs to infinity, to the pole, below it and to NaN."""
    value = k.select(k.compare("fcmp oeq", x, number(k, x, math.inf)), x, value)
    value = k.select(k.compare("fcmp oeq", x, number(k, x, pole)), number(k, x, -math.inf), value)
    return k.select(k.compare("fcmp ult", x, number(k, x, pole)), number(k, x, math.nan), value)
