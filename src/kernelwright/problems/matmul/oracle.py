"""The product in float64; operands are exact there, and nothing is rounded on the way."""

from collections.abc import Mapping

import torch

from kernelwright.problems.contract import Answers, Value, tensor


def oracle(inputs: Mapping[str, Value]) -> Answers:
    """Return `c` = a @ b + bias."""
    product = tensor(inputs, "a").double() @ tensor(inputs, "b").double()
    bias = inputs["bias"]
    return {"c": product + bias.double() if isinstance(bias, torch.Tensor) else product}
