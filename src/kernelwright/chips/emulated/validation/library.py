"""Validation on library kernels of GPUs: their tiles are unknown, so a fixed menu of Triton tiles stands for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.profiles.profile import Profile, load_profile
from kernelwright.chips.emulated.validation import tables
from kernelwright.chips.emulated.validation.launches import (
    KernelLaunch,
    Tile,
    attention_launch,
    gemm_launches,
    quantise_launch,
)
from kernelwright.chips.emulated.validation.outcome import Outcome, Point, fitted_on
from kernelwright.chips.emulated.validation.statistics import decade, draw_sample
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
# Calls emulated, the last one counts. The tables' means are nearer to calls that find cold caches than to warm ones.
CALLS = 1
SAMPLE = 400
MOST_WAYS = 4
# Steps of the largest GEMM that is emulated: 87 % of the points are no larger.
MOST_STEPS = 100_000
_LEAST_DEPTH = 256
# For the estimate alone: filling a pipeline, and a launch that sums.
_TILE_CYCLES, _SUM_CYCLES = 1_000, 4_000


@dataclass(frozen=True)
class Anchor:
    """One system of the tables and the profile that stands for it, with facts of the system that the profile lacks."""

    chip: str
    system: str
    profile: str
    changed: tuple[tuple[str, float], ...] = ()


# H200 is an H100 with other memory: nothing is fitted on it, its bandwidth is the data sheet's.
ANCHORS = (
    Anchor("a100", "a100_sxm", "a100"),
    Anchor("h100", "h100_sxm", "h100"),
    Anchor("h200", "h200_sxm", "h100", (("memory_bytes_per_s", 4.8e12), ("memory_bytes", 141e9))),
)


def missing_package() -> str:
    """Return "" if there are tables to validate on, else what is missing and what to do."""
    return tables.missing_package()


def validate_tables(progress: Callable[[str], None], sample: int = SAMPLE) -> list[Outcome]:
    """Return outcomes of every anchor; of each table `sample` points, the same random ones each time."""
    found = []
    for anchor in ANCHORS:
        profile = load_profile(anchor.profile)
        machine = machine_of(anchor, profile)
        for workload, points in points_of(anchor, machine).items():
            chosen = draw_sample(points, sample)
            timed = each(chosen, partial(Measured.point, machine=machine), f"{anchor.chip} {workload}", progress)
            note = f"events, fastest of the menu, call {CALLS} of {CALLS}, {len(chosen)} of {len(points)} at random"
            found.append(Outcome(anchor.chip, workload, tuple(timed), fitted_on(profile), note))
    return found


def machine_of(anchor: Anchor, profile: Profile) -> Machine:
    """Return the machine of an anchor."""
    changed = {name: type(getattr(profile.machine(), name))(value) for name, value in anchor.changed}
    return replace(profile.machine(), **changed)


@dataclass(frozen=True)
class Measured:
    """One measurement and the ways in which the emulator may do the same."""

    time_us: float
    shape: tuple[int, ...]
    ways: Callable[[], Sequence[Sequence[KernelLaunch]]]

    def point(self, machine: Machine) -> Point:
        """Return the measurement beside the fastest way on `machine`; a way that the chip does not take is no way."""
        times = []
        refusal: CompileError | None = None
        for launches in self.ways():
            try:
                times.append(event_time_us(machine, prepare(launches, machine.capability), CALLS))
            except CompileError as error:
                refusal = error
        if not times and refusal is not None:
            raise refusal
        return Point(self.time_us, min(times), self.shape, decade(self.time_us))


def points_of(anchor: Anchor, machine: Machine) -> dict[str, list[Measured]]:
    """Return all measurements of a system by workload."""
    found = {
        "bf16 GEMM": [
            Measured(p.time_us, (p.n, p.k), lambda p=p: gemm_ways(p.m, p.n, p.k, machine))  # type: ignore[misc]
            for p in tables.load_gemm_points(anchor.system)
            if is_small_enough(p)
        ],
        "causal prefill attention": [
            Measured(p.time_us, (p.length,), lambda p=p: attention_ways(p))  # type: ignore[misc]
            for p in tables.load_attention_points(anchor.system)
        ],
    }
    if machine.capability >= 89:
        found["memory-bound kernels"] = [
            Measured(p.time_us, (p.width,), lambda p=p: quantise_ways(p))  # type: ignore[misc]
            for p in tables.load_quantise_points(anchor.system)
        ]
    return found


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


def is_small_enough(point: tables.GemmPoint) -> bool:
    """Return whether a point can be emulated in about a second: its tiles of 128 x 128 take few enough steps of 64."""
    return -(-point.m // 128) * -(-point.n // 128) * -(-point.k // 64) <= MOST_STEPS


def attention_ways(point: tables.AttentionPoint) -> list[tuple[KernelLaunch, ...]]:
    """Return causal attention in every tile of the menu; heads of the tables are 128 wide."""
    return [
        (attention_launch(point.batch, point.length, point.heads, point.heads, 128, tile),) for tile in ATTENTION_MENU
    ]


def quantise_ways(point: tables.QuantisePoint) -> list[tuple[KernelLaunch, ...]]:
    """Return the quantisation in every block size of the menu."""
    return [(quantise_launch(point.rows * point.width, block),) for block in QUANTISE_MENU]
