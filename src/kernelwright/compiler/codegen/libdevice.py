"""NVIDIA's libdevice, as `triton.language.extra.libdevice` calls it: a table of symbols and what writes them.

What LLVM or the C library has is taken from there with its accuracy; the rest is written in f64 and rounded
once for f32. The "fast" forms are the accurate ones. NaN of float-to-integer conversions, orders of Bessel
functions below zero and the bits that `rcp64h` ignores are as NVIDIA documents them.
"""

import math

from kernelwright.compiler.codegen import bessel, composed, errors, integers, maths, rounding
from kernelwright.compiler.codegen.floats import Floats
from kernelwright.compiler.codegen.rounding import directed, float_to_int, int_to_float
from kernelwright.compiler.codegen.routines import Writer, in_double, library
from kernelwright.compiler.codegen.text import Reg

_FLOATS = {"float": "f32", "double": "f64"}
_INTEGERS = {"int": ("i32", True), "uint": ("i32", False), "ll": ("i64", True), "ull": ("i64", False)}
_ROUNDING_MODES = ("rn", *rounding.MODES)
_INTRINSICS = {
    "fabs": "fabs", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "round": "round", "rint": "rint",
    "nearbyint": "rint", "sqrt": "sqrt", "fma": "fma", "copysign": "copysign", "fmax": "maxnum", "fmin": "minnum",
}  # fmt: skip
_FUNCTIONS = (
    "sin", "cos", "tan", "exp", "exp2", "exp10", "log", "log2", "log10", "log1p", "expm1", "tanh", "erf", "erfc",
    "pow", "sinh", "cosh", "asin", "acos", "atan", "atan2", "asinh", "acosh", "atanh", "cbrt", "hypot", "fmod",
    "remainder", "fdim", "nextafter", "logb", "ldexp", "scalbn",
)  # fmt: skip
_FAST = ("sin", "cos", "tan", "tanh", "exp", "exp10", "log", "log2", "log10", "pow")
# Few use the f32 form of these, and f64 makes it exact to half a unit.
_RARE = ("tgamma", "lgamma", "j0", "j1", "y0", "y1")
_OURS: dict[str, Writer] = {
    "erfcx": errors.erfcx, "erfinv": errors.erfinv, "erfcinv": errors.erfcinv, "normcdf": errors.normcdf,
    "normcdfinv": errors.normcdfinv, "cyl_bessel_i0": bessel.i0, "cyl_bessel_i1": bessel.i1,
    "jn": bessel.of_order("jn"), "yn": bessel.of_order("yn"), "powi": composed.integer_power,
    "rsqrt": composed.inverse_root, "rcbrt": composed.inverse_cube_root, "rhypot": composed.norm(True),
    "norm3d": composed.norm(False), "norm4d": composed.norm(False), "rnorm3d": composed.norm(True),
    "rnorm4d": composed.norm(True), "sinpi": composed.of_pi(False), "cospi": composed.of_pi(True),
}  # fmt: skip


def write_symbol(k: Floats, symbol: str, args: list[Reg], element: str) -> Reg | None:
    """Return the result of libdevice function `symbol`, None when it is not known; `element` is its type."""
    write = SYMBOLS.get(symbol)
    if write is None:
        return None
    value = write(k, *k.together(*args))
    return k.bitcast(value, element, value.lanes)


def _intrinsic(name: str) -> Writer:
    return lambda k, *args: k.call(name, *args)


def _flagged(name: str) -> Writer:
    return lambda k, x: rounding.with_flag(k, name, x)


def _function(name: str) -> Writer:
    return lambda k, *args: maths.function(k, name, *args)


def _rare(name: str) -> Writer:
    return in_double(lambda k, *args: library(k, name, *args))


def _both(name: str, write: Writer) -> dict[str, Writer]:
    """Return the entries of the f32 form and of the f64 form."""
    return {f"__nv_{name}f": write, f"__nv_{name}": write}


def _of_floats() -> dict[str, Writer]:
    table: dict[str, Writer] = {}
    for name in _FUNCTIONS:
        table |= _both(name, _function(name))
    for name in _FAST:
        table[f"__nv_fast_{name}f"] = _function(name)
    for name in _RARE:
        table |= _both(name, _rare(name))
    for name, write in _OURS.items():
        table |= _both(name, in_double(write))
    for name, intrinsic in _INTRINSICS.items():
        table |= _both(name, _intrinsic(intrinsic))
    table |= _both("ilogb", composed.exponent)
    table["__nv_saturatef"] = composed.saturate
    table["__nv_frsqrt_rn"] = in_double(composed.inverse_root)
    table["__nv_rcp64h"] = composed.gross_reciprocal
    table["__nv_fast_fdividef"] = directed("fdiv", "rn")
    return table


def _of_rounded_arithmetic() -> dict[str, Writer]:
    table: dict[str, Writer] = {}
    for mode in _ROUNDING_MODES:
        for letter in ("f", "d"):
            for name in ("add", "sub", "mul", "div"):
                table[f"__nv_{letter}{name}_{mode}"] = directed(f"f{name}", mode)
            table[f"__nv_{letter}sqrt_{mode}"] = directed("sqrt", mode)
            table[f"__nv_{letter}rcp_{mode}"] = rounding.reciprocal(mode)
        for suffix in ("f", ""):
            table[f"__nv_fma{suffix}_{mode}"] = directed("fma", mode)
    return table


def _of_conversions() -> dict[str, Writer]:
    table: dict[str, Writer] = {}
    for mode in _ROUNDING_MODES:
        for name, element in _FLOATS.items():
            for other, (kind, is_signed) in _INTEGERS.items():
                table[f"__nv_{name}2{other}_{mode}"] = float_to_int(kind, is_signed, mode)
                table[f"__nv_{other}2{name}_{mode}"] = int_to_float(element, is_signed, mode)
        table[f"__nv_double2float_{mode}"] = directed("fptrunc", mode, "f32")
    table |= _both("llrint", float_to_int("i64", True, "rn")) | _both("llround", float_to_int("i64", True, "away"))
    return table


def _of_bits() -> dict[str, Writer]:
    table: dict[str, Writer] = {}
    for name, other, kind in (("float", "int", "i32"), ("float", "uint", "i32"), ("double", "longlong", "i64")):
        table[f"__nv_{other}_as_{name}"] = composed.cast(_FLOATS[name])
        table[f"__nv_{name}_as_{other}"] = composed.cast(kind)
    table["__nv_hiloint2double"] = composed.join
    table["__nv_double2loint"] = composed.word(0)
    table["__nv_double2hiint"] = composed.word(32)
    for suffix in ("f", "d"):
        table[f"__nv_isnan{suffix}"] = composed.size_test("uno", 0.0)
        table[f"__nv_isinf{suffix}"] = composed.size_test("oeq", math.inf)
        table[f"__nv_signbit{suffix}"] = composed.sign_bit
    for name in ("finitef", "isfinited"):
        table[f"__nv_{name}"] = composed.size_test("olt", math.inf)
    return table


def _of_integers() -> dict[str, Writer]:
    table: dict[str, Writer] = {"__nv_byte_perm": integers.byte_perm}
    for letter in ("", "u"):
        is_signed = not letter
        table[f"__nv_{letter}mul24"] = integers.product_24(is_signed)
        table[f"__nv_{letter}sad"] = integers.absolute_difference(is_signed)
        table[f"__nv_{letter}hadd"] = integers.average(is_signed, 0)
        table[f"__nv_{letter}rhadd"] = integers.average(is_signed, 1)
        for name in ("mulhi", "mul64hi"):
            table[f"__nv_{letter}{name}"] = integers.high_product(is_signed)
        for size in ("", "ll"):
            for name in ("max", "min"):
                table[f"__nv_{letter}{size}{name}"] = _intrinsic((letter or "s") + name)
    for name in ("abs", "llabs"):
        table[f"__nv_{name}"] = _flagged("abs")
    for size in ("", "ll"):
        table[f"__nv_clz{size}"] = integers.count(_flagged("ctlz"))
        table[f"__nv_popc{size}"] = integers.count(_intrinsic("ctpop"))
        table[f"__nv_ffs{size}"] = integers.count(integers.first_set)
        table[f"__nv_brev{size}"] = _intrinsic("bitreverse")
    return table


SYMBOLS: dict[str, Writer] = {
    **_of_floats(), **_of_rounded_arithmetic(), **_of_conversions(), **_of_bits(), **_of_integers(),
}  # fmt: skip
