"""Useful work of the matrix product."""

from collections.abc import Mapping
from typing import Any

from kernelwright.core.plan import ELEMENT_BYTES
from kernelwright.core.work import Work


def work(params: Mapping[str, Any]) -> Work:
    """Return 2 m n k operations of dots in the type of the operands; operands and bias read once, c written once."""
    m, n, k, dtype = params["m"], params["n"], params["k"], params.get("dtype", "bf16")
    if m == 0:
        return Work(0, dtype, 0)
    element, out = ELEMENT_BYTES[dtype], ELEMENT_BYTES[params.get("out", dtype)]
    moved = element * (m * k + k * n) + out * m * n + (4 * n if params.get("bias", False) else 0)
    return Work(2 * m * n * k, dtype, moved)
