"""Few parameters of a profile, moved until emulated times lie near measured ones. NumPy alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
# Below this share of the measurement an error counts as its square, above it as itself: nearly MAPE, yet smooth.
_SMOOTH = 0.04
_NUDGE = 0.05
_STRIDE = 0.4


@dataclass(frozen=True)
class Parameter:
    """A field that the fit may move: where it starts, and between what."""

    name: str
    low: float
    start: float
    high: float


@dataclass(frozen=True)
class Fit:
    """Where a fit ended: values by field, the error in percent there, and how often all points were emulated."""

    values: dict[str, float]
    mape: float
    evaluations: int


def fit(
    parameters: Sequence[Parameter],
    measured: Vector,
    emulate: Callable[[Mapping[str, float]], Vector],
    rounds: int,
) -> Fit:
    """Return the best values found by damped Gauss-Newton steps on logarithms, re-weighted towards absolute errors."""
    here = np.array([np.log(p.start) for p in parameters])
    lows, highs = (np.log([getattr(p, side) for p in parameters]) for side in ("low", "high"))
    count = 0

    def residuals(at: Vector) -> Vector:
        nonlocal count
        count += 1
        return np.log(emulate(_named(parameters, at)) / measured)

    error, damping = residuals(here), 0.1
    for _ in range(rounds):
        slopes = np.empty((len(measured), len(parameters)))
        for column in range(len(parameters)):
            nudge = _NUDGE if here[column] + _NUDGE <= highs[column] else -_NUDGE
            moved = here.copy()
            moved[column] += nudge
            slopes[:, column] = (residuals(moved) - error) / nudge
        better = False
        for _ in range(5):
            there = here + step(slopes, error, damping, (lows - here, highs - here))
            found = residuals(there)
            if _loss(found) < _loss(error):
                here, error, better, damping = there, found, True, damping / 3
                print(f"loss {_loss(error):.4f}", _named(parameters, here), flush=True)
                break
            damping *= 4
        if not better:
            break
    mape = float(100 * np.mean(np.abs(np.expm1(error))))
    return Fit(_named(parameters, here), mape, count)


def step(slopes: Vector, error: Vector, damping: float, room: tuple[Vector, Vector]) -> Vector:
    """Return the move, inside `room` (least, most), that lowers weighted squares of `error` most, held by `damping`.

    What would leave the room goes to its edge, and the others are solved for again.
    """
    weight = 1 / np.maximum(np.abs(error), _SMOOTH)
    least, most = np.maximum(room[0], -_STRIDE), np.minimum(room[1], _STRIDE)
    move, free = np.zeros(slopes.shape[1]), np.ones(slopes.shape[1], bool)
    while free.any():
        part = slopes[:, free]
        normal = part.T @ (weight[:, None] * part)
        normal += damping * np.diag(np.diag(normal)) + 1e-9 * np.eye(len(normal))
        move[free] = -np.linalg.solve(normal, part.T @ (weight * (error + slopes @ np.where(free, 0.0, move))))
        outside = free & ((move < least) | (move > most))
        if not outside.any():
            break
        move[outside] = np.clip(move, least, most)[outside]
        free &= ~outside
    return move


def _loss(error: Vector) -> float:
    size = np.abs(error)
    return float(np.mean(np.where(size < _SMOOTH, (size * size / _SMOOTH + _SMOOTH) / 2, size)))


def _named(parameters: Sequence[Parameter], at: Vector) -> dict[str, float]:
    return {p.name: float(np.exp(value)) for p, value in zip(parameters, at, strict=True)}
