"""Generated code equals float64, whatever the sizes, strides and types."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compiler import property_kernels as kernels

FEW = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
POWERS = st.sampled_from([1, 2, 4, 8, 16, 32, 64])
FLOATS = st.sampled_from([torch.float32, torch.bfloat16, torch.float16])


def relative_error(got: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((got.double() - wanted).norm() / wanted.norm().clamp_min(1e-30))


@FEW
@given(
    st.integers(1, 33), st.integers(1, 65), st.booleans(), st.booleans(),
    st.sampled_from([torch.float32, torch.bfloat16, torch.int8, torch.int64, torch.float64]),
)  # fmt: skip
def test_a_masked_copy_reaches_every_element_and_no_other(
    rows: int, columns: int, turned_in: bool, turned_out: bool, dtype: torch.dtype
) -> None:
    x = torch.arange(rows * columns).to(dtype).reshape(rows, columns)
    source = x.t().contiguous().t() if turned_in else x
    out = (
        torch.full((columns + 2, rows + 2), 7, dtype=dtype).t()
        if turned_out
        else torch.full((rows + 2, columns + 2), 7, dtype=dtype)
    )
    kernels.copy_strided[(1,)](source, out, rows, columns, *source.stride(), *out.stride(), M=64, N=128)
    assert torch.equal(out[:rows, :columns], x)
    assert int((out == 7).sum()) >= out.numel() - rows * columns


@FEW
@given(POWERS, POWERS, POWERS, FLOATS, st.booleans(), st.booleans(), st.booleans())
def test_dots_of_any_shape_and_orientation_match(
    m: int, n: int, k: int, dtype: torch.dtype, turn_a: bool, turn_b: bool, start: bool
) -> None:
    torch.manual_seed(m * n + k)
    a, b, c = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype), torch.randn(m, n)
    left = a.t().contiguous().t() if turn_a else a
    right = b.t().contiguous().t() if turn_b else b
    out = torch.empty(m, n)
    kernels.dot[(1,)](left, right, c, out, *left.stride(), *right.stride(), M=m, N=n, K=k, START=start)
    wanted = a.double() @ b.double() + (c.double() * 2 if start else 0)
    assert relative_error(out, wanted) < 2e-6


@FEW
@given(POWERS, POWERS, st.integers(0, 1), st.sampled_from(["sum", "max", "argmin", "xor"]))
def test_reductions_along_either_axis_match(m: int, n: int, axis: int, kind: str) -> None:
    torch.manual_seed(m + n)
    x = torch.randint(-50, 50, (m, n), dtype=torch.int32)
    out = torch.zeros(m if axis else n, dtype=torch.int32)
    kernels.reduce_axis[(1,)](x, out, M=m, N=n, AXIS=axis, KIND=kind)
    if kind == "xor":
        wanted = x.select(axis, 0).clone()
        for i in range(1, x.shape[axis]):
            wanted ^= x.select(axis, i)
    else:
        wanted = {"sum": x.sum(axis), "max": x.amax(axis), "argmin": _first_smallest(x, axis)}[kind]
    assert torch.equal(out.long(), wanted.long())


def _first_smallest(x: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the first position of the smallest element; torch.argmin may return any of equals."""
    is_smallest = x == x.amin(axis, keepdim=True)
    return is_smallest.int().argmax(axis)


@pytest.mark.parametrize("kind", ["exp", "exp2", "sigmoid", "log", "rsqrt"])
def test_functions_are_accurate_over_their_whole_range(kind: str) -> None:
    x = torch.linspace(1e-3, 100, 20001) if kind in ("log", "rsqrt") else torch.linspace(-87, 87, 20001)
    out = torch.empty_like(x)
    kernels.unary[(-(-x.numel() // 256),)](x, out, x.numel(), KIND=kind, BLOCK=256)
    exact = {
        "exp": torch.exp, "exp2": torch.exp2, "sigmoid": torch.sigmoid, "log": torch.log, "rsqrt": torch.rsqrt,
    }[kind](x.double())  # fmt: skip
    worst = ((out.double() - exact).abs() / exact.abs().clamp_min(1e-3 if kind == "log" else 1e-300)).max()
    assert float(worst) < 4e-7


@pytest.mark.parametrize("kind", ["exp", "exp2"])
def test_exponentials_keep_limits_and_nan(kind: str) -> None:
    x = torch.tensor([0.0, -math.inf, math.inf, math.nan, 1000.0, -1000.0, 1.0, -0.0])
    out = torch.empty_like(x)
    kernels.unary[(1,)](x, out, 8, KIND=kind, BLOCK=16)
    wanted = torch.exp(x) if kind == "exp" else torch.exp2(x)
    assert torch.allclose(out, wanted, rtol=1e-6, equal_nan=True)
    assert out[0] == 1.0


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_every_fp8_number_survives_widening_and_rounding(dtype: torch.dtype) -> None:
    every = torch.arange(256, dtype=torch.int32).to(torch.uint8).view(dtype)
    wide = torch.empty(256)
    kernels.unary[(1,)](every, wide, 256, KIND="", BLOCK=256)
    assert torch.equal(wide.isnan(), every.float().isnan())
    assert torch.equal(wide.nan_to_num(), every.float().nan_to_num())
    between = torch.cat([wide[wide.isfinite()] * factor for factor in (1.0, 1.01, 0.97, 1.0625)])
    finite = between[between.abs() <= float(torch.finfo(dtype).max)]
    narrow = torch.empty(finite.numel(), dtype=dtype)
    kernels.unary[(-(-finite.numel() // 256),)](finite, narrow, finite.numel(), KIND="", BLOCK=256)
    assert torch.equal(narrow.float(), finite.to(dtype).float())


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.int64])
def test_integer_division_truncates_and_no_divisor_ends_the_process(dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    limits = torch.iinfo(dtype)
    x = torch.randint(limits.min, limits.max, (512,), dtype=dtype)
    y = torch.randint(-100, 100, (512,), dtype=dtype)
    x[:4], y[:4] = limits.min, torch.tensor([-1, 0, 1, 2], dtype=dtype)
    quotient, rest = torch.zeros_like(x), torch.zeros_like(x)
    kernels.divide[(2,)](x, y, quotient, rest, 512, BLOCK=256)
    fine = (y != 0) & ~((x == limits.min) & (y == -1))
    wanted = torch.div(x[fine], y[fine], rounding_mode="trunc")
    assert torch.equal(quotient[fine], wanted)
    assert torch.equal(rest[fine], x[fine] - wanted * y[fine])


def test_values_that_change_places_in_a_loop_keep_their_meaning() -> None:
    x = torch.arange(128, dtype=torch.float32).reshape(2, 64)
    for rounds in (0, 1, 2, 5):
        out = torch.empty(3, 64)
        kernels.fibonacci_rows[(1,)](x, out, rounds, N=64)
        a, b, total = x[0], x[1], torch.zeros(64)
        for _ in range(rounds):
            a, b = b, a + b
            total = total * 0.5 + a
        assert torch.equal(out, torch.stack([a, b, total]))


def test_a_load_through_a_carried_pointer_is_not_moved_behind_a_store_to_the_same_tensor() -> None:
    x, out = torch.arange(128, dtype=torch.float32), torch.empty(128)
    kernels.shift_through[(1,)](x, out, 2, 64, N=64)
    assert torch.equal(out, torch.arange(128, dtype=torch.float32))


@FEW
@given(st.sampled_from([4, 16, 64]), st.sampled_from([8, 32]), st.integers(0, 7))
def test_pointers_that_move_through_a_loop_point_right(m: int, n: int, rounds: int) -> None:
    stride = 7 * n - 3
    x = torch.randn(m + 1, stride)
    out = torch.empty(m, n)
    kernels.moving_pointers[(1,)](x, out, rounds, stride, M=m, N=n)
    padded = torch.cat([x[:m], torch.zeros(m, 3)], 1).double() * torch.arange(7 * n)
    wanted = padded.reshape(m, 7, n)[:, :rounds].sum(1)
    assert torch.allclose(out.double(), wanted, rtol=1e-5, atol=1e-3)


@FEW
@given(st.sampled_from([1, 8, 16, 64]), st.sampled_from([16, 64]), st.sampled_from([16, 64, 256]), FLOATS,
       st.integers(1, 200), st.booleans())  # fmt: skip
def test_attention_tiles_match(m: int, n: int, d: int, dtype: torch.dtype, keys: int, causal: bool) -> None:
    torch.manual_seed(keys)
    q, k, v = torch.randn(m, d).to(dtype), torch.randn(keys, d).to(dtype), torch.randn(keys, d).to(dtype)
    out = torch.empty(m, d)
    scale = 1 / math.sqrt(d)
    kernels.chain[(1,)](q, k, v, out, keys, scale * 1.4426950408889634, M=m, N=n, D=d, CAUSAL=causal)
    scores = q.double() @ k.double().t() * scale
    if causal:
        scores = scores.masked_fill(torch.arange(keys)[None, :] > torch.arange(m)[:, None], -math.inf)
    wanted = scores.softmax(1) @ v.double()
    bound = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 6e-3}[dtype]
    assert relative_error(out, wanted) < bound


@pytest.mark.parametrize("level", ["avx2", "baseline", "avx512"])
def test_code_for_lesser_processors_is_right_too(level: str) -> None:
    environment = os.environ | {"KERNELWRIGHT_CPU_FEATURES": level}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__, "-k",
         "attention or functions or limits or fp8"],
        env=environment, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-2000:]
