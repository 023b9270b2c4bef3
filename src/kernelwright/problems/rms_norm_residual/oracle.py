"""RMS norm of x + residual in float64; the sum is rounded once to the type of the residual, which keeps it."""

from collections.abc import Mapping

from kernelwright.problems.contract import Answers, Value, number, tensor


def oracle(inputs: Mapping[str, Value]) -> Answers:
    """Return `out` and `residual`.

    residual = x + residual; out = residual / sqrt(mean(residual^2) + eps) * weight, from the sum before rounding.
    """
    total = tensor(inputs, "x").double() + tensor(inputs, "residual").double()
    mean_square = total.square().mean(dim=1, keepdim=True)
    normed = total / (mean_square + number(inputs, "eps")).sqrt()
    return {"out": normed * tensor(inputs, "weight").double(), "residual": total}
