"""The error function's relatives that the C library lacks, in f64.

Largest errors seen against 50 digits: erfcx 4 ulp, normcdf 4, erfinv 3, erfcinv 3, normcdfinv 4.
"""

import math

from kernelwright.compiler.codegen.exponentials import clamp
from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.routines import fma, horner, library, magnitude, number, routine, with_sign
from kernelwright.compiler.codegen.text import Reg

_SQRT_PI = math.sqrt(math.pi)
# 1 + sum (-1)**n (2n - 1)!! v**n for v = 1 / (2 x**2), exact enough for x >= 25
_ERFCX_TERMS = (1.0, -1.0, 3.0, -15.0, 105.0, -945.0, 10395.0, -135135.0)
# erfinv(x) / x in x**2 on |x| <= 1/2: relative error 7.8e-10
_ERFINV = (
    0.8862269261408992, 0.23201340327885375, 0.12757254953250732, 0.08617322841786941, 0.06907351375206165,
    0.029487216108442807, 0.09797281904391576,
)  # fmt: skip
# erfcinv(p) / r in 1 / r, with r = sqrt(-log(p)), on p <= 1/2: relative error 8.6e-5
_TAIL = (
    1.001078827696826, -0.05947827930450154, -1.1191228831529618, 1.7031488961787975, -1.4362232352568187,
    0.6912869074083087, -0.14402149959347205,
)  # fmt: skip
_SQRT_HALF = math.sqrt(0.5)
_SQRT_HALF_LOW = -4.833646656726457e-17  # what rounding the line above left


def erfcx(k: Floats, x: Reg) -> Reg:
    """Return exp(x**2) * erfc(x)."""
    return routine(k, "erfcx", _erfcx, x)


def _erfcx(k: Floats, x: Reg) -> Reg:
    near = clamp(k, x, -30.0, 25.0)
    square = k.op("fmul", near, near)
    rest = fma(k, near, near, k.op("fneg", square))
    product = k.op("fmul", library(k, "exp", square), library(k, "erfc", near))
    near_value = fma(k, product, rest, product)
    near_value = k.select(k.compare("fcmp oeq", product, number(k, x, math.inf)), product, near_value)
    half = k.op("fdiv", number(k, x, 0.5), k.op("fmul", x, x))
    far_value = k.op("fdiv", horner(k, half, _ERFCX_TERMS), k.op("fmul", x, number(k, x, _SQRT_PI)))
    return k.select(k.compare("fcmp ogt", x, number(k, x, 25.0)), far_value, near_value)


def normcdf(k: Floats, x: Reg) -> Reg:
    """Return the normal distribution's probability below x: erfc(-x / sqrt(2)) / 2."""
    return routine(k, "normcdf", _normcdf, x)


def _normcdf(k: Floats, x: Reg) -> Reg:
    # Beyond 39 the result is 0 or 1; infinity would make NaN of the rest.
    minus = k.op("fneg", clamp(k, x, -39.0, 39.0))
    high = k.op("fmul", minus, number(k, x, _SQRT_HALF))
    low = fma(k, minus, _SQRT_HALF_LOW, fma(k, minus, _SQRT_HALF, k.op("fneg", high)))
    tail = k.op("fmul", library(k, "erfc", high), number(k, x, 0.5))
    # The slope of log(erfc) is about -(h + sqrt(h**2 + 3/2)); far out it makes digits of h's last bit.
    slope = k.op("fadd", high, k.call("sqrt", fma(k, high, high, 1.5)))
    steep = k.select(k.compare("fcmp ogt", high, number(k, x, 0.0)), slope, number(k, x, 0.0))
    return fma(k, k.op("fneg", tail), k.op("fmul", low, steep), tail)


def erfinv(k: Floats, x: Reg) -> Reg:
    """Return y with erf(y) = x; infinite at -1 and 1, NaN beyond."""
    return routine(k, "erfinv", _erfinv, x)


def _erfinv(k: Floats, x: Reg) -> Reg:
    size = magnitude(k, x)
    is_central = k.compare("fcmp ole", size, number(k, x, 0.5))
    rest = k.op("fsub", number(k, x, 1.0), size)
    far = with_sign(k, _upper_quantile(k, rest), x)
    return k.select(is_central, _central(k, x), far)


def erfcinv(k: Floats, p: Reg) -> Reg:
    """Return y with erfc(y) = p; infinite at 0 and 2, NaN beyond."""
    return routine(k, "erfcinv", _erfcinv, p)


def _erfcinv(k: Floats, p: Reg) -> Reg:
    one, two, half = number(k, p, 1.0), number(k, p, 2.0), number(k, p, 0.5)
    is_upper = k.compare("fcmp ogt", p, one)
    tail = k.select(is_upper, k.op("fsub", two, p), p)
    far = _upper_quantile(k, tail)
    far = k.select(is_upper, k.op("fneg", far), far)
    return k.select(k.compare("fcmp ogt", tail, half), _central(k, k.op("fsub", one, p)), far)


def normcdfinv(k: Floats, p: Reg) -> Reg:
    """Return x with normcdf(x) = p; infinite at 0 and 1, NaN beyond."""
    quantile = erfcinv(k, k.op("fadd", p, p))
    scaled = k.op("fmul", quantile, number(k, p, -math.sqrt(2.0)))
    return k.op("fadd", scaled, number(k, p, 0.0))  # the median is 0, not -0


def _central(k: Floats, x: Reg) -> Reg:
    """Return erfinv(x) for |x| <= 1/2: a polynomial and one step of Halley's method on erf."""
    y = k.op("fmul", x, horner(k, k.op("fmul", x, x), _ERFINV))
    slope = library(k, "exp", k.op("fmul", y, y))
    miss = k.op("fsub", library(k, "erf", y), x)
    step = k.op("fmul", k.op("fmul", miss, slope), number(k, x, _SQRT_PI / 2))
    return k.op("fsub", y, k.op("fdiv", step, fma(k, y, step, 1.0)))


def _upper_quantile(k: Floats, p: Reg) -> Reg:
    """Return y >= 0 with erfc(y) = p for p <= 1/2: two steps of Halley's method on log(erfc(y)).

    The logarithm neither underflows nor loses digits, however small p is.
    """
    log = library(k, "log", p)
    r = k.call("sqrt", k.op("fneg", log))
    y = k.op("fmul", r, horner(k, k.op("fdiv", number(k, p, 1.0), r), _TAIL))
    for _ in range(2):
        scaled = _erfcx(k, y)
        # log(erfc(y)) - log(p), its slope, and its curvature over its slope
        miss = k.op("fsub", fma(k, k.op("fneg", y), y, library(k, "log", scaled)), log)
        slope = k.op("fdiv", number(k, p, -2.0 / _SQRT_PI), scaled)
        bend = k.op("fneg", fma(k, y, 2.0, slope))
        step = k.op("fdiv", miss, slope)
        bent = fma(k, k.op("fmul", step, bend), -0.5, 1.0)
        y = k.op("fsub", y, k.op("fdiv", step, bent))
    infinite = k.compare("fcmp oeq", p, number(k, p, 0.0))
    return k.select(infinite, number(k, p, math.inf), y)
