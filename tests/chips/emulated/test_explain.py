from dataclasses import replace

from kernelwright.chips.emulated.insight.counters import PUBLISHED, launch_counters
from kernelwright.chips.emulated.insight.explain import explain, format_explanation
from kernelwright.chips.emulated.tile_program import DotShape, Kind
from tests.chips.emulated.launch_samples import LAUNCH, MACHINE, PROGRAM, launch_with


def _first(**changes: object) -> str:
    return str(explain(MACHINE, launch_with(**changes))[0])


def test_counters_carry_the_vendors_names() -> None:
    counters = {counter.name: counter for counter in launch_counters(MACHINE, LAUNCH)}
    assert set(counters) >= PUBLISHED
    assert counters["ppu__time_duration.sum"].value == 15000
    assert counters["ce__cycles_active.max"].value == 10000
    assert counters["cu__we_pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed"].value == 30.0
    assert counters["launch__waves_per_cu"].value == 1.25
    assert counters["ce__l2_hit_rate.pct"].value == 50.0
    assert counters["cu__shared_port_wavefronts_per_request.ratio"].value == 2.0
    assert counters["cu__warps_active.avg.pct_of_peak_sustained_active"].value == 25.0
    assert counters["ppu__llc_hit_rate.pct"].standing == "grammar"


def test_waiting_for_copies_asks_for_a_stage_that_fits() -> None:
    assert format_explanation(explain(MACHINE, LAUNCH)) == (
        "emulated: 62% of block time waits on async_wait depth 1; "
        "a third stage needs 160 KB and fits, but leaves 1 instead of 2 blocks on a unit"
    )


def test_a_stage_that_does_not_fit_is_not_recommended() -> None:
    tight = replace(MACHINE, shared_block_bytes=100 * 1024)
    assert "does not fit in 100 KB" in str(explain(tight, LAUNCH)[0])


def test_a_stage_does_not_help_where_memory_is_at_its_peak() -> None:
    roomy = replace(LAUNCH, program=replace(PROGRAM, shared_bytes=32 * 1024))
    busy = replace(roomy, time=replace(roomy.time, busy={"memory": 0.9}, occupancy=replace(roomy.time.occupancy)))
    findings = [str(f) for f in explain(MACHINE, busy) if "async_wait" in f.seen]
    assert findings[0].endswith("memory is already near its peak")


def test_the_launch_floor_is_named_when_it_is_most_of_the_time() -> None:
    assert _first(time_ns=5600).startswith("the launch floor is 5 of 5.6 us")


def test_idle_units_are_counted() -> None:
    few = replace(launch_with(waits={}), grid=(2, 1, 1))
    assert str(explain(MACHINE, few)[0]).startswith("2 blocks leave 6 of 8 units idle")


def test_a_tail_wave_is_named() -> None:
    text = " ".join(str(f) for f in explain(MACHINE, LAUNCH))
    assert "1.25 waves" in text and "38%" in text


def test_small_tiles_show_the_atoms_they_leave_empty() -> None:
    op = next(op for op in PROGRAM.segments[1].ops if op.kind is Kind.DOT)
    small = replace(op, dot=DotShape(8, 128, 128, 1, 8, "bf16"))
    ops = tuple(small if o is op else o for o in PROGRAM.segments[1].ops)
    program = replace(PROGRAM, segments=(PROGRAM.segments[0], replace(PROGRAM.segments[1], ops=ops)))
    launch = replace(launch_with(busy={"matrix": 0.9}, waits={}), program=program)
    text = " ".join(str(f) for f in explain(MACHINE, launch))
    assert "fills 50% of its 16x16x16 atoms" in text and "f8 at 2 times the rate of bf16" in text


def test_bank_conflicts_are_named_with_their_line() -> None:
    assert "2-way bank conflicts at line 43" in _first(busy={"shared": 0.9}, waits={})


def test_occupancy_advice_follows_the_limiter() -> None:
    text = " ".join(str(f) for f in explain(MACHINE, launch_with(waits={"dependency": 0.5})))
    assert "3 blocks fit when a block takes 85.3 instead of 96 KB" in text


def test_nothing_is_said_where_nothing_stands_out() -> None:
    quiet = replace(launch_with(busy={}, waits={}, time_ns=10**9), grid=(16, 1, 1))
    quiet = replace(quiet, time=replace(quiet.time, occupancy=replace(quiet.time.occupancy, waves=1.0)))
    assert format_explanation(explain(MACHINE, quiet)) == "emulated: no single cause takes 3 % of the time"
