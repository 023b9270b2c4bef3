"""A few kernels that differ in tiles, warps and stages: enough to see how the best one moves with the chip."""

import math
from collections.abc import Sequence

from kernelwright.core.errors import RequestError
from kernelwright.core.problem import Workload
from kernelwright.problems.contract import LoadedProblem, TileConfig, Tuning

# From large tiles with many warps to small ones; each workload takes the nearest of its own space.
_WANTED = (
    TileConfig(128, 64, 8, 2), TileConfig(64, 64, 4, 2), TileConfig(128, 128, 8, 3), TileConfig(64, 128, 4, 3),
    TileConfig(32, 64, 4, 3), TileConfig(16, 128, 4, 3), TileConfig(64, 32, 4, 3), TileConfig(128, 32, 8, 3),
    TileConfig(256, 64, 8, 2), TileConfig(16, 64, 4, 2), TileConfig(64, 256, 8, 2), TileConfig(128, 64, 4, 3),
)  # fmt: skip
MOST = len(_WANTED)


def kernel_set(problem: LoadedProblem, workloads: Sequence[Workload], count: int) -> tuple[tuple[str, str], ...]:
    """Return up to `count` kernels as (label, source), the reference first.

    Tiles come from the problem's tuning space with warps and stages; a problem with an autotuned reference gives that
    one, whose configurations are chosen launch by launch. Raises RequestError where there is neither.
    """
    reference = ("reference", problem.baselines.reference())
    tuning, autotuned = problem.baselines.tuning, problem.baselines.autotuned()
    if tuning is not None:
        return (reference, *_tiles(tuning, workloads, count - 1))
    if autotuned is not None:
        return (reference, ("autotuned", autotuned))
    raise RequestError(f"--tune-kernel needs a problem with tiles to tune, {problem.name} has none")


def _tiles(tuning: Tuning, workloads: Sequence[Workload], count: int) -> list[tuple[str, str]]:
    spaces = {tuning.key(workload): tuning.space(workload, has_warps=True) for workload in workloads}
    found: list[tuple[str, str]] = []
    for wanted in _WANTED[:count]:
        chosen = {key: _nearest(space, wanted) for key, space in spaces.items()}
        found.append((_label(wanted), tuning.source(chosen)))
    return found


def _label(config: TileConfig) -> str:
    return f"{config.block_m}x{config.block_n} w{config.num_warps} s{config.num_stages}"


def _nearest(space: Sequence[TileConfig], wanted: TileConfig) -> TileConfig:
    """Return the configuration of `space` at the smallest distance; sizes count by their ratio, the first of equals."""

    def distance(config: TileConfig) -> float:
        tiles = abs(math.log2(config.block_m / wanted.block_m)) + abs(math.log2(config.block_n / wanted.block_n))
        warps = abs(math.log2(config.num_warps / wanted.num_warps))
        return tiles + warps / 2 + abs(config.num_stages - wanted.num_stages) / 2

    return min(space, key=distance)
