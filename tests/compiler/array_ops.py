"""One op of Triton IR on whole numpy arrays, and how far floats are from what they should be."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from kernelwright.compiler import CompileOptions, compile_ttir

Array = NDArray[Any]
TYPES: dict[str, np.dtype[Any]] = {
    "f32": np.dtype(np.float32), "f64": np.dtype(np.float64), "f16": np.dtype(np.float16), "bf16": np.dtype(np.uint16),
    "i8": np.dtype(np.int8), "i16": np.dtype(np.int16), "i32": np.dtype(np.int32), "i64": np.dtype(np.int64),
}  # fmt: skip
MANTISSA_BITS = {"f32": 24, "f64": 53, "f16": 11, "bf16": 8}
LARGEST = {
    "f32": float(np.finfo(np.float32).max), "f64": float(np.finfo(np.float64).max), "f16": 65504.0,
    "bf16": (2 - 2.0**-7) * 2.0**127,
}  # fmt: skip
LEAST_EXPONENT = {"f32": -149, "f64": -1074, "f16": -24, "bf16": -133}


def run_op(line: str, kinds: Sequence[str], result: str, args: Sequence[Array], lanes: int = 32) -> Array:
    """Return the results of an op over arrays of equal length.

    `line` is Triton IR with %0, %1, .. for operands and {0}, {1}, .., {r} for the types of operands and of the
    result; `kinds` and `result` are element types; `lanes` 0 runs on scalars, else on tensors of as many elements.
    """
    count = max(1, lanes)
    padded = -(-args[0].size // count) * count
    full = [np.resize(arg, padded).astype(TYPES[kind], copy=False) for arg, kind in zip(args, kinds, strict=True)]
    out = np.zeros(padded, TYPES[result])
    kernel = compile_ttir(_kernel_text(line, kinds, result, lanes), CompileOptions())
    addresses = [array.ctypes.data for array in (*full, out)]
    kernel.launch((padded // count, 1, 1), addresses, threads=1)
    return out[: args[0].size]


def _kernel_text(line: str, kinds: Sequence[str], result: str, lanes: int) -> str:
    names = [f"p{number}" for number in range(len(kinds))] + ["out"]
    types = {name: f"!tt.ptr<{kind}>" for name, kind in zip(names, (*kinds, result), strict=True)}
    parameters = ", ".join(f"%{name}: {kind}" for name, kind in types.items())
    offset = "i32" if not lanes else f"tensor<{lanes}xi32>"
    body = ["%program = tt.get_program_id x : i32"]
    if lanes:
        body += [
            f"%lanes = arith.constant {lanes} : i32",
            "%start = arith.muli %program, %lanes : i32",
            f"%starts = tt.splat %start : i32 -> {offset}",
            f"%range = tt.make_range {{end = {lanes} : i32, start = 0 : i32}} : {offset}",
            f"%at = arith.addi %starts, %range : {offset}",
        ]
    index = "%at" if lanes else "%program"

    def place(name: str) -> str:
        pointers = types[name] if not lanes else f"tensor<{lanes}x{types[name]}>"
        base = f"%{name}"
        if lanes:
            body.append(f"%{name}_all = tt.splat %{name} : {types[name]} -> {pointers}")
            base = f"%{name}_all"
        body.append(f"%{name}_at = tt.addptr {base}, {index} : {pointers}, {offset}")
        return pointers

    for number in range(len(kinds)):
        pointers = place(f"p{number}")
        body.append(f"%x{number} = tt.load %p{number}_at : {pointers}")
    shown = [kind if not lanes else f"tensor<{lanes}x{kind}>" for kind in kinds]
    text = line.format(*shown, r=result if not lanes else f"tensor<{lanes}x{result}>")
    for number in range(len(kinds)):
        text = text.replace(f"%{number}", f"%x{number}")
    body.append(f"%y = {text}")
    body.append(f"tt.store %out_at, %y : {place('out')}")
    lines = "\n    ".join(body)
    return f"module {{\n  tt.func public @k({parameters}) {{\n    {lines}\n    tt.return\n  }}\n}}\n"


def run_symbol(symbol: str, kinds: Sequence[str], result: str, args: Sequence[Array], lanes: int = 32) -> Array:
    """Return the results of an external function, as `run_op` does."""
    operands = ", ".join(f"%{number}" for number in range(len(kinds)))
    types = ", ".join(f"{{{number}}}" for number in range(len(kinds)))
    attributes = f'{{{{libname = "", libpath = "", pure = true, symbol = "{symbol}"}}}}'
    line = f"tt.extern_elementwise {operands} {attributes} : ({types}) -> {{r}}"
    return run_op(line, kinds, result, args, lanes)


def worst_ulps(got: Array, exact: Sequence[Any], kind: str) -> float:
    """Return the largest distance of floats from numbers of arbitrary precision, in units of the last place.

    NaN must meet NaN; a number too large must be infinite. What is not so counts as infinitely far.
    """
    worst = 0.0
    bits, least = MANTISSA_BITS[kind], LEAST_EXPONENT[kind]
    for value, wanted in zip(got.tolist(), exact, strict=True):
        if mpmath.isnan(wanted) or math.isnan(value):
            distance = 0.0 if mpmath.isnan(wanted) and math.isnan(value) else math.inf
        elif mpmath.isinf(wanted) or math.isinf(value):
            too_large = abs(wanted) >= LARGEST[kind] and math.isinf(value)
            distance = 0.0 if too_large and (value > 0) == (wanted > 0) else math.inf
        else:
            exponent = max(least, mpmath.frexp(wanted)[1] - bits if wanted else least)
            distance = float(abs(mpmath.mpf(value) - wanted) / mpmath.ldexp(1, exponent))
        worst = max(worst, distance)
    return worst


def round_exactly(value: Fraction, kind: str, mode: str) -> float:
    """Return a float of type `kind` nearest to `value` in rounding mode rn, rz, ru or rd."""
    if value == 0:
        return 0.0
    bits, least = MANTISSA_BITS[kind], LEAST_EXPONENT[kind]
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent
    step = Fraction(2) ** max(least, exponent - bits + 1)
    result, limit = whole_number(value / step, mode) * step, Fraction(LARGEST[kind])
    if abs(result) <= limit:
        return float(result)
    # Toward zero, or up from below, the largest finite number is as far as it goes.
    is_outward = mode == "rn" or ((mode == "ru") == (value > 0) and mode != "rz")
    return (1 if value > 0 else -1) * (math.inf if is_outward else LARGEST[kind])


def ulps(got: Array, exact: Array) -> Array:
    """Return how far f32 numbers are from f64 ones, in units of the last place of f32, element by element.

    Infinite where NaN, infinity or the sign of zero is not as it should be.
    """
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        step = np.maximum(np.ldexp(1.0, np.frexp(np.abs(exact))[1] - 24), 2.0**-149)
        distance = np.abs(got.astype(np.float64) - exact) / step
    ordinary = np.isfinite(rounded) & np.isfinite(got) & ((rounded != 0) | (got != 0))
    same = np.where(np.isnan(rounded), np.isnan(got), (got == rounded) & (np.signbit(got) == np.signbit(rounded)))
    # A result half a unit beyond the largest number may be either.
    near_limit = (np.abs(exact) >= LARGEST["f32"]) & (np.abs(got) >= LARGEST["f32"]) & (np.sign(got) == np.sign(exact))
    return np.asarray(np.where(ordinary, distance, np.where(same | near_limit, 0.0, np.inf)))


def whole_number(value: Fraction, mode: str) -> int:
    """Return `value` as an integer in rounding mode rn, rz, ru or rd."""
    if mode == "rn":
        return round(value)
    return math.trunc(value) if mode == "rz" else math.ceil(value) if mode == "ru" else math.floor(value)


def random(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def spread(low: float, high: float, count: int = 150) -> Array:
    return np.concatenate([np.linspace(low, high, count), random().uniform(low, high, count)])


def sizes(low: float, high: float, count: int = 150) -> Array:
    """Return numbers whose logarithms are spread evenly."""
    return np.exp(random().uniform(math.log(low), math.log(high), count))


def any_floats(kind: str, count: int = 300) -> Array:
    """Return finite floats of all sizes, by their bits, after some that are special."""
    dtype = TYPES[kind]
    bits = random().integers(0, 256, (count, dtype.itemsize), dtype=np.uint8).view(dtype)[:, 0]
    info = np.finfo(dtype)
    special = [0.0, 1.0, -1.0, 1.5, info.max, -info.max, info.tiny, -info.tiny, info.smallest_subnormal, 3.0]
    return np.concatenate([np.array(special, dtype), bits[np.isfinite(bits)]])


def any_integers(kind: str, count: int = 200) -> Array:
    dtype = TYPES[kind]
    info = np.iinfo(dtype)
    special = np.array([0, 1, -1, 2, info.max, info.min, info.max - 1, 1 << 24, (1 << 24) + 1, -(1 << 25) - 1], dtype)
    sizes = random().integers(0, 8 * dtype.itemsize, count).astype(dtype)
    return np.concatenate([special, random().integers(info.min, info.max, count, dtype=dtype) >> sizes])
