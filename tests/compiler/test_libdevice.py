"""Every function of libdevice gives what the function of that name is."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from triton.language.extra.cuda import libdevice

from kernelwright.compiler.codegen.libdevice import SYMBOLS
from kernelwright.core.errors import UnsupportedOpError
from tests.compiler import maths_kernels
from tests.compiler.array_ops import (
    TYPES,
    Array,
    any_floats,
    any_integers,
    random,
    run_symbol,
    sizes,
    spread,
    worst_ulps,
)

KINDS = {"fp32": "f32", "fp64": "f64", "int32": "i32", "uint32": "i32", "int64": "i64", "uint64": "i64"}
SIGNATURE = re.compile(r'\(((?:\s*core\.dtype\("\w+"\),?)+)\s*\):\s*\(\s*"(__nv_\w+)",\s*core\.dtype\("(\w+)"\)')
SOURCE = Path(libdevice.__file__).read_text()
SIGNATURES = {
    found[2]: (tuple(KINDS[name] for name in re.findall(r'dtype\("(\w+)"\)', found[1])), KINDS[found[3]])
    for found in SIGNATURE.finditer(SOURCE)
}


def test_every_symbol_of_triton_is_known() -> None:
    named = set(re.findall(r'"(__nv_\w+)"', SOURCE))
    assert len(named) > 300
    assert named <= set(SYMBOLS)
    assert len(SIGNATURES) > 290


def sample(kind: str, symbol: str, place: int) -> Array:
    if kind.startswith("i"):
        small = symbol.removesuffix("f").endswith(("jn", "yn", "powi", "ldexp", "scalbn"))
        return any_integers(kind, 40) % 7 if small else any_integers(kind, 40)
    return np.concatenate([random(place).uniform(-3, 3, 34), [0.0, -0.0, np.inf, -np.inf, np.nan, 0.5]]).astype(
        TYPES[kind]
    )


@pytest.mark.parametrize("symbol", sorted(SIGNATURES))
def test_scalars_and_vectors_give_the_same_bits(symbol: str) -> None:
    kinds, result = SIGNATURES[symbol]
    args = [sample(kind, symbol, place) for place, kind in enumerate(kinds)]
    count = min(arg.size for arg in args)
    args = [arg[:count] for arg in args]
    scalars, vectors = (run_symbol(symbol, kinds, result, args, lanes) for lanes in (0, 32))
    assert np.array_equal(scalars, vectors, equal_nan=result.startswith("f"))


# --- functions of real numbers


def erfcx(x: Any) -> Any:
    return mpmath.exp(x * x) * mpmath.erfc(x)


def erfcinv(p: Any) -> Any:
    """Return the inverse of erfc on (0, 2) by Newton's method on its logarithm."""
    if p <= 0 or p >= 2:
        return {0: mpmath.inf, 2: -mpmath.inf}.get(p, mpmath.nan)
    if p > 1:
        return -erfcinv(2 - p)
    y = mpmath.sqrt(-mpmath.log(p)) if p < 0.5 else (1 - p) * mpmath.sqrt(mpmath.pi) / 2
    for _ in range(60):
        scaled = erfcx(y)
        step = (mpmath.log(scaled) - y * y - mpmath.log(p)) / (-2 / (mpmath.sqrt(mpmath.pi) * scaled))
        y -= step
        if abs(step) < mpmath.mpf(10) ** -45:
            break
    return y


def gamma(x: Any) -> Any:
    return mpmath.nan if x < 0 and x == mpmath.floor(x) else mpmath.gamma(x)


def nan_below(limit: float, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: mpmath.nan if x < limit else function(x)


# name: what it is, arguments, largest error of the f64 form in ulps. The C library's own bounds are those that glibc's
# manual lists; near zeros of Bessel functions they do not hold, so the arguments keep away from them.
REAL: dict[str, tuple[Callable[[Any], Any], Array, float]] = {
    "erfcx": (erfcx, np.concatenate([spread(-26, 30), sizes(1e-20, 200)]), 4),
    "normcdf": (lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2, spread(-38, 9), 4),
    "erfinv": (lambda x: erfcinv(1 - x), np.concatenate([spread(-1, 1), 1 - sizes(1e-16, 0.5), sizes(1e-9, 0.1)]), 3),
    "erfcinv": (erfcinv, np.concatenate([spread(0, 2), sizes(1e-300, 0.1), [5e-324, 1e-310, -1, 3]]), 3),
    "normcdfinv": (
        lambda p: -mpmath.sqrt(2) * erfcinv(2 * p), np.concatenate([spread(0, 1), sizes(1e-300, 0.1)]), 4,
    ),
    "cyl_bessel_i0": (lambda x: mpmath.besseli(0, x), np.concatenate([spread(-20, 20), spread(-700, 713)]), 6),
    "cyl_bessel_i1": (lambda x: mpmath.besseli(1, x), np.concatenate([spread(-20, 20), sizes(1e-200, 713)]), 6),
    "sinpi": (mpmath.sinpi, np.concatenate([spread(-4, 4), np.arange(-9, 9) / 4, sizes(1e-300, 1e300)]), 1.1),
    "cospi": (mpmath.cospi, np.concatenate([spread(-4, 4), np.arange(-9, 9) / 4, sizes(1e-300, 1e300)]), 1.1),
    "rcbrt": (lambda x: mpmath.sign(x) / mpmath.cbrt(abs(x)), np.append(sizes(1e-300, 1e300), spread(-5, -1)), 4),
    "rsqrt": (nan_below(0, lambda x: 1 / mpmath.sqrt(x)), np.concatenate([sizes(1e-300, 1e300), spread(-5, -1)]), 2),
    "exp10": (lambda x: mpmath.power(10, x), spread(-300, 300), 2),
    "sinh": (mpmath.sinh, np.concatenate([spread(-700, 700), sizes(1e-20, 1)]), 3),
    "cosh": (mpmath.cosh, spread(-700, 700), 3),
    "asin": (mpmath.asin, spread(-1, 1), 2), "acos": (mpmath.acos, spread(-1, 1), 2),
    "atan": (mpmath.atan, np.concatenate([spread(-5, 5), sizes(1e-20, 1e20)]), 2),
    "asinh": (mpmath.asinh, np.concatenate([spread(-5, 5), sizes(1e-20, 1e20)]), 3),
    "acosh": (nan_below(1, mpmath.acosh), np.concatenate([spread(1, 5), sizes(1e-2, 1e20)]), 3),
    "atanh": (mpmath.atanh, spread(-0.999, 0.999), 3), "cbrt": (mpmath.cbrt, sizes(1e-300, 1e300), 4),
    "erfc": (mpmath.erfc, spread(-5, 26), 5), "lgamma": (lambda x: mpmath.log(abs(gamma(x))), spread(0.1, 100), 4),
    "tgamma": (gamma, np.concatenate([spread(-5.7, 30), [-3.0]]), 6),
    "j0": (lambda x: mpmath.besselj(0, x), spread(-2, 2), 4), "j1": (lambda x: mpmath.besselj(1, x), spread(-3, 3), 4),
    "y0": (nan_below(0, lambda x: mpmath.bessely(0, x)), spread(1.2, 3), 4),
    "y1": (nan_below(0, lambda x: mpmath.bessely(1, x)), spread(0.1, 1.9), 6),
    "log2": (mpmath.log2 if hasattr(mpmath, "log2") else lambda x: mpmath.log(x, 2), sizes(1e-300, 1e300), 2),
}  # fmt: skip
SHARED = ("rsqrt", "erfcinv", "erfinv", "erfcx", "normcdf", "normcdfinv", "cyl_bessel_i0", "cyl_bessel_i1", "sinpi",
          "cospi", "rcbrt", "lgamma", "tgamma", "j0", "j1", "y0", "y1")  # fmt: skip


@pytest.mark.parametrize("name", sorted(REAL))
@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_real_functions_are_accurate(name: str, kind: str) -> None:
    function, values, bound = REAL[name]
    with np.errstate(over="ignore"):
        x = values.astype(TYPES[kind])
    x = x[np.isfinite(x) & (x != 0)]
    got = run_symbol(f"__nv_{name}{'f' if kind == 'f32' else ''}", [kind], kind, [x])
    with mpmath.workdps(60):
        exact = [function(mpmath.mpf(float(value))) for value in x]
        limit = bound if kind == "f64" else 0.51 if name in SHARED else 4.0
        assert worst_ulps(got, exact, kind) <= limit


@pytest.mark.parametrize(
    ("symbol", "at", "wanted"),
    [
        ("erfinv", [-1, 1, 2, 0], [-np.inf, np.inf, np.nan, 0]),
        ("erfcinv", [0, 1, 2, -1], [np.inf, 0, -np.inf, np.nan]),
        ("normcdfinv", [0, 0.5, 1, 2], [-np.inf, 0, np.inf, np.nan]),
        ("normcdf", [-np.inf, 0, np.inf, np.nan], [0, 0.5, 1, np.nan]),
        ("erfcx", [-np.inf, 0, np.inf, np.nan], [np.inf, 1, 0, np.nan]),
        ("cyl_bessel_i0", [-np.inf, 0, np.inf, np.nan], [np.inf, 1, np.inf, np.nan]),
        ("cyl_bessel_i1", [-np.inf, 0, np.inf, np.nan], [-np.inf, 0, np.inf, np.nan]),
        ("sinpi", [-np.inf, -3, np.inf, np.nan], [np.nan, -0.0, np.nan, np.nan]),
        ("cospi", [-np.inf, -3, 0.5, np.nan], [np.nan, -1, 0, np.nan]),
        ("rsqrt", [0, 4, np.inf, np.nan], [np.inf, 0.5, 0, np.nan]),
        ("rint", [0.5, 1.5, -2.5, np.nan], [0, 2, -2, np.nan]),
        ("round", [0.5, 1.5, -2.5, np.inf], [1, 2, -3, np.inf]),
        ("trunc", [0.5, -1.5, 3, np.inf], [0, -1, 3, np.inf]),
        ("logb", [8, 0.1, 0, np.inf], [3, -4, -np.inf, np.inf]),
    ],
)
def test_limits_and_nan(symbol: str, at: list[float], wanted: list[float]) -> None:
    for kind, suffix in (("f32", "f"), ("f64", "")):
        got = run_symbol(f"__nv_{symbol}{suffix}", [kind], kind, [np.array(at, TYPES[kind])])
        assert np.array_equal(got, np.array(wanted, TYPES[kind]), equal_nan=True)
        assert np.array_equal(np.signbit(got)[~np.isnan(got)], np.signbit(wanted)[~np.isnan(got)])


TWO: dict[str, tuple[Callable[..., Any], float]] = {
    "atan2": (mpmath.atan2, 2), "hypot": (mpmath.hypot, 2), "rhypot": (lambda x, y: 1 / mpmath.hypot(x, y), 3),
    "fdim": (lambda x, y: max(x - y, 0), 0.5), "remainder": (lambda x, y: x - y * mpmath.nint(x / y), 0.5),
    "fmod": (lambda x, y: x - y * mpmath.sign(x) * mpmath.floor(abs(x) / abs(y)) * mpmath.sign(y), 0.5),
    "pow": (lambda x, y: mpmath.power(abs(x), y) if x > 0 else mpmath.nan, 1),
    "copysign": (lambda x, y: abs(x) * mpmath.sign(y), 0), "fmax": (max, 0), "fmin": (min, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TWO))
@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_functions_of_two_numbers_are_accurate(name: str, kind: str) -> None:
    function, bound = TWO[name]
    x, y = (random(seed).uniform(-9, 9, 300).astype(TYPES[kind]) for seed in (1, 2))
    got = run_symbol(f"__nv_{name}{'f' if kind == 'f32' else ''}", [kind, kind], kind, [x, y])
    with mpmath.workdps(60):
        exact = [function(mpmath.mpf(float(a)), mpmath.mpf(float(b))) for a, b in zip(x, y, strict=True)]
        assert worst_ulps(got, exact, kind) <= bound


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("inverse", ["", "r"])
@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_lengths_neither_overflow_nor_vanish(count: int, inverse: str, kind: str) -> None:
    scale = 2.0 ** (120 if kind == "f32" else 1015)
    values = [random(seed).uniform(-9, 9, 90) for seed in range(count)]
    args = [np.concatenate([v, v * scale, v / scale]).astype(TYPES[kind]) for v in values]
    symbol = f"__nv_{inverse}norm{count}d{'f' if kind == 'f32' else ''}"
    got = run_symbol(symbol, [kind] * count, kind, args)
    with mpmath.workdps(60):
        exact = [mpmath.norm([mpmath.mpf(float(v)) for v in row]) for row in zip(*args, strict=True)]
        assert worst_ulps(got, [1 / v for v in exact] if inverse else exact, kind) <= 2.5
    infinite = [np.array([np.inf, np.nan], TYPES[kind])] + [np.array([np.nan, 1], TYPES[kind])] * (count - 1)
    got = run_symbol(symbol, [kind] * count, kind, infinite)
    assert got[0] == (0 if inverse else np.inf) and np.isnan(got[1])


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_functions_with_an_integer_argument(kind: str) -> None:
    suffix = "f" if kind == "f32" else ""
    x = random().uniform(0.1, 20, 200).astype(TYPES[kind])
    n = random().integers(0, 6, 200).astype(np.int32)
    with mpmath.workdps(60):
        numbers = [mpmath.mpf(float(v)) for v in x]
        for name, function in (("jn", mpmath.besselj), ("yn", mpmath.bessely)):
            got = run_symbol(f"__nv_{name}{suffix}", ["i32", kind], kind, [n, x])
            exact = [function(int(order), v) for order, v in zip(n, numbers, strict=True)]
            assert np.allclose(got.astype(float), np.array([float(v) for v in exact]), rtol=1e-6, atol=1e-14)
            assert np.isnan(run_symbol(f"__nv_{name}{suffix}", ["i32", kind], kind, [-1 - n, x])).all()
        powers = random().integers(-20, 20, 200).astype(np.int32)
        got = run_symbol(f"__nv_powi{suffix}", [kind, "i32"], kind, [-x, powers])
        exact = [mpmath.power(-v, int(p)) for v, p in zip(numbers, powers, strict=True)]
        assert worst_ulps(got, exact, kind) <= 1
        for name in ("ldexp", "scalbn"):
            got = run_symbol(f"__nv_{name}{suffix}", [kind, "i32"], kind, [x, powers * 60])
            exact = [mpmath.ldexp(v, int(p) * 60) for v, p in zip(numbers, powers, strict=True)]
            assert worst_ulps(got, exact, kind) <= 0.5


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_the_exponent_of_a_number_and_its_neighbours(kind: str) -> None:
    suffix = "f" if kind == "f32" else ""
    x = np.concatenate([any_floats(kind), np.array([np.inf, np.nan], TYPES[kind])])
    got = run_symbol(f"__nv_ilogb{suffix}", [kind], "i32", [x])
    wanted = [math.frexp(float(v))[1] - 1 if v else -(2**31) for v in x[:-2]] + [2**31 - 1, -(2**31)]
    assert got.tolist() == wanted
    toward = np.resize(np.array([np.inf, -np.inf, 0.0], TYPES[kind]), x.size)
    following = run_symbol(f"__nv_nextafter{suffix}", [kind, kind], kind, [x, toward])
    assert np.array_equal(following, np.nextafter(x, toward), equal_nan=True)


# --- bits and integers


def unsigned(x: Array) -> list[int]:
    return [int(v) % 2 ** (8 * x.dtype.itemsize) for v in x]


INTEGER: dict[str, tuple[str, Callable[..., int], bool]] = {
    "mulhi": ("i32", lambda a, b: a * b >> 32, True), "umulhi": ("i32", lambda a, b: a * b >> 32, False),
    "mul64hi": ("i64", lambda a, b: a * b >> 64, True), "umul64hi": ("i64", lambda a, b: a * b >> 64, False),
    "umul24": ("i32", lambda a, b: (a % 2**24) * (b % 2**24), False),
    "mul24": ("i32", lambda a, b: _signed(a, 24) * _signed(b, 24), True),
    "sad": ("i32", lambda a, b, c: abs(a - b) + c, True), "usad": ("i32", lambda a, b, c: abs(a - b) + c, False),
    "hadd": ("i32", lambda a, b: (a + b) >> 1, True), "uhadd": ("i32", lambda a, b: (a + b) >> 1, False),
    "rhadd": ("i32", lambda a, b: (a + b + 1) >> 1, True), "urhadd": ("i32", lambda a, b: (a + b + 1) >> 1, False),
    "abs": ("i32", abs, True), "llabs": ("i64", abs, True),
    "min": ("i32", min, True), "umin": ("i32", min, False), "llmax": ("i64", max, True), "ullmax": ("i64", max, False),
    "brev": ("i32", lambda a: int(f"{a:032b}"[::-1], 2), False),
    "brevll": ("i64", lambda a: int(f"{a:064b}"[::-1], 2), False),
    "byte_perm": ("i32", lambda a, b, s: sum(((b << 32 | a) >> 8 * (s >> 4 * i & 7) & 255) << 8 * i for i in range(4)),
                  False),
    "clz": ("i32", lambda a: 32 - a.bit_length(), False), "clzll": ("i64", lambda a: 64 - a.bit_length(), False),
    "popc": ("i32", int.bit_count, False), "popcll": ("i64", int.bit_count, False),
    "ffs": ("i32", lambda a: (a & -a).bit_length(), False), "ffsll": ("i64", lambda a: (a & -a).bit_length(), False),
}  # fmt: skip


def _signed(value: int, bits: int) -> int:
    value %= 2**bits
    return value - 2**bits if value >> (bits - 1) else value


@pytest.mark.parametrize("name", sorted(INTEGER))
def test_integer_functions(name: str) -> None:
    kind, function, is_signed = INTEGER[name]
    count = {"byte_perm": 3, "sad": 3, "usad": 3}.get(name, 1 if name in ("abs", "llabs") else 2)
    if name.startswith(("clz", "popc", "ffs", "brev")):
        count = 1
    args = [random(seed).permutation(any_integers(kind)) for seed in range(count)]
    result = "i32" if name.startswith(("clz", "popc", "ffs")) else kind
    got = run_symbol(f"__nv_{name}", [kind] * count, result, args)
    seen = [arg.tolist() if is_signed else unsigned(arg) for arg in args]
    bits = 8 * TYPES[result].itemsize
    assert unsigned(got) == [function(*row) % 2**bits for row in zip(*seen, strict=True)]


def test_bits_of_floats() -> None:
    for name, source, target in (
        ("int_as_float", "i32", "f32"), ("uint_as_float", "i32", "f32"), ("float_as_int", "f32", "i32"),
        ("float_as_uint", "f32", "i32"), ("longlong_as_double", "i64", "f64"), ("double_as_longlong", "f64", "i64"),
    ):  # fmt: skip
        x = any_integers(source) if source.startswith("i") else any_floats(source)
        got = run_symbol(f"__nv_{name}", [source], target, [x])
        assert np.array_equal(got.view(TYPES[source]), x)
    doubles = any_floats("f64")
    low = run_symbol("__nv_double2loint", ["f64"], "i32", [doubles])
    high = run_symbol("__nv_double2hiint", ["f64"], "i32", [doubles])
    assert np.array_equal(run_symbol("__nv_hiloint2double", ["i32", "i32"], "f64", [high, low]), doubles)
    assert np.array_equal(high, (doubles.view(np.int64) >> 32).astype(np.int32))


@pytest.mark.parametrize(("kind", "letter"), [("f32", "f"), ("f64", "d")])
def test_predicates_are_one_or_zero(kind: str, letter: str) -> None:
    x = np.concatenate([any_floats(kind), np.array([np.inf, -np.inf, np.nan, -np.nan, -0.0], TYPES[kind])])
    for name, wanted in (("isnan", np.isnan(x)), ("isinf", np.isinf(x)), ("signbit", np.signbit(x))):
        assert np.array_equal(run_symbol(f"__nv_{name}{letter}", [kind], "i32", [x]), wanted.astype(np.int32))
    finite = "__nv_finitef" if kind == "f32" else "__nv_isfinited"
    assert np.array_equal(run_symbol(finite, [kind], "i32", [x]), np.isfinite(x).astype(np.int32))


def test_saturation_and_the_gross_reciprocal() -> None:
    x = np.array([-1, 0.25, 3, np.nan, np.inf, -np.inf], np.float32)
    assert run_symbol("__nv_saturatef", ["f32"], "f32", [x]).tolist() == [0, 0.25, 1, 0, 1, 0]
    y = sizes(1e-200, 1e200)
    got = run_symbol("__nv_rcp64h", ["f64"], "f64", [y])
    assert np.allclose(got, 1 / y, rtol=2e-6)
    assert not (got.view(np.int64) & 0xFFFFFFFF).any()


def test_an_unknown_function_is_refused_by_name_and_line() -> None:
    with pytest.raises(UnsupportedOpError, match=r"^line \d+: external function __nv_nothing is not covered"):
        run_symbol("__nv_nothing", ["f32"], "f32", [np.ones(4, np.float32)])


# --- kernels as users write them


def test_kernels_call_libdevice_on_vectors_and_scalars() -> None:
    x = torch.randn(500) * 3
    out = torch.empty_like(x)
    maths_kernels.gelu_tanh[(2,)](x, out, 500, BLOCK=256)
    assert torch.allclose(out, torch.nn.functional.gelu(x, approximate="tanh"), atol=2e-6)
    codes, scale = torch.empty(500, dtype=torch.int8), torch.empty(1)
    maths_kernels.quantise[(1,)](x, codes, scale, 500, BLOCK=512)
    assert scale.item() == (x.abs().max() / 127).item()
    assert torch.equal(codes, torch.round(x / scale).to(torch.int8))
    count = torch.tensor([3], dtype=torch.int32)
    maths_kernels.mixed[(2,)](x, count, out, 500, BLOCK=256)
    assert torch.allclose(out, x**3 * 8)


def test_predicates_become_masks_in_kernels() -> None:
    x = torch.tensor([1.0, -2.0, math.inf, -math.inf, math.nan, -0.0])
    out = torch.zeros(6, dtype=torch.int32)
    maths_kernels.predicates[(1,)](x, out, 6, BLOCK=8)
    assert out.tolist() == [0, 4, 2, 6, 1, 4]
