"""What engineers see of a launch: a vendor's counters, and no number that the profile hides, in any scale."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kernelwright.chips.emulated.insight.counters import TimedLaunch
from kernelwright.chips.emulated.insight.public_view import MOST_LAUNCHES, launch_view, launches_view
from kernelwright.chips.emulated.profiles.drawing import draw_instance
from kernelwright.chips.emulated.profiles.fact import Value
from kernelwright.chips.emulated.profiles.profile import Profile, load_profile
from kernelwright.chips.emulated.result import Occupancy
from kernelwright.chips.emulated.tile_program import DotShape, Kind
from tests.chips.emulated.launch_samples import LAUNCH, PROGRAM, TIME, launch_with

# Odd values for the hidden fields that sentences could tell: none of them can come out of a launch by chance.
ODD: dict[str, Value] = {
    "clock_hz": 1.23457e9, "units": 37, "dies": 1, "fused_off": (), "engines": 11, "registers": 130097,
    "shared_bytes": 201_731, "launch_floor_ns": 4713, "memory_bytes_per_s": 3.91357e12, "memory_efficiency": 0.87319,
    "dot_flops.bf16": 7919.0, "dot_flops.f8": 19013.0, "atoms.bf16": (13, 17, 19), "max_warps": 53,
}  # fmt: skip
PROFILE = load_profile("m890").with_values(ODD)
# Scales that sentences and counters use.
SCALES = (1.0, 1e-3, 1e-6, 1e-9, 1e-12, 1 / 1024, 100.0)


def small_tile() -> TimedLaunch:
    op = next(op for op in PROGRAM.segments[1].ops if op.kind is Kind.DOT)
    small = replace(op, dot=DotShape(8, 128, 128, 1, 8, "bf16"))
    ops = tuple(small if o is op else o for o in PROGRAM.segments[1].ops)
    program = replace(PROGRAM, warps=4, segments=(PROGRAM.segments[0], replace(PROGRAM.segments[1], ops=ops)))
    return replace(launch_with(busy={"matrix": 0.9}, waits={}, occupancy=Occupancy(1, "warps", 0.9)), program=program)


def launches() -> Iterator[TimedLaunch]:
    """Yield launches that between them make every rule speak."""
    yield LAUNCH
    yield launch_with(time_ns=5600)
    yield replace(launch_with(waits={}), grid=(2, 1, 1))
    yield small_tile()
    for limiter in ("shared memory", "registers", "grid", "warps", "blocks"):
        yield launch_with(waits={"dependency": 0.5}, occupancy=Occupancy(2, limiter, 1.25))
    yield launch_with(busy={"shared": 0.9, "memory": 0.9, "lanes": 0.7}, waits={"barrier": 0.3})


def numbers_of(text: str) -> set[float]:
    return {float(found) for found in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?", text)}


def told(profile: Profile, launch: TimedLaunch) -> str:
    return json.dumps(launch_view(profile, profile.machine(), launch))


@pytest.mark.parametrize("launch", list(launches()))
def test_no_number_that_the_profile_hides_is_told_in_any_scale(launch: TimedLaunch) -> None:
    text = told(PROFILE, launch)
    seen = numbers_of(text)
    for name, value in ODD.items():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, int | float) and part > 9:
                near = [s for s in seen for scale in SCALES if abs(s - part * scale) <= 0.004 * part * scale]
                assert not [s for s in near if s >= 10 or s != int(s)], (name, text)
    for word in ("launch floor", "engines", "times the rate", "GHz", "clock"):
        assert word not in text


@pytest.mark.parametrize("field", ["clock_hz", "launch_floor_ns", "units", "engines", "shared_bytes", "registers"])
def test_what_a_profile_makes_public_is_told(field: str) -> None:
    facts = {name: replace(fact, public=fact.public or name == field) for name, fact in PROFILE.facts.items()}
    open_profile = replace(PROFILE, facts=facts)
    hidden = [told(PROFILE, launch) for launch in launches()]
    shown = [told(open_profile, launch) for launch in launches()]
    assert hidden != shown
    if field == "clock_hz":
        assert all("ppu__clock_rate.avg" in text for text in shown)


@pytest.mark.parametrize("profile", [PROFILE, draw_instance(load_profile("m890"), 7)])
def test_a_vendors_counters_are_there(profile: Profile) -> None:
    view = launch_view(profile, profile.machine(), LAUNCH)
    counters = view["counters"]
    assert isinstance(counters, dict)
    assert counters["ppu__time_duration.sum"] == view["time_ns"] == 15000
    assert counters["ce__cycles_active.max"] == 10000
    assert counters["cu__we_pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed"] == 30
    assert counters["ppu__dram_throughput.avg.pct_of_peak_sustained_elapsed"] == 25
    assert counters["ppu__dram_bytes.sum"] == 1_000_000
    assert counters["cu__warps_stalled_copies.avg.pct"] == 62
    assert (counters["launch__waves_per_cu"], view["limiter"], view["blocks_per_unit"]) == (1.25, "shared memory", 2)
    assert "ppu__clock_rate.avg" not in counters
    findings = view["findings"]
    assert isinstance(findings, list) and "62% of block time waits" in findings[0]


def test_findings_keep_their_advice_where_only_the_number_is_hidden() -> None:
    waiting = launch_with(waits={"dependency": 0.5})
    assert "3 blocks fit when a block takes less on-chip memory than 96 KB" in told(PROFILE, waiting)
    assert "2 blocks leave units idle" in told(PROFILE, replace(launch_with(waits={}), grid=(2, 1, 1)))
    assert "the least that any launch takes" in told(PROFILE, launch_with(time_ns=5600))


def test_of_many_launches_the_longest_are_told_in_their_order() -> None:
    many = [replace(LAUNCH, kernel=f"k{n}", time=replace(TIME, time_ns=1000 + n * (-1) ** n)) for n in range(10)]
    view = launches_view(PROFILE, PROFILE.machine(), many)
    shown = view["launches"]
    assert isinstance(shown, list)
    assert [launch["kernel"] for launch in shown] == ["k0", "k1", "k2", "k4", "k6", "k8"]
    assert view["launches_left_out"] == 10 - MOST_LAUNCHES
