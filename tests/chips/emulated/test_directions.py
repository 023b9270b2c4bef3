"""Everything that a kernel engineer would try moves emulated time the right way, for the right reason."""

from dataclasses import replace

import numpy as np

from kernelwright.chips.emulated.engine.events import CacheState, PriorityRange, time_launch
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.result import LaunchTime
from kernelwright.chips.emulated.tile_program import Kind, Segment, TileOp
from tests.chips.emulated.hand_written import (
    MACHINE,
    MIB,
    Attention,
    Gemm,
    Stream,
    attention_program,
    attention_trace,
    gemm_program,
    gemm_trace,
    stream_program,
    stream_trace,
)

# Enough ports that products, not on-chip memory, set the time of a well-shaped tile.
WIDE = replace(MACHINE, shared_bytes_per_cycle=1024)


def time_gemm(gemm: Gemm, machine: Machine = MACHINE) -> LaunchTime:
    return time_launch(machine, gemm_program(gemm), gemm_trace(gemm))


def time_stream(stream: Stream, machine: Machine = MACHINE, steps: list[int] | None = None) -> LaunchTime:
    return time_launch(machine, stream_program(stream), stream_trace(stream, steps))


def time_attention(attention: Attention, machine: Machine = MACHINE) -> LaunchTime:
    return time_launch(machine, attention_program(attention), attention_trace(attention))


# Tiles and warps.


def test_larger_tiles_move_fewer_bytes_and_take_less_time() -> None:
    small, large = time_gemm(Gemm(block_m=64, block_n=64, warps=4)), time_gemm(Gemm(block_m=128, block_n=128))
    assert large.bytes["l2"] < 0.6 * small.bytes["l2"]
    assert large.cycles < small.cycles


def test_rows_below_the_atom_are_padded() -> None:
    eight, sixteen = (
        time_gemm(Gemm(m=rows, block_m=rows, block_n=128, warps=4, n=128 * 39)) for rows in (8, 16)
    )  # fmt: skip
    assert eight.energy_pj["matrix"] == sixteen.energy_pj["matrix"]
    assert eight.cycles > 0.9 * sixteen.cycles


def test_warps_beyond_the_tile_repeat_its_work() -> None:
    few, many = (time_gemm(Gemm(block_m=16, block_n=32, warps=warps, m=1024, n=1024)) for warps in (2, 8))
    assert many.energy_pj["matrix"] > 2.0 * few.energy_pj["matrix"]


def test_fewer_warps_than_engines_leave_engines_idle() -> None:
    gemm = Gemm(m=256, n=128 * 39, block_m=256, block_n=128)
    all_engines, half = (time_gemm(replace(gemm, warps=warps, registers=255), WIDE) for warps in (8, 4))
    assert half.cycles > 1.6 * all_engines.cycles


def test_two_blocks_of_four_warps_fill_eight_engines() -> None:
    gemm = Gemm(m=128, n=128 * 39 * 2, block_m=128, block_n=128, warps=4, registers=128)
    one = time_gemm(replace(gemm, n=gemm.n // 2), WIDE)
    two = time_gemm(gemm, WIDE)
    assert two.cycles < 1.25 * one.cycles


# Pipelines, occupancy, registers.


def test_more_stages_hide_latency_where_one_block_runs_alone() -> None:
    machine = replace(WIDE, max_blocks=1)
    times = [time_gemm(Gemm(m=1024, n=1024, stages=stages), machine).cycles for stages in (2, 3, 4)]
    assert times[0] > 1.1 * times[1] > 1.1 * 0.99 * times[2]


def test_more_stages_take_shared_memory_and_so_occupancy() -> None:
    few, many = time_gemm(Gemm(stages=3)), time_gemm(Gemm(stages=8))
    assert many.occupancy.blocks_per_unit < few.occupancy.blocks_per_unit
    assert many.occupancy.limiter == "shared memory"


def test_occupancy_hides_latency_of_plain_loads() -> None:
    stream = Stream(block=1024, warps=4, steps=16, elements=1 << 24)
    full = time_stream(stream)
    starved = time_stream(stream, replace(MACHINE, max_blocks=2))
    assert full.occupancy.limiter == "warps"
    assert starved.cycles > 2.0 * full.cycles


def test_registers_limit_occupancy_and_then_spill() -> None:
    fits, fewer, spills = (time_gemm(Gemm(registers=count, warps=16)) for count in (64, 200, 300))
    assert fits.occupancy.blocks_per_unit > fewer.occupancy.blocks_per_unit
    assert fewer.occupancy.limiter == "registers"
    assert spills.busy["copy"] > fewer.busy["copy"] + 0.05


def test_a_hidden_register_cliff_slows_kernels_above_it_only() -> None:
    machine = replace(WIDE, register_cliff=160, register_cliff_cost=1.5)
    below, above = Gemm(registers=128), Gemm(registers=200)
    assert time_gemm(below, machine).time_ns == time_gemm(below, WIDE).time_ns
    assert time_gemm(above, machine).cycles > 1.2 * time_gemm(above, WIDE).cycles


def test_spills_cost_as_the_chip_says() -> None:
    spilling = Gemm(registers=320)
    assert time_gemm(spilling, replace(MACHINE, spill_cost=4.0)).cycles > 1.2 * time_gemm(spilling).cycles


# Memory access.


def test_narrow_accesses_need_more_requests() -> None:
    wide = Stream(elements=1 << 24, vector_bytes=16)
    assert time_stream(replace(wide, vector_bytes=2)).cycles > 1.5 * time_stream(wide).cycles


def test_strided_accesses_move_whole_sectors() -> None:
    dense = time_stream(Stream(elements=1 << 22, writes=False))
    strided = time_stream(Stream(elements=1 << 22, stride=8, writes=False))
    assert strided.bytes["memory"] == 8 * dense.bytes["memory"]
    assert strided.cycles > 4 * dense.cycles


def test_bank_conflicts_multiply_the_time_on_the_port() -> None:
    plain, conflicted = time_gemm(Gemm()), time_gemm(Gemm(conflicts=4.0))
    assert conflicted.cycles > 3.0 * plain.cycles
    assert conflicted.bound == "shared"


def test_bulk_copies_beat_their_fallback() -> None:
    machine = replace(MACHINE, shared_bytes_per_cycle=512)
    bulk, plain = time_gemm(Gemm(), machine), time_gemm(Gemm(align_bytes=16), machine)
    assert bulk.busy["bulk"] > 0.3
    assert plain.busy["bulk"] == 0.0
    assert plain.cycles > 1.1 * bulk.cycles


def test_widths_that_the_bulk_engine_lacks_fall_back() -> None:
    assert time_gemm(Gemm(dtype="tf32")).busy["bulk"] == 0.0
    assert time_gemm(Gemm(dtype="f8")).busy["bulk"] > 0.0


def test_bulk_setup_makes_small_copies_dear() -> None:
    small = Gemm(block_m=32, block_n=32, block_k=32, warps=4, m=1024, n=1024)
    assert time_gemm(small, replace(MACHINE, bulk_setup_cycles=400)).cycles > 1.5 * time_gemm(small).cycles


def test_a_shallow_bulk_queue_limits_copies_under_way() -> None:
    gemm = Gemm(block_m=64, block_n=64, warps=4, stages=4, m=2048, n=2048)
    deep, shallow = (time_gemm(gemm, replace(MACHINE, bulk_depth=depth)) for depth in (16, 2))
    assert shallow.cycles > 1.2 * deep.cycles


# Caches.


def test_grouped_block_order_reuses_more_than_rows_do() -> None:
    machine = replace(MACHINE, llc_bytes=4 * MIB)
    gemm = Gemm(m=8192, n=8192, k=2048)
    grouped, rows = time_gemm(gemm, machine), time_gemm(replace(gemm, group=1), machine)
    assert rows.bytes["memory"] > 1.3 * grouped.bytes["memory"]


def test_a_larger_last_level_cache_spares_memory() -> None:
    small, large = (time_gemm(Gemm(), replace(MACHINE, llc_bytes=size * MIB)) for size in (8, 128))
    assert small.bytes["memory"] > 1.3 * large.bytes["memory"]


def test_streaming_hints_protect_what_is_used_again() -> None:
    """A buffer that fits stays, if the stream that passes between its two uses says that it is one."""
    kept = Stream(elements=1 << 22, writes=False)
    passing = Stream(elements=1 << 25, writes=False)
    program, trace = stream_program(kept), stream_trace(kept)
    moved = {}
    for priority in ("normal", "stream"):
        between = replace(passing, priority=priority)
        other = stream_trace(between)
        other = replace(other, addresses=other.addresses + (1 << 44))
        state = CacheState.cold(MACHINE)
        time_launch(MACHINE, program, trace, state)
        time_launch(MACHINE, stream_program(between), other, state)
        moved[priority] = time_launch(MACHINE, program, trace, state).bytes["memory"]
    assert moved["stream"] == 0.0
    assert moved["normal"] == kept.elements * 4


def test_marked_buffers_stay_and_unmarked_ones_suffer() -> None:
    weights, passing = Stream(elements=1 << 23, writes=False), Stream(elements=1 << 25, writes=False)
    other = stream_trace(passing)
    other = replace(other, addresses=other.addresses + (1 << 44))
    mark = [PriorityRange(1 << 40, (1 << 40) + weights.elements * 4, "keep")]
    again = {}
    for name, marks in (("unmarked", []), ("marked", mark)):
        state = CacheState.cold(MACHINE)
        time_launch(MACHINE, stream_program(weights), stream_trace(weights), state, marks)
        time_launch(MACHINE, stream_program(passing), other, state, marks)
        again[name] = time_launch(MACHINE, stream_program(weights), stream_trace(weights), state, marks).time_ns
    assert again["marked"] < again["unmarked"]


def test_a_chip_that_ignores_streaming_hints_shows_it() -> None:
    kept, passing = Stream(elements=1 << 22, writes=False), Stream(elements=1 << 25, writes=False, priority="stream")
    other = stream_trace(passing)
    other = replace(other, addresses=other.addresses + (1 << 44))
    machine = replace(MACHINE, stream_evicts_first=False)
    state = CacheState.cold(machine)
    for stream, trace in ((kept, stream_trace(kept)), (passing, other)):
        time_launch(machine, stream_program(stream), trace, state)
    assert time_launch(machine, stream_program(kept), stream_trace(kept), state).bytes["memory"] > 0


def test_a_channel_stride_camps_on_few_channels() -> None:
    machine = replace(MACHINE, channel_stride_bytes=8192, channel_camping=0.5, memory_bytes_per_s=1e12)
    gemm = Gemm(m=256, n=4096, block_m=128, block_n=128)
    assert time_gemm(gemm, machine).cycles > time_gemm(gemm, replace(machine, channel_camping=0.0)).cycles


def test_pages_on_one_die_hide_or_cross_the_link() -> None:
    narrow = replace(MACHINE, die_link_bytes_per_cycle=512.0)
    lines, pages = (time_stream(Stream(writes=False), replace(narrow, die_hash_bits=bits)) for bits in (0, 4))
    one_die = time_stream(Stream(writes=False), replace(MACHINE, dies=1))
    assert one_die.bytes["link"] == 0.0
    assert lines.bytes["link"] > 0.0 < pages.bytes["link"]
    assert pages.time_ns != lines.time_ns


def test_a_slow_die_link_slows_traffic() -> None:
    slow = replace(MACHINE, die_link_bytes_per_cycle=256.0)
    assert time_stream(Stream(), slow).cycles > 1.3 * time_stream(Stream()).cycles


# Rates.


def test_narrower_dtypes_multiply_faster() -> None:
    f8, f16, tf32 = (time_gemm(Gemm(dtype=dtype), WIDE).cycles for dtype in ("f8", "f16", "tf32"))
    assert f8 < 0.75 * f16 < 0.75 * 0.75 * tf32


def test_products_without_an_atom_run_on_the_lanes() -> None:
    gemm = Gemm(m=512, n=512, k=512, block_m=64, block_n=64, dtype="f32")
    assert time_gemm(gemm).bound == "lanes"


def test_exponentials_cost_what_the_chip_says() -> None:
    machine = replace(WIDE, special_per_cycle={**MACHINE.special_per_cycle, "exp": 8.0})
    assert time_attention(Attention(), machine).cycles > 1.3 * time_attention(Attention(), WIDE).cycles


def test_divisions_cost_more_than_products() -> None:
    products, quotients = (time_stream(Stream(lanes=((name, 8.0),), elements=1 << 22)) for name in ("f32", "divide"))
    assert quotients.cycles > 2.0 * products.cycles
    assert quotients.bound == "lanes"


def test_atomic_operations_on_one_line_queue_up() -> None:
    spread, hot = (
        Stream(atomic=True, elements=1 << 16, block=32, warps=1, atomic_targets=targets) for targets in (0, 1)
    )  # fmt: skip
    machine = replace(MACHINE, atomic_cycles=32.0, dispatch_cycles=1.0)
    assert time_stream(hot, machine).cycles > 4.0 * time_stream(spread, machine).cycles
    assert time_stream(hot, replace(machine, atomic_cycles=128.0)).cycles > 3.0 * time_stream(hot, machine).cycles


# Grids and launches.


def test_a_persistent_grid_spares_the_dispatcher() -> None:
    machine = replace(MACHINE, dispatch_cycles=32.0)
    many = Stream(block=1024, warps=4, elements=1 << 24)
    persistent = replace(many, steps=128)
    assert time_stream(many, machine).bound == "dispatch"
    assert time_stream(persistent, machine).cycles < 0.7 * time_stream(many, machine).cycles


def test_every_launch_pays_the_floor() -> None:
    whole, half = Stream(elements=1 << 20), Stream(elements=1 << 19)
    assert 2 * time_stream(half).time_ns > time_stream(whole).time_ns + MACHINE.launch_floor_ns // 2
    assert time_stream(half).bound == "launch"


def test_one_block_more_than_a_wave_costs_a_wave() -> None:
    machine = replace(WIDE, max_blocks=1)
    full, over = (time_gemm(Gemm(m=128 * blocks, n=128, k=8192), machine) for blocks in (39, 40))
    assert over.cycles > 1.8 * full.cycles
    assert over.occupancy.waves == 40 / 39


def test_a_long_block_at_the_end_keeps_the_chip_waiting() -> None:
    stream = Stream(block=1024, warps=8)
    steps = [4] * 20_000
    first, last = [200, *steps], [*steps, 200]
    ragged_first, ragged_last = (time_stream(stream, steps=order) for order in (first, last))
    assert ragged_last.cycles > 1.3 * ragged_first.cycles


def test_split_products_fill_idle_units() -> None:
    """Two halves of k on twice the blocks, where half of the chip would be idle."""
    whole = Gemm(m=128 * 19, n=128, k=16384)
    halves = Gemm(m=128 * 38, n=128, k=8192)
    assert time_gemm(halves, WIDE).cycles < 0.7 * time_gemm(whole, WIDE).cycles


def test_causal_attention_takes_about_half() -> None:
    full, causal = time_attention(Attention()), time_attention(Attention(causal=True))
    assert 0.45 < causal.cycles / full.cycles < 0.7


def test_heads_that_share_keys_fetch_them_once() -> None:
    apart, shared = time_attention(Attention()), time_attention(Attention(sharing=8))
    assert shared.bytes["memory"] < 0.7 * apart.bytes["memory"]


# Power, noise, barriers.


def test_the_clock_droops_above_the_power_limit() -> None:
    hungry = replace(WIDE, tdp_w=250.0)
    time = time_gemm(Gemm(), hungry)
    assert time.clock_hz < hungry.clock_hz
    assert time.clock_hz >= hungry.droop_floor * hungry.clock_hz
    assert time.time_ns > time_gemm(Gemm(), WIDE).time_ns


def test_noise_is_the_same_every_time_and_differs_by_seed() -> None:
    noisy = [replace(MACHINE, noise=0.05, noise_seed=seed) for seed in (1, 1, 2)]
    times = [time_gemm(Gemm(m=512, n=512), machine).time_ns for machine in noisy]
    assert times[0] == times[1] != times[2]
    assert abs(times[0] / time_gemm(Gemm(m=512, n=512)).time_ns - 1.0) < 0.15


def test_barriers_cost_cycles_unless_a_wait_joins_already() -> None:
    stream = Stream(elements=1 << 20, block=1024)
    program, trace = stream_program(stream), stream_trace(stream)
    body = program.segments[0]
    barriers = (TileOp(Kind.BARRIER, "barrier"),) * 16
    joined = replace(program, segments=(Segment("body", (*barriers, *body.ops)),))
    assert time_launch(MACHINE, joined, trace).cycles > time_launch(MACHINE, program, trace).cycles + 16 * 24 - 1


def test_a_fused_off_unit_takes_its_share() -> None:
    machine = replace(WIDE, max_blocks=1)
    for missing in ((39,), (39, 7), (0, 1, 2, 3)):
        units = 40 - len(missing)
        fused = replace(machine, fused_off=missing)
        full, over = (time_gemm(Gemm(m=128 * blocks, n=128), fused).cycles for blocks in (units, units + 1))
        assert over > 1.5 * full


def test_masked_elements_move_no_bytes() -> None:
    stream = Stream(elements=1 << 20)
    program, trace = stream_program(stream), stream_trace(stream)
    half = replace(trace, active=np.full_like(trace.active, stream.block // 2))
    none = replace(trace, active=np.zeros_like(trace.active))
    whole = time_launch(MACHINE, program, trace)
    assert time_launch(MACHINE, program, half).bytes["memory"] == whole.bytes["memory"] / 2
    assert time_launch(MACHINE, program, none).bytes["memory"] == 0.0
