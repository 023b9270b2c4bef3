"""Tiles to try next on a chip with warps and pipelines: the model, corrected by what was measured near by.

Times there repeat to the nanosecond, so one measurement of a point says all; the space has tens of thousands of
points a regime. So points are not drawn: those beside the best so far, and a coarse grid, are ranked by the
predicted time times what measured neighbours missed the prediction by.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from kernelwright.engineers.search.architecture import Architecture, Tiles
from kernelwright.engineers.search.pipeline_model import Frozen, fits, padded, pipeline_ns
from kernelwright.engineers.search.scenes import Scene

ROWS = (16, 32, 64, 128, 256)
KEYS = (16, 32, 64, 128, 256)
SPLITS = (0, 512, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384)
WARPS, STAGES = (1, 2, 4, 8, 16), (1, 2, 3, 4, 5)
_COARSE = {
    "block_rows": ROWS, "warps": (2, 4, 8, 16), "stages": (2, 3),
    "split_keys": (0, 1024, 4096),
}  # fmt: skip
_STEPS = (32, 64, 128)
# How far a measurement speaks for its neighbours, in doublings; how much an unknown point may be better than predicted.
_REACH, _HOPE = 1.2, 0.35
_EXPLORE_EVERY, _TOP = 4, 3
# Bounds on what one proposal weighs: measured points that speak, points that are ranked.
_SPEAKING, _RANKED = 120, 160

Space = Mapping[str, tuple[int, ...]]


def pipeline_space(architecture: Architecture, scenes: Sequence[Scene]) -> dict[str, tuple[int, ...]]:
    """Return the sizes worth trying on `scenes`, all of one regime; only those that the architecture has."""
    group = max(s.group for s in scenes) if architecture.rows == "group" else 1
    keys, new = max(max(s.prefixes) for s in scenes), max(max(s.lengths) for s in scenes)
    space = {
        "block_rows": _up_to(ROWS, new * group),
        "block_keys": _up_to(KEYS[1:], keys),
        "block_new": _up_to(KEYS, new),
        "warps": WARPS,
        "stages": STAGES,
    }
    if architecture.loops == "apart":
        space["block_edge"] = _up_to(KEYS[:4], new)
    if architecture.prefix == "split" and keys > 512 and all(s.window < 0 for s in scenes):
        space["split_keys"] = tuple(s for s in SPLITS if s < keys)
    if architecture.items == "several":
        space["items"] = (1, 2, 4)
    if architecture.key_load == "by_regime":
        space["as_tile"] = (0, 1)
    if architecture.distances == "narrow":
        space |= {"halves": (0, 1), "gathered": (0, 1) if keys and all(s.window < 0 for s in scenes) else (0,)}
    if architecture.order == "by_regime":
        space |= {"tiles_first": (0, 1), "tabled": (0, 1)}
    return space


def starts(architecture: Architecture, scenes: Sequence[Scene], rates: Frozen) -> tuple[Tiles, ...]:
    """Return the points that the model likes best, each of other rows, warps or stages: the first to be measured."""
    return _starts(architecture, tuple(scenes), rates)


@lru_cache(maxsize=1024)
def _starts(architecture: Architecture, scenes: tuple[Scene, ...], rates: Frozen) -> tuple[Tiles, ...]:
    found: dict[tuple[int, int, int], Tiles] = {}
    for tiles in sorted(coarse(architecture, scenes, rates), key=lambda t: predicted(architecture, t, scenes, rates)):
        found.setdefault((tiles.block_rows, tiles.warps, tiles.stages), tiles)
    return tuple(found.values())[:5]


def coarse(architecture: Architecture, scenes: Sequence[Scene], rates: Frozen) -> tuple[Tiles, ...]:
    """Return a thinned grid of points that fit the chip, steps of all kinds equal where they fit."""
    return _coarse(architecture, tuple(scenes), rates)


@lru_cache(maxsize=1024)
def _coarse(architecture: Architecture, scenes: tuple[Scene, ...], rates: Frozen) -> tuple[Tiles, ...]:
    space = pipeline_space(architecture, scenes)
    names = [name for name in _COARSE if name in space]
    sizes = [[size for size in _COARSE[name] if size in space[name]] or [space[name][0]] for name in names]
    steps = _STEPS if any(any(s.prefixes) for s in scenes) else [n for n in _STEPS if n <= space["block_new"][-1]]
    plain = Tiles()
    points = []
    for step, *values in itertools.product(steps, *sizes):
        keys, new, edge = (_at_most(step, space.get(n, (step,))) for n in ("block_keys", "block_new", "block_edge"))
        chosen = dict(zip(names, values, strict=True))
        tiles = replace(plain, block_keys=keys, block_new=new, block_edge=min(edge, new), **chosen)
        tiles = _with_habits(architecture, tiles, scenes)
        points.append(architecture.relevant(tiles))
    return tuple(_fitting(architecture, points, scenes, rates))


def _with_habits(architecture: Architecture, tiles: Tiles, scenes: Sequence[Scene]) -> Tiles:
    """Return `tiles` with what mostly is best: no table where few tiles are dead, sums as wide as tiles are high."""
    width = max(padded(s.v_width) for s in scenes)
    halves = int(width // 2 <= tiles.block_rows < width)
    live = sum(sum(s.lengths) for s in scenes)
    there = sum(len(s.lengths) * max(s.lengths) for s in scenes)
    # Many query tiles would each ask for slots, and convert a pool of another type.
    is_long = all(min(s.lengths) > 16 and any(s.prefixes) and s.window < 0 for s in scenes)
    gathered = int(is_long)
    if architecture.distances == "wide":
        halves = gathered = 0
    return replace(tiles, gathered=gathered, halves=halves, tabled=int(there > 3 * live))


def neighbours(tiles: Tiles, space: Space) -> list[Tiles]:
    """Return the points one step away in one size, and those where keys and stages, or rows and warps, both move."""
    moved = [replace(tiles, **{name: size}) for name in space for size in _beside(getattr(tiles, name), space[name])]
    for one, other in (
        ("block_rows", "warps"),
        ("block_keys", "stages"),
        ("block_new", "stages"),
        ("block_keys", "block_new"),
    ):
        moved += [
            replace(tiles, **{one: a, other: b})
            for a in _beside(getattr(tiles, one), space[one])
            for b in _beside(getattr(tiles, other), space[other])
        ]
    return [t for t in moved if "block_edge" not in space or t.block_edge <= t.block_new]


def propose_tiles(
    architecture: Architecture,
    scenes: Sequence[Scene],
    rates: Frozen,
    measured: Mapping[Tiles, float],
    refused: Iterable[Tiles],
    first: Sequence[Tiles],
) -> Tiles | None:
    """Return tiles not tried yet, or None when every near point was.

    `measured` maps tiles to the logarithm of their speedup, `refused` failed. The answer depends on the arguments
    alone.
    """
    tried = set(measured) | set(refused)
    for tiles in first:
        if tiles not in tried:
            return tiles
    space = pipeline_space(architecture, scenes)
    explores = len(tried) % _EXPLORE_EVERY == _EXPLORE_EVERY - 1
    best = sorted(measured, key=lambda t: -measured[t])[: _TOP if explores else 1]
    near = [point for tiles in best for point in neighbours(tiles, space)]
    if explores or not near:
        near += coarse(architecture, scenes, rates)
    fresh = [t for t in _fitting(architecture, near, scenes, rates) if t not in tried]
    if not fresh and not explores:
        wider = [p for tiles in sorted(measured, key=lambda t: -measured[t])[:8] for p in neighbours(tiles, space)]
        wider += coarse(architecture, scenes, rates)
        fresh = [t for t in _fitting(architecture, wider, scenes, rates) if t not in tried]
    if not fresh:
        return None
    if len(fresh) > _RANKED:
        fresh = sorted(fresh, key=lambda t: predicted(architecture, t, scenes, rates))[:_RANKED]
    guess = _Correction(architecture, scenes, rates, measured, space)
    hope = _HOPE if explores else 0.5 * _HOPE
    return min(fresh, key=lambda t: guess.log_ns(t, hope))


def predicted(architecture: Architecture, tiles: Tiles, scenes: Sequence[Scene], rates: Frozen) -> float:
    """Return the mean logarithm of the predicted times of `scenes`, in ns."""
    return sum(math.log(pipeline_ns(architecture, tiles, s, rates)) for s in scenes) / len(scenes)


class _Correction:
    """How far the model was off near a point, weighed by distance."""

    def __init__(
        self,
        architecture: Architecture,
        scenes: Sequence[Scene],
        rates: Frozen,
        measured: Mapping[Tiles, float],
        space: Space,
    ) -> None:
        self._at = (architecture, scenes, rates)
        self._names = tuple(space)
        best = sorted(measured, key=lambda t: -measured[t])[: _SPEAKING // 2]
        heard = dict.fromkeys([*best, *list(measured)[-_SPEAKING // 2 :]])
        missed = [(tiles, -measured[tiles] - self._model(tiles)) for tiles in heard]
        mean = sum(error for _, error in missed) / len(missed) if missed else 0.0
        self._missed = [(self._place(tiles), error - mean) for tiles, error in missed]

    def log_ns(self, tiles: Tiles, hope: float) -> float:
        """Return the expected logarithm of time, up to a constant, less `hope` where nothing near was measured."""
        place = self._place(tiles)
        weight = total = 0.0
        for other, error in self._missed:
            far = sum((a - b) ** 2 for a, b in zip(place, other, strict=True))
            near = math.exp(-far / (2 * _REACH**2))
            weight += near
            total += near * error
        return self._model(tiles) + total / (weight + 0.15) - hope / math.sqrt(1.0 + 4.0 * weight)

    def _model(self, tiles: Tiles) -> float:
        architecture, scenes, rates = self._at
        return predicted(architecture, tiles, scenes, rates)

    def _place(self, tiles: Tiles) -> tuple[float, ...]:
        return tuple(math.log2(getattr(tiles, name) + 1) for name in self._names)


def _fitting(
    architecture: Architecture, points: Iterable[Tiles], scenes: Sequence[Scene], rates: Frozen
) -> list[Tiles]:
    return [t for t in dict.fromkeys(points) if all(fits(architecture, t, s, rates.of) for s in scenes)]


def _at_most(size: int, sizes: Sequence[int]) -> int:
    return max((s for s in sizes if s <= size), default=sizes[0])


def _beside(size: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    if size not in sizes:
        return sizes[-1:]
    at = sizes.index(size)
    return sizes[max(0, at - 1) : at] + sizes[at + 1 : at + 2]


def _up_to(choices: tuple[int, ...], needed: int) -> tuple[int, ...]:
    """Return the choices that are not larger than the first that covers `needed`."""
    cover = next((c for c in choices if c >= needed), choices[-1])
    return tuple(c for c in choices if c <= cover)
