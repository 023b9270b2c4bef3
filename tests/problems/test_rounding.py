"""Rounding to small types, in one step."""

import pytest
import torch

from kernelwright.problems.rounding import BF16, E4M3, SMALL_FLOATS, rounded


@pytest.mark.parametrize("dtype", SMALL_FLOATS, ids=str)
def test_rounding_agrees_with_torch_on_float32_numbers(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    exponents = torch.randint(-20, 8, (20000,), generator=generator)
    values = torch.randn(20000, generator=generator) * 2.0**exponents
    kept = values[values.abs() <= SMALL_FLOATS[dtype].largest]
    assert torch.equal(rounded(kept.double(), SMALL_FLOATS[dtype]), kept.to(dtype).double())


def test_every_number_of_the_type_is_its_own_rounding() -> None:
    codes = torch.arange(256).to(torch.uint8).view(torch.float8_e4m3fn).double()
    numbers = codes[codes.isfinite()]
    assert len(numbers) == 254
    assert torch.equal(rounded(numbers, E4M3), numbers)


def test_ties_go_to_even_and_what_is_too_large_saturates() -> None:
    values = torch.tensor([17.0, 19.0, -17.0, 2.0**-10, 3 * 2.0**-10, 449.0, 1e30, float("-inf"), 0.0])
    expected = torch.tensor([16.0, 20.0, -16.0, 0.0, 2.0**-8, 448.0, 448.0, -448.0, 0.0])
    assert torch.equal(rounded(values.double(), E4M3), expected.double())


def test_nothing_is_rounded_twice() -> None:
    # A little above the middle between 1 and the next number of bf16; float32 would round it to the middle first.
    value = torch.tensor([1 + 2.0**-8 + 2.0**-40], dtype=torch.float64)
    assert rounded(value, BF16).item() == 1 + 2.0**-7
    assert value.float().bfloat16().item() == 1.0
