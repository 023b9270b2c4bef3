"""Counters of a launch, named as the vendor's profiler names them: unit__quantity.rollup.submetric.

Five names are the vendor's own (published samples of August 2026), the others follow the same grammar and say so.
ppu is the whole chip, ce the units that share an L2, cu a compute unit, launch what the launch asked for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.result import LaunchTime
from kernelwright.chips.emulated.tile_program import Kind, TileProgram

PUBLISHED = frozenset(
    {
        "ppu__time_duration.sum",
        "ce__cycles_active.max",
        "cu__we_pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed",
        "ppu__dram_throughput.avg.pct_of_peak_sustained_elapsed",
        "launch__waves_per_cu",
    }
)
_OF_PEAK = "avg.pct_of_peak_sustained_elapsed"
# Resource of `LaunchTime.busy` to the counter that shows it.
_PIPES = {
    "matrix": "cu__we_pipe_tensor_cycles_active",
    "lanes": "cu__we_pipe_vector_cycles_active",
    "special": "cu__we_pipe_special_cycles_active",
    "shared": "cu__shared_port_cycles_active",
    "copy": "cu__async_copy_cycles_active",
    "bulk": "cu__aiu_cycles_active",
    "l2": "ce__l2_throughput",
    "llc": "ppu__llc_throughput",
    "memory": "ppu__dram_throughput",
    "dispatch": "ppu__dispatcher_cycles_active",
}


# Counters that say a number of the machine itself, by the field that they tell.
_TELLS: Mapping[str, tuple[str, ...]] = {"ppu__clock_rate.avg": ("clock_hz",)}


@dataclass(frozen=True)
class Counter:
    """One emulated counter; `standing` is published for the vendor's own names, else grammar.

    `tells` are the fields of the profile whose values it says: it is public where all of them are.
    """

    name: str
    value: float
    unit: str
    standing: str
    tells: tuple[str, ...] = ()


@dataclass(frozen=True)
class TimedLaunch:
    """One launch of a plan on a machine: what was lowered, what was launched, what it took."""

    kernel: str
    grid: tuple[int, int, int]
    program: TileProgram
    time: LaunchTime

    @property
    def blocks(self) -> int:
        """Return the number of blocks of the grid."""
        return math.prod(self.grid)


def launch_counters(machine: Machine, launch: TimedLaunch) -> tuple[Counter, ...]:
    """Return the counters of one launch, all computed from what the engine and the lowering give."""
    time, occupancy = launch.time, launch.time.occupancy
    values: list[tuple[str, float, str]] = [
        ("ppu__time_duration.sum", float(time.time_ns), "ns"),
        ("ppu__clock_rate.avg", time.clock_hz / 1e9, "GHz"),
        ("ce__cycles_active.max", time.cycles, "cycle"),
    ]
    values += [
        (f"{counter}.{_OF_PEAK}", 100.0 * time.busy[name], "%") for name, counter in _PIPES.items() if name in time.busy
    ]
    values += _moved(time.bytes)
    values += _work(launch.program)
    values += _launched(machine, launch)
    values += [(f"cu__warps_stalled_{name}.avg.pct", 100.0 * share, "%") for name, share in sorted(time.waits.items())]
    values.append(("launch__waves_per_cu", occupancy.waves, "wave"))
    return tuple(Counter(name, value, unit, _standing(name), _TELLS.get(name, ())) for name, value, unit in values)


def _standing(name: str) -> str:
    return "published" if name in PUBLISHED else "grammar"


def _moved(moved: Mapping[str, float]) -> list[tuple[str, float, str]]:
    """Return bytes by level, and hit rates where the engine counted hits."""
    levels = {"l2": "ce__l2_bytes.sum", "llc": "ppu__llc_bytes.sum", "memory": "ppu__dram_bytes.sum"}
    levels |= {"link": "ppu__die_link_bytes.sum"}
    found = [(counter, moved[level], "byte") for level, counter in levels.items() if level in moved]
    for level, counter in (("l2", "ce__l2_hit_rate.pct"), ("llc", "ppu__llc_hit_rate.pct")):
        share = hit_share(moved, level)
        if share is not None:
            found.append((counter, 100.0 * share, "%"))
    return found


def hit_share(moved: Mapping[str, float], level: str) -> float | None:
    """Return hits over accesses of a cache level by bytes; None where nothing went there or nothing was counted."""
    total, hits = moved.get(level, 0.0), moved.get(f"{level}_hits")
    return None if hits is None or total <= 0.0 else hits / total


def _work(program: TileProgram) -> list[tuple[str, float, str]]:
    """Return what one pass over the segments asks of the shared port: the degree of bank conflicts."""
    plain = conflicted = 0.0
    for segment in program.segments:
        for op in segment.ops:
            if op.kind in (Kind.SHARED_READ, Kind.SHARED_WRITE):
                plain += op.amounts.get("bytes", 0.0)
                conflicted += op.amounts.get("wavefront_bytes", op.amounts.get("bytes", 0.0))
    return [("cu__shared_port_wavefronts_per_request.ratio", conflicted / plain, "")] if plain else []


def _launched(machine: Machine, launch: TimedLaunch) -> list[tuple[str, float, str]]:
    program, held = launch.program, launch.time.occupancy.blocks_per_unit
    warps = held * program.warps
    return [
        ("launch__grid_size", float(launch.blocks), "block"),
        ("launch__block_size", float(program.warps * machine.warp_lanes), "thread"),
        ("launch__registers_per_thread", float(program.registers_per_thread), "register"),
        ("launch__shared_mem_per_block", float(program.shared_bytes), "byte"),
        ("launch__occupancy_blocks_per_cu", float(held), "block"),
        ("cu__warps_active.avg.pct_of_peak_sustained_active", 100.0 * warps / machine.max_warps, "%"),
    ]
