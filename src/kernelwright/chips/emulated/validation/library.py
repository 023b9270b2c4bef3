"""Validation on library kernels of GPUs: their tiles are unknown, so a fixed menu of Triton tiles stands for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.profiles.profile import load_profile
from kernelwright.chips.emulated.validation import tables
from kernelwright.chips.emulated.validation.launches import (
    KernelLaunch,
    Tile,
    attention_launch,
    gemm_launches,
    quantise_launch,
)
from kernelwright.chips.emulated.validation.outcome import Outcome, Point, fitted_on
from kernelwright.chips.emulated.validation.statistics import decade, draw_outside, draw_sample
from kernelwright.chips.emulated.validation.timing import each, event_time_us, prepare
from kernelwright.core.errors import CompileError

GEMM_MENU = (
    Tile(256, 128, 64, 8, 3), Tile(128, 256, 64, 8, 3), Tile(128, 128, 64, 8, 3), Tile(128, 64, 64, 4, 4),
    Tile(64, 128, 64, 4, 4), Tile(64, 64, 64, 4, 5), Tile(64, 256, 64, 8, 4), Tile(32, 128, 64, 4, 5),
    Tile(32, 64, 128, 4, 4), Tile(16, 64, 128, 4, 5), Tile(16, 128, 64, 4, 5), Tile(16, 32, 256, 4, 4),
)  # fmt: skip
SPLITS = (2, 4, 8, 16)
ATTENTION_MENU = (Tile(128, 128, 0, 8, 2), Tile(128, 64, 0, 8, 3), Tile(64, 64, 0, 4, 3), Tile(64, 32, 0, 4, 3))
QUANTISE_MENU = (1024, 4096)
# The package's collectors time a GEMM on so many sets of operands in turn, other kernels on one set again and again.
OPERAND_SETS = 6
# Points drawn of each table: a run takes minutes.
GEMM, ATTENTION, MEMORY_BOUND = "bf16 GEMM", "causal prefill attention", "memory-bound kernels"
SAMPLES: Mapping[str, int] = {GEMM: 240, ATTENTION: 60, MEMORY_BOUND: 200}
MOST_WAYS = 4
# Steps of the largest GEMM that is emulated: 87 % of the points are no larger.
MOST_STEPS = 100_000
_LEAST_DEPTH = 256
# For the estimate alone: filling a pipeline, and a launch that sums.
_TILE_CYCLES, _SUM_CYCLES = 1_000, 4_000


# Systems of the tables by chip.
SYSTEMS: Mapping[str, str] = {"a100": "a100_sxm", "h100": "h100_sxm", "h200": "h200_sxm"}


def missing_package() -> str:
    """Return "" if there are tables to validate on, else what is missing and what to do."""
    return tables.missing_package()


def validate_tables(progress: Callable[[str], None], most: int | None = None) -> list[Outcome]:
    """Return outcomes of every chip and table; of each table its `SAMPLES` points, or `most` if that is fewer."""
    found = []
    for chip in SYSTEMS:
        profile = load_profile(chip)
        machine = profile.machine()
        for workload, points in points_of(chip, machine).items():
            chosen = draw_sample(points, min(SAMPLES[workload], most or SAMPLES[workload]))
            timed = each(chosen, partial(Measured.point, machine=machine), f"{chip} {workload}", progress)
            note = f"events, fastest of the menu, {len(chosen)} of {len(points)} points at random"
            found.append(Outcome(chip, workload, tuple(timed), fitted_on(profile), note))
    return found


def points_to_fit(chip: str, machine: Machine, count: int, most_steps: int = MOST_STEPS) -> list["Measured"]:
    """Return `count` GEMM points, the same ones each time, of shapes (N, K) that validation never looks at."""
    points = [point for point in tables.load_gemm_points(SYSTEMS[chip]) if is_small_enough(point)]
    looked_at = draw_sample(points, SAMPLES[GEMM])
    small = [point for point in points if is_small_enough(point, most_steps)]
    chosen = draw_outside(small, looked_at, lambda point: (point.n, point.k), count)
    return [_gemm(point, machine) for point in chosen]


@dataclass(frozen=True)
class Measured:
    """One measurement and the ways in which the emulator may do the same.

    `touched_bytes` are those that the measured calls touch between two on the same operands.
    """

    time_us: float
    shape: tuple[int, ...]
    touched_bytes: int
    ways: Callable[[], Sequence[Sequence[KernelLaunch]]]

    def calls(self, machine: Machine) -> int:
        """Return which call counts: the second, which finds the first one's operands in caches that hold all touched.

        Caches evict what was used least recently, so one byte more than they hold, in turn, and they hold nothing.
        """
        return 2 if self.touched_bytes <= machine.llc_bytes else 1

    def point(self, machine: Machine) -> Point:
        """Return the measurement beside the fastest way on `machine`; a way that the chip does not take is no way."""
        times = []
        refusal: CompileError | None = None
        for launches in self.ways():
            try:
                times.append(event_time_us(machine, prepare(launches, machine.capability), self.calls(machine)))
            except CompileError as error:
                refusal = error
        if not times and refusal is not None:
            raise refusal
        return Point(self.time_us, min(times), self.shape, decade(self.time_us))


def points_of(chip: str, machine: Machine) -> dict[str, list[Measured]]:
    """Return all measurements of a chip's system by workload."""
    system = SYSTEMS[chip]
    found = {
        GEMM: [_gemm(point, machine) for point in tables.load_gemm_points(system) if is_small_enough(point)],
        ATTENTION: [_attention(point) for point in tables.load_attention_points(system)],
    }
    if machine.capability >= 89:
        found[MEMORY_BOUND] = [_quantise(point) for point in tables.load_quantise_points(system)]
    return found


def _gemm(p: tables.GemmPoint, machine: Machine) -> Measured:
    touched = 2 * (OPERAND_SETS * (p.m + p.n) * p.k + p.m * p.n)
    return Measured(p.time_us, (p.n, p.k), touched, lambda: gemm_ways(p.m, p.n, p.k, machine))


def _attention(p: tables.AttentionPoint) -> Measured:
    touched = 4 * 2 * p.batch * p.length * p.heads * tables.HEAD_WIDTH
    return Measured(p.time_us, (p.length,), touched, lambda: attention_ways(p))


def _quantise(p: tables.QuantisePoint) -> Measured:
    return Measured(p.time_us, (p.width,), 3 * p.rows * p.width, lambda: quantise_ways(p))


def gemm_ways(m: int, n: int, k: int, machine: Machine) -> list[tuple[KernelLaunch, ...]]:
    """Return the launches of the tiles of the menu that an estimate finds fastest, as a library's heuristics would."""
    tiles = [
        replace(tile, parts=parts)
        for tile in GEMM_MENU
        for parts in (1, *SPLITS)
        if parts == 1 or (k >= parts * _LEAST_DEPTH and -(-m // tile.m) * -(-n // tile.n) <= machine.units)
    ]
    tiles.sort(key=lambda tile: estimate_cycles(m, n, k, tile, machine))
    return [gemm_launches(m, n, k, tile) for tile in tiles[:MOST_WAYS]]


def estimate_cycles(m: int, n: int, k: int, tile: Tile, machine: Machine) -> float:
    """Return about how long a unit is busy: rounds of tiles, each bound by products or by what it takes in.

    A split adds its sums, written and read once in f32. Nothing here reaches an emulated time.
    """
    blocks = -(-m // tile.m) * -(-n // tile.n) * tile.parts
    depth = -(-k // (tile.k * tile.parts)) * tile.k
    products = 2 * tile.m * tile.n * depth / machine.dot_flops["bf16"]
    taken = (tile.m + tile.n) * depth * 2 / machine.copy_bytes_per_cycle
    sums = 8 * tile.parts * m * n / machine.llc_bytes_per_cycle + _SUM_CYCLES if tile.parts > 1 else 0.0
    return -(-blocks // machine.units) * (max(products, taken) + _TILE_CYCLES) + sums


def is_small_enough(point: tables.GemmPoint, most_steps: int = MOST_STEPS) -> bool:
    """Return whether a point can be emulated in about a second: its tiles of 128 x 128 take few enough steps of 64."""
    return -(-point.m // 128) * -(-point.n // 128) * -(-point.k // 64) <= most_steps


def attention_ways(point: tables.AttentionPoint) -> list[tuple[KernelLaunch, ...]]:
    """Return causal attention in every tile of the menu."""
    return [
        (attention_launch(point.batch, point.length, point.heads, point.heads, tables.HEAD_WIDTH, tile),)
        for tile in ATTENTION_MENU
    ]


def quantise_ways(point: tables.QuantisePoint) -> list[tuple[KernelLaunch, ...]]:
    """Return the quantisation in every block size of the menu."""
    return [(quantise_launch(point.rows * point.width, block),) for block in QUANTISE_MENU]
