"""x**y in f32, on scalars and vectors, computed in f64: 2**(y * log2(x)).

The logarithm's polynomial has a relative error of 5e-16, that of 2**f one of 4e-11: the result is rounded once
and its largest error is 0.51 ulp, subnormal results included. Coefficients from a Remez iteration of ours.
"""

import math

from kernelwright.compiler.codegen.exponentials import clamp
from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.logarithms import split
from kernelwright.compiler.codegen.routines import fma, horner, magnitude, number, with_sign
from kernelwright.compiler.codegen.text import Reg

# log2(m) / s in s**2 for s = (m - 1) / (m + 1)
_LOG2 = (
    2.885390081777927, 0.9617966939243184, 0.5770780172527473, 0.41219840111633216, 0.3206164492811741,
    0.2614424002516934, 0.24293705261277426,
)  # fmt: skip
# 2**f for |f| <= 1/2
_EXP2 = (
    0.9999999999616823, 0.6931471807284051, 0.2402265119816769, 0.055504103535231955, 0.009618027252327877,
    0.0013333922518980767, 0.0001546929152740556, 1.5201930156775764e-05,
)  # fmt: skip


def power(k: Floats, x: Reg, y: Reg) -> Reg:
    """Return x**y as C defines it: 1 for y = 0 and x = 1, a sign for odd y, NaN for x < 0 and y not whole."""
    size = magnitude(k, x)
    value = k.cast_float(_exp2(k, k.op("fmul", k.cast_float(y, "f64"), _log2(k, size))), "f32")
    zero, one = number(k, x, 0.0), number(k, x, 1.0)
    whole = k.compare("fcmp oeq", k.call("trunc", y), y)
    half = k.op("fmul", y, number(k, y, 0.5))
    is_odd = k.op("and", whole, k.compare("fcmp une", k.call("trunc", half), half))
    value = k.select(is_odd, with_sign(k, value, x), value)
    is_real = k.op("or", whole, k.compare("fcmp oeq", size, number(k, x, math.inf)))
    below = k.op("and", k.compare("fcmp olt", x, zero), k.op("xor", is_real, k.constant("i1", 1)))
    value = k.select(below, number(k, x, math.nan), value)
    # Of -1 infinite powers count as even.
    far = k.op("and", k.compare("fcmp oeq", size, one), k.compare("fcmp oeq", magnitude(k, y), number(k, y, math.inf)))
    always = k.op("or", k.compare("fcmp oeq", x, one), k.compare("fcmp oeq", y, zero))
    return k.select(k.op("or", far, always), one, value)


def _log2(k: Floats, size: Reg) -> Reg:
    """Return log2 of an f32 that is not negative, as f64."""
    exponent, mantissa = split(k, size)
    m = k.cast_float(mantissa, "f64")
    one = number(k, m, 1.0)
    s = k.op("fdiv", k.op("fsub", m, one), k.op("fadd", m, one))
    value = fma(k, s, horner(k, k.op("fmul", s, s), _LOG2), k.cast_float(exponent, "f64"))
    value = k.select(k.compare("fcmp oeq", size, number(k, size, 0.0)), number(k, value, -math.inf), value)
    # Infinity, and NaN of any kind, are their own logarithms.
    return k.select(k.compare("fcmp olt", size, number(k, size, math.inf)), value, k.cast_float(size, "f64"))


def _exp2(k: Floats, x: Reg) -> Reg:
    """Return 2**x in f64, limited to what f32 can tell apart; NaN stays NaN."""
    x = clamp(k, x, -200.0, 200.0)
    whole = k.call("rint", x)
    fraction = horner(k, k.op("fsub", x, whole), _EXP2)
    exponent = k.convert("sext", k.convert("fptosi", whole, "i32"), "i64")
    bits = k.op("shl", k.op("add", exponent, k.constant("i64", 1023)), k.constant("i64", 52))
    return k.op("fmul", fraction, k.bitcast(bits, "f64", x.lanes))
