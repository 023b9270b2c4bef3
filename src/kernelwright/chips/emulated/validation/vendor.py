"""Two published facts of M890: one GEMM's time, and which tile the vendor's tuner chose for an fp8 GEMM."""

from collections.abc import Sequence
from dataclasses import dataclass

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.profiles.fact import Value
from kernelwright.chips.emulated.profiles.profile import Profile
from kernelwright.chips.emulated.validation.launches import (
    KernelLaunch,
    Tile,
    block_scaled_launch,
    gemm_launches,
)
from kernelwright.chips.emulated.validation.timing import event_time_us, prepare
from kernelwright.core.errors import CompileError

# M, N, K in fp16, its tile, and microseconds: 325.1 TFLOP/s. A calibration point, no validation.
M890_GEMM = (3456, 4096, 4096, Tile(256, 256, 64, 16, 4), 356.775)
# The vendor's choice for N 7168, K 2048 in fp8; for which M it was made is not published.
WINNER = Tile(64, 128, 128, 4, 3)
WINNER_SHAPE = (7168, 2048)
_SIZES = (16, 32, 64, 128, 256)
_MOST_ELEMENTS = 128 * 256


@dataclass(frozen=True)
class Ranked:
    """Tiles of the menu for one M, fastest first, with emulated times in us; `place` of the vendor's winner, from 1."""

    m: int
    tiles: tuple[tuple[Tile, float], ...]
    place: int


def m890_gemm_us(machine: Machine) -> float:
    """Return the emulated time of the published GEMM on `machine`, in us."""
    m, n, k, tile, _ = M890_GEMM
    return event_time_us(machine, prepare(gemm_launches(m, n, k, tile, "f16"), machine.capability))


def m890_gemm_ends_us(profile: Profile, fields: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return the emulated time of the published GEMM at both ends of the range of each of `fields`."""
    found = {}
    for name in fields:
        fact = profile.facts[name]
        assert fact.low is not None and fact.high is not None, name
        ends: list[Value] = [type(fact.value)(end) for end in (fact.low, fact.high)]  # type: ignore[arg-type]
        times = [m890_gemm_us(profile.with_values({name: end}).machine()) for end in ends]
        found[name] = (times[0], times[1])
    return found


def m890_gemm_corners_us(profile: Profile, fields: Sequence[str]) -> tuple[float, float]:
    """Return (least, most) emulated time of the published GEMM, every field at the end that is faster, or slower."""
    corners = []
    for is_least in (True, False):
        values: dict[str, Value] = {}
        for name, (low_us, high_us) in m890_gemm_ends_us(profile, fields).items():
            fact = profile.facts[name]
            end = fact.low if (low_us < high_us) == is_least else fact.high
            values[name] = type(fact.value)(end)  # type: ignore[arg-type]
        corners.append(m890_gemm_us(profile.with_values(values).machine()))
    return corners[0], corners[1]


def tile_menu() -> tuple[Tile, ...]:
    """Return the tiles that tuners of such kernels usually try."""
    return tuple(
        Tile(m, n, 128, warps, stages)
        for m in _SIZES
        for n in _SIZES[1:]
        for warps in (4, 8)
        for stages in (2, 3, 4)
        if m * n <= _MOST_ELEMENTS
    )


def rank_tiles(machine: Machine, m: int) -> Ranked:
    """Return the menu in order of emulated time for M rows; tiles that the chip does not take are left out."""
    times = []
    for tile in tile_menu():
        try:
            launch: KernelLaunch = block_scaled_launch(m, *WINNER_SHAPE, tile)
            times.append((tile, event_time_us(machine, prepare((launch,), machine.capability))))
        except CompileError:
            continue
    times.sort(key=lambda item: item[1])
    own = next(time for tile, time in times if tile == WINNER)
    return Ranked(m, tuple(times), 1 + sum(time < own for _, time in times))
