"""Tiles to try next, regime by regime: optuna proposes, one evaluation answers for all regimes at once."""

import itertools
import math
import random
import zlib
from collections.abc import Iterable, Mapping, Sequence

import optuna
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial

from kernelwright.engineers.search.architecture import Architecture, Tiles
from kernelwright.engineers.search.predict import KEYS_CHOICES, ROWS_CHOICES, SPLIT_CHOICES, best_tiles
from kernelwright.engineers.search.rates import Rates
from kernelwright.engineers.search.scenes import Scene

optuna.logging.set_verbosity(optuna.logging.ERROR)

Space = Mapping[str, tuple[int, ...]]
NEW_CHOICES = (16, 32, 64, 128, 256)
EDGE_CHOICES = (16, 32, 64, 128)
ITEM_CHOICES = (1, 2, 4)


def space_of(architecture: Architecture, scenes: Sequence[Scene], rates: Rates) -> dict[str, tuple[int, ...]]:
    """Return the sizes worth trying on `scenes`, all of one regime; only those that the architecture has."""
    group = max(s.group for s in scenes) if architecture.rows == "group" else 1
    rows_needed = max(max(s.lengths) for s in scenes) * group
    keys_needed = max(max(s.prefixes) for s in scenes)
    new_needed = max(max(s.lengths) for s in scenes)
    space = {
        "block_rows": _up_to(ROWS_CHOICES, rows_needed),
        "block_keys": _up_to(KEYS_CHOICES, keys_needed),
        "block_new": _up_to(NEW_CHOICES, new_needed),
    }
    if architecture.loops == "apart":
        space["block_edge"] = _up_to(EDGE_CHOICES, new_needed)
    if architecture.prefix == "split" and keys_needed > 512:
        space["split_keys"] = tuple(s for s in SPLIT_CHOICES if s < keys_needed)
    if architecture.items == "several":
        space["items"] = ITEM_CHOICES
    if rates.has_pipelines():
        space |= {"warps": (2, 4, 8), "stages": (1, 2, 3)}
    return space


def propose(
    space: Space, measured: Mapping[Tiles, float], refused: Iterable[Tiles], first: Sequence[Tiles], seed: str
) -> Tiles | None:
    """Return tiles of `space` not tried yet, or None when all were.

    `measured` maps tiles to what is to be maximised, `refused` failed; `first` are tried before
    anything else. The answer depends on the arguments alone.
    """
    refused = set(refused)
    tried = set(measured) | refused
    open_tiles = [tiles for tiles in all_tiles(space) if tiles not in tried]
    if not open_tiles:
        return None
    for tiles in first:
        near = fit(tiles, space)
        if near in open_tiles:
            return near
    # Turn about: next to the best so far, and where optuna sees promise. It may name a known point again.
    is_local = len(tried) % 2 == 1 and bool(measured)
    aim = (
        max(measured, key=lambda t: measured[t])
        if is_local
        else _ask(space, measured, refused, zlib.crc32(seed.encode()))
    )
    chance = random.Random(seed)
    chance.shuffle(open_tiles)
    return min(open_tiles, key=lambda t: sum(_doublings(_size(t, name), _size(aim, name)) for name in space))


def fit(tiles: Tiles, space: Space) -> Tiles:
    """Return the tiles of `space` nearest to `tiles`, in doublings."""
    return min(all_tiles(space), key=lambda t: sum(_doublings(_size(t, n), _size(tiles, n)) for n in space))


def all_tiles(space: Space) -> tuple[Tiles, ...]:
    """Return every point of `space`; an edge block is never larger than the block it ends."""
    names = list(space)
    points = (Tiles(**dict(zip(names, sizes, strict=True))) for sizes in itertools.product(*space.values()))
    return tuple(t for t in points if "block_edge" not in space or t.block_edge <= t.block_new)


def _doublings(one: int, other: int) -> float:
    return abs(math.log2(one + 1) - math.log2(other + 1))


def first_tiles(architecture: Architecture, scenes: Sequence[Scene], rates: Rates) -> tuple[Tiles, ...]:
    """Return the tiles that the model prefers on each of `scenes`."""
    return tuple(dict.fromkeys(best_tiles(architecture, scene, rates) for scene in scenes))


def _ask(space: Space, measured: Mapping[Tiles, float], refused: set[Tiles], seed: int) -> Tiles:
    # Sizes are given as their place in the list: neighbours there are neighbours for the sampler.
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=4, multivariate=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    shapes = {name: IntDistribution(0, len(sizes) - 1) for name, sizes in space.items()}
    points = set(all_tiles(space))

    def places(tiles: Tiles) -> dict[str, int]:
        return {name: sizes.index(_size(tiles, name)) for name, sizes in space.items()}

    for tiles, value in measured.items():
        if tiles in points:
            study.add_trial(create_trial(params=places(tiles), distributions=dict(shapes), value=value))
    for tiles in sorted(refused & points, key=repr):
        study.add_trial(create_trial(params=places(tiles), distributions=dict(shapes), state=TrialState.FAIL))
    asked = study.ask(dict(shapes))
    return Tiles(**{name: space[name][int(place)] for name, place in asked.params.items()})


def _size(tiles: Tiles, name: str) -> int:
    return int(getattr(tiles, name))


def _up_to(choices: tuple[int, ...], needed: int) -> tuple[int, ...]:
    """Return the choices that are not larger than the first that covers `needed`."""
    cover = next((c for c in choices if c >= needed), choices[-1])
    return tuple(c for c in choices if c <= cover)
