"""libdevice's rounding modes and conversions are exact in every case."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from tests.compiler.array_ops import (
    TYPES,
    any_floats,
    any_integers,
    random,
    round_exactly,
    run_symbol,
    sizes,
    whole_number,
)

MODES = ("rn", "rz", "ru", "rd")
ARITHMETIC: dict[str, Callable[..., Fraction]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "rcp": lambda a: 1 / a, "fma": lambda a, b, c: a * b + c,
    "sqrt": lambda a: Fraction(*_root(a)),
}  # fmt: skip


def _root(value: Fraction) -> tuple[int, int]:
    """Return a square root as a fraction: exact if there is one, else closer than any float to be told apart."""
    scale = 1 << 2400
    scaled = value.numerator * value.denominator * scale * scale
    root = math.isqrt(scaled)
    return (2 * root + (root * root != scaled), 2 * scale * value.denominator)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", sorted(ARITHMETIC))
@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_arithmetic_rounds_exactly_as_asked(kind: str, name: str, mode: str) -> None:
    function = ARITHMETIC[name]
    count = function.__code__.co_argcount
    pool = any_floats(kind)
    pool = pool[pool != 0]
    close = (random(9).uniform(1, 2, pool.size) * 2.0 ** random(8).integers(-20, 20, pool.size)).astype(pool.dtype)
    args = [np.concatenate([random(seed).permutation(pool), random(seed).permutation(close)]) for seed in range(count)]
    if name == "sqrt":
        args = [np.abs(args[0])]
    letter = "f" if kind == "f32" else "d"
    symbol = f"__nv_fma{'f' if kind == 'f32' else ''}_{mode}" if name == "fma" else f"__nv_{letter}{name}_{mode}"
    got = run_symbol(symbol, [kind] * count, kind, args)
    exact = [function(*(Fraction(float(v)) for v in row)) for row in zip(*args, strict=True)]
    wanted = [round_exactly(value, kind, mode) for value in exact]
    assert got.tolist() == wanted


@pytest.mark.parametrize("mode", MODES)
def test_doubles_become_floats_as_asked(mode: str) -> None:
    x = np.concatenate([any_floats("f64"), random().uniform(-9, 9, 200), sizes(1e-50, 1e-30), -sizes(1e30, 1e42)])
    got = run_symbol(f"__nv_double2float_{mode}", ["f64"], "f32", [x])
    assert got.tolist() == [round_exactly(Fraction(float(v)), "f32", mode) for v in x]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("source", ["int", "uint", "ll", "ull"])
@pytest.mark.parametrize("target", ["float", "double"])
def test_integers_become_floats_as_asked(source: str, target: str, mode: str) -> None:
    kind = "i64" if source.endswith("ll") else "i32"
    element = "f32" if target == "float" else "f64"
    x = any_integers(kind)
    got = run_symbol(f"__nv_{source}2{target}_{mode}", [kind], element, [x])
    seen = x.view(f"u{x.dtype.itemsize}") if source.startswith("u") else x
    assert got.tolist() == [round_exactly(Fraction(int(v)), element, mode) for v in seen]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", ["int", "uint", "ll", "ull"])
@pytest.mark.parametrize("source", ["float", "double"])
def test_floats_become_integers_as_asked_and_stop_at_the_limits(source: str, target: str, mode: str) -> None:
    kind, element = ("f32" if source == "float" else "f64"), ("i64" if target.endswith("ll") else "i32")
    half = np.arange(-9, 9) + 0.5
    x = np.concatenate([any_floats(kind), half, sizes(1, 1e20), -sizes(1, 1e20)]).astype(TYPES[kind])
    got = run_symbol(f"__nv_{source}2{target}_{mode}", [kind], element, [x])
    bits = 8 * TYPES[element].itemsize
    low, high = (0, 2**bits - 1) if target.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    wanted = [min(high, max(low, whole_number(Fraction(float(v)), mode))) for v in x]
    assert [int(v) % 2**bits for v in got] == [v % 2**bits for v in wanted]
    nan = run_symbol(f"__nv_{source}2{target}_{mode}", [kind], element, [np.array([np.nan], TYPES[kind])])
    assert int(nan[0]) == (0 if (kind, element) == ("f32", "i32") else -(2 ** (bits - 1)))


@pytest.mark.parametrize(("symbol", "kind"), [("f", "f32"), ("", "f64")])
def test_rounding_to_long_integers(symbol: str, kind: str) -> None:
    x = np.array([0.5, 1.5, -0.5, -2.5, 2.0**40 + 0.5, 1e30, -1e30, 0.49999997], TYPES[kind])
    limit = 2**63
    even = [round(Fraction(float(v))) for v in x]
    away = [math.floor(abs(Fraction(float(v))) + Fraction(1, 2)) * (1 if v > 0 else -1) for v in x]
    for name, wanted in (("llrint", even), ("llround", away)):
        got = run_symbol(f"__nv_{name}{symbol}", [kind], "i64", [x])
        assert got.tolist() == [min(limit - 1, max(-limit, v)) for v in wanted]


def test_the_reciprocal_root_is_rounded_correctly() -> None:
    x = np.concatenate([any_floats("f32", 2000), sizes(1e-40, 1e38, 2000).astype(np.float32)])
    x = np.abs(x[x != 0])
    got = run_symbol("__nv_frsqrt_rn", ["f32"], "f32", [x])
    assert got.tolist() == [round_exactly(1 / Fraction(*_root(Fraction(float(v)))), "f32", "rn") for v in x]
