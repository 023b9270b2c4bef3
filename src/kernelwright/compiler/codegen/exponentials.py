"""e**x, 2**x and e**x - 1 in f32, on scalars and vectors.

exp2 on [0, 1) is a degree-6 minimax polynomial (largest relative error 1.9e-9 before rounding), expm1 on
[-ln(2)/2, ln(2)/2] one of degree 7 (2.4e-10), coefficients from a Remez iteration of ours.
"""

from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.routines import fma, horner
from kernelwright.compiler.codegen.text import Reg, llvm_type

# 2**f on [0, 1], constant term first; the constant is 1 so that exp2 of a whole number is exact.
EXP2_COEFFICIENTS = (
    1.0,
    0.6931469838404387,
    0.24022983627589423,
    0.05548334197771016,
    0.009678841007043672,
    0.0012439687747148747,
    0.00021702255680520308,
)
# (e**r - 1 - r) / r**2
_EXPM1 = (
    0.5,
    0.1666666716337204,
    0.04166635498404503,
    0.008333273231983185,
    0.001394100021570921,
    0.00019914237782359123,
)
LOG2_E = 1.4426950408889634
LOG2_E_HIGH = 1.44269502162933349609375
LOG2_E_LOW = 1.925963033500011e-08
_LN2_HIGH = 0.693145751953125  # 15 bits: times a whole number below 512 it is exact
_LN2_LOW = 1.42860677e-06


def exp2(k: Floats, x: Reg) -> Reg:
    """Return 2**x; -inf gives 0, overflow gives inf, NaN stays NaN."""
    if _has_scalef(k, x):
        fraction = _reduce_floor(k, x)
        return _scalef(k, horner(k, fraction, EXP2_COEFFICIENTS), x)
    x = clamp(k, x, -150.0, 129.0)
    whole = k.call("floor", x)
    return _scale_exact(k, horner(k, k.op("fsub", x, whole), EXP2_COEFFICIENTS), whole)


def exp(k: Floats, x: Reg) -> Reg:
    """Return e**x, with the argument reduced in two parts so that large x keep their digits."""
    x = clamp(k, x, -105.0, 90.0)
    whole = k.call("floor", k.op("fmul", x, k.constant("f32", LOG2_E)))
    minus = k.op("fneg", whole)
    fraction = fma(k, x, LOG2_E_HIGH, minus)
    fraction = fma(k, x, LOG2_E_LOW, fraction)
    power = horner(k, fraction, EXP2_COEFFICIENTS)
    return _scalef(k, power, whole) if _has_scalef(k, x) else _scale_exact(k, power, whole)


def expm1(k: Floats, x: Reg) -> Reg:
    """Return e**x - 1; largest error seen 1.41 ulp."""
    given = x
    x = clamp(k, x, -18.0, 89.0)
    whole = k.call("rint", k.op("fmul", x, k.constant("f32", LOG2_E)))
    minus = k.op("fneg", whole)
    r = fma(k, minus, _LN2_HIGH, x)
    r = fma(k, minus, _LN2_LOW, r)
    p = fma(k, k.op("fmul", r, r), horner(k, r, _EXPM1), r)
    # Half of 2**whole, which is a number of f32 for whole = 128 too.
    half = _power(k, k.op("sub", k.convert("fptosi", whole, "i32"), k.constant("i32", 1)))
    result = fma(k, p, half, k.op("fsub", half, k.constant("f32", 0.5)))
    tiny = k.compare("fcmp olt", k.call("fabs", given), k.constant("f32", 1e-9))
    return k.select(tiny, given, k.op("fadd", result, result))


def clamp(k: Floats, x: Reg, low: float, high: float) -> Reg:
    """Return x limited to [low, high]; NaN stays NaN."""
    # Ordered compares keep NaN: a NaN fails both and passes through.
    floor, ceiling = k.constant(x.element, low), k.constant(x.element, high)
    x = k.select(k.compare("fcmp olt", x, floor), floor, x)
    return k.select(k.compare("fcmp ogt", x, ceiling), ceiling, x)


def _scale_exact(k: Floats, value: Reg, whole: Reg) -> Reg:
    # Two steps, so that results below the smallest normal number round once, not to zero.
    number = k.convert("fptosi", whole, "i32")
    half = k.op("ashr", number, k.constant("i32", 1))
    rest = k.op("sub", number, half)
    return k.op("fmul", k.op("fmul", value, _power(k, half)), _power(k, rest))


def _power(k: Floats, exponent: Reg) -> Reg:
    biased = k.op("add", exponent, k.constant("i32", 127))
    return k.bitcast(k.op("shl", biased, k.constant("i32", 23)), "f32", exponent.lanes)


def _has_scalef(k: Floats, x: Reg) -> bool:
    return k.features.has_avx512 and x.lanes in (4, 8, 16)


def _x86_call(k: Floats, name: str, lanes: int, signature: str, arguments: str, level: int) -> Reg:
    full = f"llvm.x86.avx512.mask.{name}.ps.{lanes * 32}"
    vector = llvm_type("f32", lanes)
    k.f.declare(full, f"declare {vector} @{full}({signature})")
    return k.f.emit("f32", lanes, f"call {vector} @{full}({arguments})", level)


def _mask(lanes: int) -> tuple[str, str]:
    return ("i16", "-1") if lanes == 16 else ("i8", "-1")


def _reduce_floor(k: Floats, x: Reg) -> Reg:
    mask_type, ones = _mask(x.lanes)
    tail_type, tail = (", i32", ", i32 8") if x.lanes == 16 else ("", "")
    # Immediate 9: subtract the floor, no exception; infinity gives 0, so exp2 needs no clamp.
    return _x86_call(
        k,
        "reduce",
        x.lanes,
        f"{x.type}, i32, {x.type}, {mask_type}{tail_type}",
        f"{x.typed}, i32 9, {x.type} poison, {mask_type} {ones}{tail}",
        x.level,
    )


def _scalef(k: Floats, value: Reg, exponent: Reg) -> Reg:
    value, exponent = k.together(value, exponent)
    mask_type, ones = _mask(value.lanes)
    tail_type, tail = (", i32", ", i32 4") if value.lanes == 16 else ("", "")
    return _x86_call(
        k,
        "scalef",
        value.lanes,
        f"{value.type}, {value.type}, {value.type}, {mask_type}{tail_type}",
        f"{value.typed}, {exponent.typed}, {value.type} poison, {mask_type} {ones}{tail}",
        max(value.level, exponent.level),
    )
