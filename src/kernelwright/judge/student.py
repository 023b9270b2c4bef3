"""Student's distribution, by quadrature."""

import math
from functools import lru_cache

import numpy as np

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)
_STEPS = 60


@lru_cache(maxsize=256)
def student_quantile(chance: float, freedom: float) -> float:
    """Return t with P(T <= t) = `chance`, 0.5 to 1, at `freedom` degrees, a real number from 1.

    With t = sqrt(freedom) tan(u) the density is a power of cos(u), which is smooth on a finite range.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _below(middle, freedom) < chance else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _below(angle: float, freedom: float) -> float:
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    # Beyond this angle the integrand is nothing at many degrees, and nodes would be wasted on it.
    end = min(angle, 12 / math.sqrt(freedom))
    angles = end * (_NODES + 1) / 2
    return 0.5 + scale * end / 2 * float(_WEIGHTS @ np.cos(angles) ** (freedom - 1))
