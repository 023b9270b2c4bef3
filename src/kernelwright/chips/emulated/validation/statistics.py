"""How far emulated times lie from measured ones."""

import math
import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
_SEED = 890


@dataclass(frozen=True)
class Errors:
    """Absolute errors relative to the measurement, in percent; `bias` has its sign, above 0 the emulator is slower."""

    points: int
    mape: float
    median: float
    p90: float
    worst: float
    bias: float


def errors_of(measured: Sequence[float], emulated: Sequence[float]) -> Errors:
    """Return the errors over pairs of times, which must be at least one; any unit of time."""
    signed = [100 * (other / time - 1) for time, other in zip(measured, emulated, strict=True)]
    sizes = sorted(abs(error) for error in signed)
    return Errors(
        len(sizes),
        math.fsum(sizes) / len(sizes),
        _quantile(sizes, 0.5),
        _quantile(sizes, 0.9),
        sizes[-1],
        math.fsum(signed) / len(signed),
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def errors_by(
    items: Sequence[T], key: Callable[[T], Hashable], times: Callable[[T], tuple[float, float]]
) -> dict[Hashable, Errors]:
    """Return errors by the key of an item, in order of first appearance; `times` gives (measured, emulated)."""
    groups: dict[Hashable, list[tuple[float, float]]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(times(item))
    return {name: errors_of(*zip(*pairs, strict=True)) for name, pairs in groups.items()}


def random_folds(count: int, folds: int, seed: int = 0) -> list[list[int]]:
    """Return `folds` lists of places that share out range(count) at random, the same ones for a seed."""
    places = list(range(count))
    random.Random(seed).shuffle(places)
    return [sorted(places[fold::folds]) for fold in range(folds)]


def folds_by(items: Sequence[T], key: Callable[[T], Hashable]) -> list[list[int]]:
    """Return one list of places for each value of the key, in order of first appearance."""
    groups: dict[Hashable, list[int]] = {}
    for place, item in enumerate(items):
        groups.setdefault(key(item), []).append(place)
    return list(groups.values())


def decade(time_us: float) -> str:
    """Return the size class of a time, such as "30 to 100 us"."""
    edges = (10, 30, 100, 300, 1_000, 10_000)
    for low, high in zip((0, *edges), edges, strict=False):
        if time_us < high:
            return f"{low} to {high} us"
    return f"over {edges[-1]} us"


def draw_sample(points: Sequence[T], count: int) -> list[T]:
    """Return `count` of `points`, in their order, the same random ones each time; all if there are no more."""
    if len(points) <= count:
        return list(points)
    places = sorted(random.Random(_SEED).sample(range(len(points)), count))
    return [points[place] for place in places]


def draw_outside(points: Sequence[T], sample: Sequence[T], key: Callable[[T], Hashable], count: int) -> list[T]:
    """Return `count` of those `points` whose key no point of `sample` has, the same random ones each time."""
    taken = {key(point) for point in sample}
    return draw_sample([point for point in points if key(point) not in taken], count)
