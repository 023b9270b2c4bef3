"""Useful work of RMS norm with residual."""

from collections.abc import Mapping
from typing import Any

from kernelwright.core.plan import ELEMENT_BYTES
from kernelwright.core.work import Work


def work(params: Mapping[str, Any]) -> Work:
    """Return the traffic: x and residual read, residual and out written, the weight read once. No dots."""
    element = ELEMENT_BYTES[params.get("dtype", "bf16")]
    return Work(0, "f32", element * (4 * params["rows"] + 1) * params["width"])
