"""Rounding to small types from float64, in one step: through float32 a number may be rounded twice."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class SmallFloat:
    """A type: bits of its fraction, exponent of its smallest normal number, its largest number."""

    fraction_bits: int
    least_exponent: int
    largest: float


E4M3 = SmallFloat(3, -6, 448.0)
BF16 = SmallFloat(7, -126, torch.finfo(torch.bfloat16).max)
F16 = SmallFloat(10, -14, 65504.0)
SMALL_FLOATS = {torch.float8_e4m3fn: E4M3, torch.bfloat16: BF16, torch.float16: F16}


def rounded(values: torch.Tensor, kind: SmallFloat) -> torch.Tensor:
    """Return `values`, float64, as the nearest numbers of `kind`, ties to even, float64 still.

    What is larger than the largest number becomes that: conversions saturate. NaN stays.
    """
    _, exponent = torch.frexp(values)
    # frexp gives fractions from 0.5 to 1: the leading bit is one below its exponent.
    step = torch.exp2((exponent - 1).clamp_min(kind.least_exponent).double() - kind.fraction_bits)
    return (torch.round(values / step) * step).clamp(-kind.largest, kind.largest)
