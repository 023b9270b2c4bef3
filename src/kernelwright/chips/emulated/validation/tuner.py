"""Validation on measured int8 GEMM timings whose tiles are known."""

from collections.abc import Callable, Sequence

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.profiles.profile import load_profile
from kernelwright.chips.emulated.validation.launches import int8_launch
from kernelwright.chips.emulated.validation.outcome import Outcome, Point, fitted_on
from kernelwright.chips.emulated.validation.rows import CHIPS, GemmRow
from kernelwright.chips.emulated.validation.timing import blocks_of, each, event_time_us, prepare

WORKLOAD = "int8 GEMM"


def validate_rows(rows: Sequence[GemmRow], progress: Callable[[str], None]) -> list[Outcome]:
    """Return an outcome for each chip that `rows` holds, every row timed by the event engine."""
    outcomes = []
    for chip in CHIPS:
        own = [row for row in rows if row.chip == chip]
        if own:
            profile = load_profile(chip)
            times = emulate_rows(own, profile.machine(), progress)
            points = tuple(_point(row, time_us) for row, time_us in zip(own, times, strict=True))
            outcomes.append(Outcome(chip, WORKLOAD, points, fitted_on(profile), "events, stated tile, cold caches"))
    return outcomes


def emulate_rows(rows: Sequence[GemmRow], machine: Machine, progress: Callable[[str], None]) -> list[float]:
    """Return the emulated time of each row on `machine`, in us."""

    def time_us(row: GemmRow) -> float:
        return event_time_us(machine, prepare((int8_launch(row, blocks_of(machine)),), machine.capability))

    return each(rows, time_us, f"{machine.name} int8 GEMM", progress)


def _point(row: GemmRow, time_us: float) -> Point:
    kind = f"{row.block_m}-row tile" if row.states_its_tile else "tile unclear"
    return Point(row.time_us, time_us, (row.n, row.k, row.num_groups), kind)
