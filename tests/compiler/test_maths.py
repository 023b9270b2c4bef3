"""Mathematical functions are accurate for every input, in every float type and on every level of processor."""

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
import triton.language as tl
from triton.language.extra.cuda import libdevice

from kernelwright.compiler.features import host_features
from kernelwright.core.errors import RequestError
from tests.compiler import maths_kernels
from tests.compiler.array_ops import Array, run_op, run_symbol, ulps, worst_ulps

Function = Callable[[Any], Any]
# name: the function in f64, and the largest error of the f32 form in ulps
UNARY: dict[str, tuple[Function, float]] = {
    "exp": (np.exp, 1.6), "exp2": (np.exp2, 1.6), "expm1": (np.expm1, 1.5), "log": (np.log, 1), "log2": (np.log2, 1),
    "log10": (np.log10, 1), "log1p": (np.log1p, 1.5), "sin": (np.sin, 1.5), "cos": (np.cos, 1.5), "tan": (np.tan, 2.5),
    "tanh": (np.tanh, 1.3), "erf": (lambda x: torch.erf(torch.from_numpy(x)).numpy(), 1.3),
}  # fmt: skip
LIBRARY_ULPS = 2.5  # of glibc's f32 functions, which lesser processors use
LEVELS = ("avx512", "avx2", "baseline")


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Compile for a level of x86 processors; skip what the host cannot run."""
    monkeypatch.setenv("KERNELWRIGHT_CPU_FEATURES", request.param)
    try:
        host_features()
    except RequestError as error:
        pytest.skip(str(error))
    return str(request.param)


def all_kinds_of_floats(count: int = 100_000) -> Array:
    """Return f32 numbers of any bits, numbers near what functions do not like, and special ones."""
    random = np.random.default_rng(4)
    bits = random.integers(0, 2**32, count, dtype=np.uint32).view(np.float32)
    near = [np.linspace(low, high, count // 4) for low, high in ((-20, 20), (0.5, 2), (-1.2, 1.2), (-110, 110))]
    quarters = np.arange(-2000, 2000) * (math.pi / 4)
    large = random.uniform(-1, 1, 5000) * 2.0 ** random.uniform(15, 34, 5000)
    special = [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        1,
        -1,
        1e-45,
        -1e-45,
        1.17e-38,
        -1e-39,
        3.4e38,
        -3.4e38,
        2.0**30,
        88.7,
    ]
    with np.errstate(invalid="ignore"):  # some of the bits are signalling NaN
        return np.concatenate([special, bits, *near, quarters, large]).astype(np.float32)


def exactly(function: Function, x: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(function(x.astype(np.float64)))


@pytest.mark.parametrize("name", sorted(UNARY))
def test_f32_functions_are_accurate_for_all_kinds_of_floats(name: str, level: str) -> None:
    function, bound = UNARY[name]
    x = all_kinds_of_floats()
    got = run_op(f"math.{name} %0 : {{0}}", ["f32"], "f32", [x], lanes=64)
    limit = max(bound, LIBRARY_ULPS) if level == "baseline" else bound
    assert ulps(got, exactly(function, x)).max() <= limit


def test_powers_are_accurate_for_all_kinds_of_floats(level: str) -> None:
    random = np.random.default_rng(4)
    special = np.array(
        [0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 1e-45, -1e-45, 1e38, -1e38, 16777217, -3.5],
        np.float32,
    )
    pairs = np.array(np.meshgrid(special, special)).reshape(2, -1)
    bits = random.integers(0, 2**32, (2, 50_000), dtype=np.uint32).view(np.float32)
    middle = np.array([np.exp(random.uniform(-60, 60, 50_000)), random.uniform(-3, 3, 50_000)])
    near_1 = np.array([random.uniform(0.5, 2, 50_000), random.uniform(-150, 150, 50_000)])
    whole = np.array([-np.exp(random.uniform(-2, 2, 50_000)), random.integers(-40, 40, 50_000)])
    with np.errstate(invalid="ignore"):  # some of the bits are signalling NaN
        x, y = np.concatenate([pairs, bits, middle, near_1, whole], axis=1).astype(np.float32)
    got = run_op("math.powf %0, %1 : {0}", ["f32", "f32"], "f32", [x, y], lanes=64)
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
    assert ulps(got, exact).max() <= (1 if level == "baseline" else 0.51)


@pytest.mark.parametrize("name", sorted(UNARY))
@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_narrow_floats_are_computed_in_f32_and_rounded_once(name: str, kind: str) -> None:
    function, _ = UNARY[name]
    dtype = torch.float16 if kind == "f16" else torch.bfloat16
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
    bits = every.view(torch.int16).numpy()
    got = run_op(f"math.{name} %0 : {{0}}", [kind], kind, [bits.view(np.float16) if kind == "f16" else bits], lanes=64)
    result = torch.from_numpy(got.view(np.int16).copy()).view(dtype)
    exact = torch.from_numpy(exactly(function, every.double().numpy()))
    wanted = exact.to(torch.float32).to(dtype)
    assert torch.equal(result.isnan(), wanted.isnan())
    differ = ~(result.eq(wanted) | wanted.isnan())
    # Only where f32 falls on the other side of the middle between two numbers.
    assert int(differ.sum()) <= 20
    step = (result.view(torch.int16).int() - wanted.view(torch.int16).int()).abs()
    assert int(torch.where(differ, step, 0).max()) <= 1


@pytest.mark.parametrize("name", sorted(UNARY))
def test_f64_functions_have_the_accuracy_of_the_c_library(name: str) -> None:
    x = np.concatenate([np.linspace(0.01, 30, 200), np.geomspace(1e-8, 600, 100)])
    got = run_op(f"math.{name} %0 : {{0}}", ["f64"], "f64", [x])
    functions = {"exp2": lambda v: mpmath.power(2, v), "log2": lambda v: mpmath.log(v, 2)}
    with mpmath.workdps(50):
        function = functions.get(name) or getattr(mpmath, name)
        assert worst_ulps(got, [function(mpmath.mpf(float(v))) for v in x], "f64") <= 2


@pytest.mark.parametrize(
    "name", ["asin", "acos", "atan", "asinh", "acosh", "atanh", "sinh", "cosh", "cbrt", "sqrt", "floor", "ceil",
             "trunc", "absf", "round", "roundeven", "erfc", "rsqrt"],
)  # fmt: skip
def test_the_rest_of_the_dialect_follows_the_c_library(name: str, level: str) -> None:
    x = all_kinds_of_floats(4000)
    functions: dict[str, Function] = {
        "absf": np.abs, "roundeven": np.rint, "rsqrt": lambda v: 1 / np.sqrt(v),
        "round": lambda v: np.copysign(np.trunc(np.abs(v) + 0.5), v),
        "erfc": lambda v: torch.erfc(torch.from_numpy(v)).numpy(),
        "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh, "acosh": np.arccosh,
        "atanh": np.arctanh,
    }  # fmt: skip
    function = functions.get(name) or getattr(np, name)
    got = run_op(f"math.{name} %0 : {{0}}", ["f32"], "f32", [x])
    assert ulps(got, exactly(function, x)).max() <= 5


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_fused_multiply_add_rounds_once(kind: str, level: str) -> None:
    random = np.random.default_rng(6)
    a, b = (random.uniform(1, 2, 500).astype(np.float32 if kind == "f32" else np.float64) for _ in range(2))
    c = np.negative(np.multiply(a, b))
    got = run_op("math.fma %0, %1, %2 : {0}", [kind] * 3, kind, [a, b, c])
    with mpmath.workdps(80):
        exact = [
            mpmath.mpf(float(x)) * mpmath.mpf(float(y)) - mpmath.mpf(float(x * y)) for x, y in zip(a, b, strict=True)
        ]
    assert worst_ulps(got, exact, kind) == 0


def test_a_lane_far_out_does_not_change_its_neighbours() -> None:
    x = np.linspace(-100, 100, 64, dtype=np.float32)
    far = x.copy()
    far[5::9] = 1e30
    near = np.arange(64) % 9 != 5
    for name in ("sin", "cos", "tan"):
        alone, mixed = (run_symbol(f"__nv_{name}f", ["f32"], "f32", [values]) for values in (x, far))
        assert np.array_equal(alone[near], mixed[near])


# Not exp2: the AVX-512 instruction that takes the whole part off rounds down what is left.
@pytest.mark.parametrize("name", sorted(set(UNARY) - {"exp2"}))
def test_scalars_and_vectors_give_the_same_bits(name: str, level: str) -> None:
    x = all_kinds_of_floats(800)[:1000]
    outcomes = [run_op(f"math.{name} %0 : {{0}}", ["f32"], "f32", [x], lanes) for lanes in (0, 2, 8, 128)]
    for other in outcomes[1:]:
        assert np.array_equal(outcomes[0], other, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "name", ["exp", "exp2", "log", "log2", "sin", "cos", "sqrt", "rsqrt", "erf", "floor", "ceil", "abs"]
)
def test_functions_of_the_language_work_in_kernels(name: str, dtype: torch.dtype) -> None:
    x = torch.rand(1000, dtype=dtype) * 20 + 0.01
    out = torch.empty_like(x)
    maths_kernels.apply[(4,)](x, out, 1000, FUNCTION=getattr(tl.math, name), BLOCK=256)
    wanted = getattr(torch, name)(x.double())
    assert torch.allclose(out.double(), wanted, rtol=3e-7 if dtype == torch.float32 else 1e-15, atol=1e-7)


@pytest.mark.parametrize("name", ["tan", "tanh", "log1p", "expm1", "erfinv", "normcdf", "sinpi", "rcbrt", "j0"])
def test_functions_of_libdevice_work_in_kernels(name: str) -> None:
    x = torch.rand(300) * 0.9 + 0.05
    out = torch.empty_like(x)
    maths_kernels.apply[(2,)](x, out, 300, FUNCTION=getattr(libdevice, name), BLOCK=256)
    functions: dict[str, Function] = {
        "normcdf": torch.special.ndtr, "sinpi": lambda v: torch.sin(v * math.pi), "rcbrt": lambda v: v ** (-1 / 3),
        "j0": torch.special.bessel_j0,
    }  # fmt: skip
    wanted = (functions.get(name) or getattr(torch, name))(x.double())
    assert torch.allclose(out.double(), wanted, rtol=3e-7)


def test_functions_work_inside_of_reductions_and_scans() -> None:
    x = torch.randn(64) * 5
    total, running = torch.empty(1), torch.empty(64)
    maths_kernels.log_sum_exp[(1,)](x, total, running, N=64)
    assert torch.allclose(total.double(), x.double().logsumexp(0), rtol=1e-6)
    assert torch.allclose(running.double(), x.double().logcumsumexp(0), rtol=1e-6)
