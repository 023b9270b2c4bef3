"""Useful work of the quantised gated layer."""

from collections.abc import Mapping
from typing import Any

from kernelwright.core.plan import ELEMENT_BYTES
from kernelwright.core.work import Work

GROUP = 128


def work(params: Mapping[str, Any]) -> Work:
    """Return the traffic: gate and up read, codes and scales written. One exponential an element, no dots."""
    tokens, width = params["tokens"], params["width"]
    element = ELEMENT_BYTES[params.get("dtype", "bf16")]
    groups = -(-width // GROUP)
    return Work(0, "f32", tokens * (2 * element * width + width + 4 * groups), tokens * width)
