"""The rules by which outputs of a folder's problem are compared with its oracle."""

import pytest
import torch

from kernelwright.core.problem import Workload
from kernelwright.problems.agreement import OutputError, check_output, check_outputs
from kernelwright.problems.contract import Inputs
from kernelwright.problems.folder import OutputRule
from kernelwright.problems.storage import tensor_bytes

ROWS = OutputRule(("token", "column"))
HEADS = OutputRule(("token", "head", "column"), group=("head",))
CODES = OutputRule(("token", "column"), kind="codes", most_different=0.05)
KEPT = OutputRule(("slot", "column"), role="inout")


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _checked(rule: OutputRule, got: torch.Tensor, expected: torch.Tensor, before: torch.Tensor | None = None,
             baseline: float | None = None) -> OutputError:  # fmt: skip
    return check_output("out", got, expected, before, rule, baseline)


def test_rounding_to_bf16_passes_and_a_wrong_element_is_named() -> None:
    expected = _normal(16, 32)
    got = expected.bfloat16()
    assert _checked(ROWS, got, expected).wrong is None
    got[3, 5] += 1
    error = _checked(ROWS, got, expected)
    assert error.wrong is not None and error.wrong.place == (("token", 3), ("column", 5))
    assert "first wrong at token 3, column 5 of 'out'" in error.reason


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_never_passes(value: float) -> None:
    expected = _normal(4, 8)
    got = expected.clone()
    got[0, 0] = value
    assert _checked(ROWS, got, expected).wrong is not None


def test_a_small_group_is_not_hidden_by_a_large_one() -> None:
    expected = _normal(64, 2, 16)
    expected[:, 1] *= 0.02
    got = expected.clone()
    got[:, 1] *= 1.05
    assert _checked(OutputRule(HEADS.axes, row_factor=1e9), got, expected).wrong is None
    error = _checked(OutputRule(HEADS.axes, group=("head",), row_factor=1e9), got, expected)
    assert error.wrong is not None and dict(error.wrong.place)["head"] == 1


def test_the_references_own_error_tightens_the_gate() -> None:
    expected = _normal(16, 32)
    got = expected * 1.008
    assert _checked(ROWS, got, expected).wrong is None
    assert _checked(ROWS, got, expected, baseline=1e-3).gate == pytest.approx(6e-3)
    assert _checked(ROWS, got, expected, baseline=1e-3).wrong is not None


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8])
def test_codes_may_be_one_step_off_now_and_then(dtype: torch.dtype) -> None:
    rounded = (_normal(20, 20) * 20).to(dtype)
    expected = rounded.double()
    codes = rounded.clone().view(torch.int8)
    codes[2, 3] += 1
    assert _checked(CODES, codes.view(dtype), expected).wrong is None
    assert _checked(OutputRule(CODES.axes, kind="exact"), codes.view(dtype), expected).wrong is not None
    codes[2, 3] += 3
    far = _checked(CODES, codes.view(dtype), expected)
    assert far.wrong is not None and far.wrong.place == (("token", 2), ("column", 3))
    codes = rounded.clone().view(torch.int8)
    codes[:4] += 1
    assert _checked(CODES, codes.view(dtype), expected).wrong is not None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_what_the_oracle_leaves_open_must_stay_as_it_was_bit_by_bit(dtype: torch.dtype) -> None:
    before = torch.full((6, 4), float("nan")).to(dtype)
    expected = torch.full((6, 4), float("nan"), dtype=torch.float64)
    expected[2] = 1.0
    got = before.clone()
    got.view(torch.uint8)[2] = torch.ones(4).to(dtype).view(torch.uint8)
    assert _checked(KEPT, got, expected, before).wrong is None
    got.view(torch.uint8)[5, 0] ^= 1
    error = _checked(KEPT, got, expected, before)
    assert error.wrong is not None and error.wrong.place == (("slot", 5), ("column", 0))


def test_rows_of_zeros_may_carry_rounding_only() -> None:
    expected = _normal(8, 8)
    expected[3] = 0
    got = expected + 1e-6
    assert _checked(ROWS, got, expected).wrong is None
    got[3] = 0.1
    assert _checked(ROWS, got, expected).wrong is not None


def test_a_relative_gate_holds_for_the_smallest_element_too() -> None:
    rule = OutputRule(("token", "group"), kind="relative", gate=1e-5)
    expected = _normal(8, 8)
    expected[2, 3] = 1e-15
    expected[4, 4] = 0.0
    assert _checked(rule, expected.float(), expected).wrong is None
    got = expected.clone()
    got[2, 3] *= 1.001
    error = _checked(rule, got, expected)
    assert error.wrong is not None and error.wrong.place == (("token", 2), ("group", 3))
    got = expected.clone()
    got[4, 4] = 1e-30
    assert _checked(rule, got, expected).wrong is not None


def test_the_share_of_different_codes_counts_what_is_written_only() -> None:
    rule = OutputRule(("slot", "column"), kind="codes", most_different=0.3, role="inout")
    before = torch.ones(100, 4).to(torch.float8_e4m3fn)
    expected = torch.full((100, 4), float("nan"), dtype=torch.float64)
    expected[7] = 2.0
    got = before.clone()
    got[7] = torch.tensor([2.0, 2.0, 2.0, 2.25]).to(torch.float8_e4m3fn)
    assert _checked(rule, got, expected, before).wrong is None
    got[7] = torch.tensor([2.0, 2.0, 2.25, 2.25]).to(torch.float8_e4m3fn)
    assert _checked(rule, got, expected, before).wrong is not None


def test_memory_between_rows_must_stay_as_it_was() -> None:
    base = _normal(6, 10).bfloat16()
    inputs = Inputs(Workload("w", "r", False), {"q": base[:, :4]}, (), (), ("q",))
    rules = {"q": OutputRule(("token", "column"), role="inout")}
    got = _normal(6, 10, seed=1).bfloat16()
    got[:, 4:] = base[:, 4:]
    expected = {"q": got[:, :4].double()}
    report = check_outputs({"q": bytes(tensor_bytes(got[:, :4]))}, inputs, expected, rules, None)
    assert report.passed, report.reason
    got[3, 7] += 1
    report = check_outputs({"q": bytes(tensor_bytes(got[:, :4]))}, inputs, expected, rules, None)
    assert not report.passed and "memory between its rows" in report.reason


def test_small_rows_may_be_measured_against_their_group() -> None:
    expected = _normal(64, 2, 16)
    expected[:, 1] *= 20
    expected[5] *= 1e-2
    got = expected.clone()
    got[5, 0, 3] += 2e-2
    assert _checked(HEADS, got, expected).wrong is not None
    floored = OutputRule(HEADS.axes, group=("head",), row_floor=1.0)
    assert _checked(floored, got, expected).wrong is None
    got[5, 0, 3] += 2e-1
    error = _checked(floored, got, expected)
    assert error.wrong is not None and dict(error.wrong.place)["token"] == 5
