"""Integer arithmetic and conversions: every width, every limit, nothing that ends the process."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
import triton.language as tl

from tests.compiler import maths_kernels
from tests.compiler.array_ops import TYPES, Array, round_exactly, run_op

WIDTHS = (8, 16, 32, 64)
LANES = (0, 32)


def any_integers(bits: int, seed: int = 3, count: int = 300) -> Array:
    """Return integers of all sizes after every pair of limits."""
    dtype = TYPES[f"i{bits}"]
    info = np.iinfo(dtype)
    random = np.random.default_rng(seed)
    sizes = random.integers(0, bits, count).astype(dtype)
    special = np.array([0, 1, -1, 2, -2, 3, 7, info.max, info.min, info.max - 1, info.min + 1], dtype)
    return np.concatenate([special, random.integers(info.min, info.max, count, dtype=dtype, endpoint=True) >> sizes])


def pairs(bits: int) -> tuple[Array, Array]:
    """Return operands: all pairs of limits, then any numbers."""
    special = any_integers(bits)[:11]
    left, right = np.array(np.meshgrid(special, special)).reshape(2, -1)
    return np.concatenate([left, any_integers(bits, 1)]), np.concatenate([right, any_integers(bits, 2)])


def unsigned(values: Array) -> list[int]:
    return [int(v) % 2 ** (8 * values.dtype.itemsize) for v in values]


def wrapped(value: int, bits: int) -> int:
    value %= 2**bits
    return value - 2**bits if value >> (bits - 1) else value


def truncated(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


DIVISIONS: dict[str, tuple[bool, Callable[[int, int], int]]] = {
    "divsi": (True, truncated), "divui": (False, truncated),
    "remsi": (True, lambda a, b: a - truncated(a, b) * b), "remui": (False, lambda a, b: a % b),
}  # fmt: skip


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("name", sorted(DIVISIONS))
def test_division_truncates_and_division_by_zero_gives_some_number(name: str, bits: int, lanes: int) -> None:
    is_signed, function = DIVISIONS[name]
    x, y = pairs(bits)
    got = run_op(f"arith.{name} %0, %1 : {{0}}", [f"i{bits}"] * 2, f"i{bits}", [x, y], lanes)
    seen = (x.tolist(), y.tolist()) if is_signed else (unsigned(x), unsigned(y))
    for a, b, quotient in zip(*seen, got.tolist(), strict=True):
        # The smallest number by -1 wraps; by zero anything goes.
        assert b == 0 or quotient == wrapped(function(a, b), bits)


SHIFTS: dict[str, tuple[bool, Callable[[int, int], int]]] = {
    "shli": (False, lambda a, n: a << min(n, 64)), "shrui": (False, lambda a, n: a >> n),
    "shrsi": (True, lambda a, n: a >> n),
}  # fmt: skip


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("name", sorted(SHIFTS))
def test_shifts_by_the_width_or_more_leave_nothing_but_the_sign(name: str, bits: int, lanes: int) -> None:
    is_signed, function = SHIFTS[name]
    x = any_integers(bits)
    counts = np.resize(np.array([0, 1, 3, bits - 1, bits, bits + 1, 127, -1], x.dtype), x.size)
    got = run_op(f"arith.{name} %0, %1 : {{0}}", [f"i{bits}"] * 2, f"i{bits}", [x, counts], lanes)
    seen = x.tolist() if is_signed else unsigned(x)
    assert got.tolist() == [wrapped(function(a, n), bits) for a, n in zip(seen, unsigned(counts), strict=True)]


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("lanes", LANES)
def test_the_upper_half_of_a_product(bits: int, lanes: int) -> None:
    x, y = pairs(bits)
    got = run_op("tt.mulhiui %0, %1 : {0}", [f"i{bits}"] * 2, f"i{bits}", [x, y], lanes)
    assert unsigned(got) == [a * b >> bits for a, b in zip(unsigned(x), unsigned(y), strict=True)]


@pytest.mark.parametrize("bits", WIDTHS)
def test_smaller_larger_and_absolute_values(bits: int) -> None:
    x, y = pairs(bits)
    kinds = [f"i{bits}"] * 2
    for name, function in (("minsi", min), ("maxsi", max), ("minui", min), ("maxui", max)):
        got = run_op(f"arith.{name} %0, %1 : {{0}}", kinds, f"i{bits}", [x, y])
        seen = (x.tolist(), y.tolist()) if name.endswith("si") else (unsigned(x), unsigned(y))
        assert got.tolist() == [wrapped(function(a, b), bits) for a, b in zip(*seen, strict=True)]
    got = run_op("math.absi %0 : {0}", kinds[:1], f"i{bits}", [x])
    assert got.tolist() == [wrapped(abs(a), bits) for a in x.tolist()]


def floats_of_all_sizes(kind: str) -> Array:
    random = np.random.default_rng(8)
    sizes = random.uniform(0.3, 2, 600) * 2.0 ** random.integers(-2, 66, 600)
    ends = [
        value + step for bits in (7, 8, 15, 16, 31, 32, 63, 64) for value in (2.0**bits,) for step in (-1, -0.5, 0, 1)
    ]
    special = [0, -0.0, 0.5, -0.5, 0.9999, -0.9999, 1.5, -1.5, 300.0, -300.0, 70000.0, np.inf, -np.inf, np.nan]
    values = np.concatenate([special, ends, np.negative(ends), sizes, -sizes])
    with np.errstate(over="ignore"):
        return values.astype(TYPES[kind])


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("kind", ["f16", "f32", "f64"])
@pytest.mark.parametrize("name", ["fptosi", "fptoui"])
def test_floats_truncate_to_integers_and_stop_at_the_limits(name: str, kind: str, bits: int, lanes: int) -> None:
    x = floats_of_all_sizes(kind)
    got = run_op(f"arith.{name} %0 : {{0}} to {{r}}", [kind], f"i{bits}", [x], lanes)
    held = max(32, bits)
    low, high = (-(2 ** (held - 1)), 2 ** (held - 1) - 1) if name == "fptosi" else (0, 2**held - 1)
    wanted = []
    for value in x.tolist():
        limited = 0 if math.isnan(value) else int(min(2.0**70, max(-(2.0**70), value)))
        wanted.append(wrapped(min(high, max(low, limited)), bits))
    assert got.tolist() == wanted


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("kind", ["f16", "bf16", "f32", "f64"])
@pytest.mark.parametrize("name", ["sitofp", "uitofp"])
@pytest.mark.parametrize("lanes", LANES)
def test_integers_become_the_nearest_float(name: str, kind: str, bits: int, lanes: int) -> None:
    x = np.concatenate([any_integers(bits), between_neighbours(kind, bits)])
    got = run_op(f"arith.{name} %0 : {{0}} to {{r}}", [f"i{bits}"], kind, [x], lanes)
    values = (got.astype(np.uint32) << 16).view(np.float32) if kind == "bf16" else got
    seen = x.tolist() if name == "sitofp" else unsigned(x)
    assert values.tolist() == [round_exactly(Fraction(value), kind, "rn") for value in seen]


def between_neighbours(kind: str, bits: int) -> Array:
    """Return integers half way between two floats, and next to them: where rounding twice goes wrong."""
    mantissa = {"f16": 11, "bf16": 8, "f32": 24, "f64": 53}[kind]
    found = [0]
    for size in range(mantissa + 1, bits - 1):
        middle = (1 << size) + (1 << (size - mantissa)) + (1 << max(0, size - mantissa - 1))
        found += [sign * (middle + step) for step in (-1, 0, 1) for sign in (1, -1)]
    return np.array(found, TYPES[f"i{bits}"])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.uint32, torch.uint64])
def test_kernels_convert_floats_to_unsigned_types_and_back(dtype: torch.dtype) -> None:
    limit = float(torch.iinfo(dtype).max)
    x = torch.tensor([0.0, 0.7, 1.5, 200.0, min(limit, 60000.0), -0.9, -0.0, 3.0], dtype=torch.float64)
    x[4] = min(limit, 60000.0)
    out, back = torch.zeros(8, dtype=dtype), torch.zeros(8, dtype=torch.float64)
    maths_kernels.convert[(1,)](x, out, back, 8, BLOCK=8)
    assert back.tolist() == [float(int(value)) for value in x.tolist()]


def test_kernels_divide_up_and_take_high_products() -> None:
    n = 500
    x = torch.randint(-(2**31), 2**31 - 1, (n,), dtype=torch.int32)
    y = torch.randint(1, 1000, (n,), dtype=torch.int32)
    up, high, size = (torch.zeros(n, dtype=torch.int32) for _ in range(3))
    maths_kernels.integer_functions[(2,)](x, y, up, high, size, n, BLOCK=256)
    positive = x.abs().clamp(0, 2**31 - 2000)
    assert torch.equal(up.long(), (positive.long() + y - 1) // y)
    unsigned_x = x.long() % 2**32
    assert torch.equal(high.long() % 2**32, (unsigned_x * y.long()) >> 32)
    assert torch.equal(size, x.abs())


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int32, torch.uint32, torch.int64])
def test_kernels_compare_as_their_types_say(dtype: torch.dtype) -> None:
    info = torch.iinfo(dtype)
    x = torch.tensor([0, 1, info.max, info.min, info.max - 1, 5, 100, info.min], dtype=dtype)
    y = torch.tensor([1, 0, info.min, info.max, info.max, 5, 101, info.min], dtype=dtype)
    least, most = torch.zeros_like(x), torch.zeros_like(x)
    maths_kernels.extremes[(1,)](x, y, least, most, 8, BLOCK=8)
    numbers = list(zip(x.tolist(), y.tolist(), strict=True))
    assert least.tolist() == [min(pair) for pair in numbers]
    assert most.tolist() == [max(pair) for pair in numbers]


def test_functions_of_the_language_take_integers() -> None:
    x = torch.tensor([-5, 5, -(2**31), 0], dtype=torch.int32)
    out = torch.zeros_like(x)
    maths_kernels.apply[(1,)](x, out, 4, FUNCTION=tl.abs, BLOCK=4)
    assert out.tolist() == [5, 5, -(2**31), 0]
