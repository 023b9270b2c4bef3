"""A rough model of a candidate's time from probed rates: it orders what is tried, and is never reported."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kernelwright.engineers.search.architecture import Architecture, Design, Tiles
from kernelwright.engineers.search.pipeline_model import Frozen, pipeline_ns
from kernelwright.engineers.search.pipeline_tuner import starts
from kernelwright.engineers.search.rates import Rates
from kernelwright.engineers.search.regimes import nearest
from kernelwright.engineers.search.scenes import Scene

# A step of a loop costs something even when its tiles are tiny.
_STEP_NS = 300.0
# A merge reads each partial accumulator once more.
_MERGE_BYTES_PER_NS = 5.0

ROWS_CHOICES = (16, 32, 64, 128, 256)
KEYS_CHOICES = (32, 64, 128, 256)
SPLIT_CHOICES = (0, 512, 1024, 2048, 4096)


def tiles_of(design: Design, scene: Scene) -> Tiles:
    """Return the tiles that the candidate's host code picks on `scene`."""
    if not design.architecture.per_regime:
        return design.tiles
    found: Tiles = nearest(scene.key, dict(sorted(design.by_regime.items())), design.tiles)
    return found


def predicted_ns(architecture: Architecture, tiles: Tiles, scene: Scene, rates: Rates) -> float:
    """Return the predicted time of one call on `scene`, in ns: list scheduling of its programs' times."""
    if rates.pipelines is not None:
        return pipeline_ns(architecture, tiles, scene, Frozen(rates.pipelines))
    factor = scene.group if architecture.rows == "group" else 1
    heads = scene.kv_heads if architecture.rows == "group" else scene.heads
    programs: list[float] = []
    for length, cached in zip(scene.lengths, scene.prefixes, strict=True):
        live = -(-length * factor // tiles.block_rows)
        for tile in range(live):
            programs += _pieces(architecture, tiles, scene, rates, (tile, length, cached, factor))
        if architecture.grid == "padded":
            dead = -(-max(scene.lengths) * factor // tiles.block_rows) - live
            programs += [_keys_ns(architecture, tiles, scene, rates, cached, length)] * dead
    if architecture.grid == "table":
        programs.sort(reverse=True)
    return rates.launch_ns + _makespan(programs, heads, rates)


def best_tiles(architecture: Architecture, scene: Scene, rates: Rates) -> Tiles:
    """Return the tiles with the least predicted time on `scene`."""
    if rates.pipelines is not None:
        return next(iter(starts(architecture, [scene], Frozen(rates.pipelines))), Tiles(16, 32, 32, 32))
    choices = (architecture.relevant(tiles) for tiles in _choices(architecture, scene))
    return min(choices, key=lambda t: predicted_ns(architecture, t, scene, rates))


def best_common_tiles(architecture: Architecture, scenes: Sequence[Scene], rates: Rates) -> Tiles:
    """Return the tiles with the least geometric mean of predicted times over `scenes`."""
    if rates.pipelines is not None:
        return architecture.relevant(Tiles(stages=3))
    space = [architecture.relevant(Tiles(m, n, n, n)) for m in ROWS_CHOICES for n in KEYS_CHOICES]
    return min(space, key=lambda t: sum(math.log(predicted_ns(architecture, t, s, rates)) for s in scenes))


def predicted_gain(old: Design, new: Design, scenes: Sequence[Scene], rates: Rates) -> float:
    """Return how many times faster `new` should be than `old`, geometric mean over `scenes`."""
    logs = [
        math.log(predicted_ns(old.architecture, tiles_of(old, s), s, rates))
        - math.log(predicted_ns(new.architecture, tiles_of(new, s), s, rates))
        for s in scenes
    ]
    return math.exp(sum(logs) / max(1, len(logs)))


def _choices(architecture: Architecture, scene: Scene) -> Iterator[Tiles]:
    longest = max(scene.prefixes)
    splits = [s for s in SPLIT_CHOICES if s < longest] if architecture.prefix == "split" else []
    for rows in ROWS_CHOICES:
        for keys in KEYS_CHOICES:
            new = min(keys, rows)
            for edge in sorted({min(new, 16), min(new, 32), new}) if architecture.loops == "apart" else [new]:
                plain = Tiles(block_rows=rows, block_keys=keys, block_new=new, block_edge=edge)
                yield plain
                yield from (replace(plain, split_keys=split) for split in splits if split >= keys)


def _pieces(
    architecture: Architecture, tiles: Tiles, scene: Scene, rates: Rates, place: tuple[int, int, int, int]
) -> list[float]:
    tile, length, cached, factor = place
    first_token = tile * tiles.block_rows // factor
    last_token = min(length - 1, (tile * tiles.block_rows + tiles.block_rows - 1) // factor)
    new = last_token + 1 if scene.causal else length
    if scene.window >= 0:
        cached = min(cached, max(0, last_token - first_token + scene.window))
        new = min(new, last_token - first_token + scene.window + 1)
    step = tiles.split_keys if tiles.split_keys and architecture.prefix == "split" else cached
    pieces = [min(step, cached - at) for at in range(0, cached, step)] if cached and step else [0]
    merge = len(pieces) * tiles.block_rows * scene.v_width * 4 / _MERGE_BYTES_PER_NS if len(pieces) > 1 else 0.0
    times = [_keys_ns(architecture, tiles, scene, rates, keys, 0) for keys in pieces]
    full = 0
    if architecture.loops == "apart" and scene.window < 0:
        full = (first_token + 1 if scene.causal else new) // tiles.block_new * tiles.block_new
    times[-1] += _keys_ns(architecture, tiles, scene, rates, 0, new, full)
    return [rates.program_ns + merge / len(pieces) + time for time in times]


def _keys_ns(
    architecture: Architecture, tiles: Tiles, scene: Scene, rates: Rates, cached: int, new: int, full: int = 0
) -> float:
    """Return the time of one query tile over `cached` prefix keys and `new` new ones, `full` of them without a mask."""
    rows = tiles.block_rows
    flops_per_key = 2.0 * rows * (scene.qk_width + scene.v_width)
    pointers = rates.dot_by.get("pointers", 1.0) if architecture.key_load == "transposed_pointers" else 1.0
    key_ns = flops_per_key / (rates.dot_rate(rows) * max(pointers, 0.01))
    key_ns += rows * (rates.exp2_ns if architecture.softmax == "exp2" else rates.exp_ns)
    edge = min(tiles.block_edge, tiles.block_new) if architecture.loops == "apart" else tiles.block_new
    steps = -(-cached // tiles.block_keys) + full // tiles.block_new + -(-(new - full) // edge)
    edge_keys = -(-(new - full) // edge) * edge
    cached_keys = -(-cached // tiles.block_keys) * tiles.block_keys
    masked = edge_keys + (min(cached_keys, tiles.block_keys) if architecture.loops == "apart" else cached_keys + full)
    # Each step reads the accumulator, scales it and writes it: about what a mask costs, for each of its elements.
    step_ns = _STEP_NS + rows * scene.v_width * rates.mask_ns
    padded = cached_keys + full + edge_keys
    return padded * key_ns + masked * rows * rates.mask_ns + cached * 2 * rates.row_ns + steps * step_ns


def _makespan(programs: Sequence[float], heads: int, rates: Rates) -> float:
    """Return when the last of `programs` ends, each run for `heads` heads, taken in order by free threads."""
    threads = max(1, round(rates.parallel))
    if threads == 1 or len(programs) * heads > 50 * threads:
        return sum(programs) * heads / max(1.0, rates.parallel)
    free = [0.0] * threads
    for time in programs:
        for _ in range(heads):
            at = free.index(min(free))
            free[at] += time
    return max(free)
