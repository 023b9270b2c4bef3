"""Every thing a kernel engineer would try, and every hidden quirk, moves emulated time the right way, end to end."""

from collections.abc import Mapping
from functools import cache

import pytest

from kernelwright.chips.emulated.chip import EmulatedChip
from kernelwright.chips.emulated.profiles.fact import Value
from kernelwright.chips.emulated.profiles.prior import QUIRKS
from kernelwright.chips.emulated.profiles.profile import load_profile
from kernelwright.core.fault import Fault
from tests.chips.emulated import microbenchmark_list as bench
from tests.chips.emulated import microbenchmarks as kernels
from tests.chips.emulated.benchmark_plans import Benchmark
from tests.chips.emulated.microbenchmark_list import FULL, REVEALING

Values = Mapping[str, Value]
NONE: Values = {}


def timed(benchmark: Benchmark, values: Values = NONE, chip: str = "m890") -> int | Fault:
    """Return the emulated time in ns of one call on `chip` with fields changed to `values`."""
    session = EmulatedChip(load_profile(chip).with_values(values)).open()
    session.put("inputs", benchmark.contents())
    found = session.time([benchmark.plan()], ["inputs"], [0], 60.0)
    session.close()
    return found if isinstance(found, Fault) else found.times_ns[0]


def ns(benchmark: Benchmark, values: Values = NONE, chip: str = "m890") -> int:
    found = timed(benchmark, values, chip)
    assert isinstance(found, int), found
    return found


@cache
def matmul_ns(*arguments: object, **options: object) -> int:
    return ns(bench.matmul(*arguments, **options))  # type: ignore[arg-type]


# Of every quirk: its microbenchmark on a chip with the first value is faster than with the second, where the chip
# also has the values in the third place.
SLOWER: dict[str, tuple[Value, Value, Values]] = {
    "fused_off": ((0,), (39,), {}),
    "die_hash_bits": (0, 6, {}),
    "bulk_depth": (32, 4, {}),
    "bulk_setup_cycles": (20, 200, {}),
    "register_cliff": (0, 96, {"register_cliff_cost": 1.5}),
    "register_cliff_cost": (1.25, 2.0, {"register_cliff": 96}),
    "spill_cost": (1.0, 4.0, {}),
    "special_per_cycle.exp": (64.0, 16.0, {}),
    "lane_cost.int": (1.0, 2.0, {}),
    "lane_cost.wide": (2.0, 6.0, {}),
    "atomic_cycles": (2.0, 16.0, {}),
    "stream_evicts_first": (True, False, {}),
    "launch_floor_ns": (5000, 7000, {}),
    "channel_stride_bytes": (24576, 32768, {"channel_camping": 0.5}),
    "channel_camping": (0.25, 0.75, {"channel_stride_bytes": 32768}),
    "tdp_w": (800.0, 150.0, {}),
    "droop_floor": (1.0, 0.7, {"tdp_w": 150.0}),
    "f8_accumulate_bits": (32, 22, {}),
}


def test_every_quirk_has_a_microbenchmark_and_a_direction() -> None:
    assert {quirk.reveals for quirk in QUIRKS.values()} == set(REVEALING)
    assert set(QUIRKS) == {*SLOWER, "noise", "noise_seed"}


@pytest.mark.parametrize("field", SLOWER)
def test_a_quirk_shows_in_its_microbenchmark(field: str) -> None:
    fast, slow, others = SLOWER[field]
    benchmark = REVEALING[QUIRKS[field].reveals]
    assert ns(benchmark, {**others, field: fast}) < ns(benchmark, {**others, field: slow})


def test_noise_is_seeded_bounded_and_the_same_every_time() -> None:
    benchmark = REVEALING[QUIRKS["noise"].reveals]
    quiet = ns(benchmark)
    first, again, other = (ns(benchmark, {"noise": 0.01, "noise_seed": seed}) for seed in (1, 1, 2))
    assert first == again and len({quiet, first, other}) == 3
    assert abs(first / quiet - 1) < 0.04


def test_large_tiles_beat_small_ones() -> None:
    assert matmul_ns() < matmul_ns(tile=(32, 32, 32), warps=4)


def test_warps_that_leave_engines_idle_are_slow() -> None:
    assert matmul_ns() < matmul_ns(warps=2) < matmul_ns(warps=1)


def test_a_few_rows_cost_as_much_as_the_atom() -> None:
    # 64 columns, 16 rows at least: the tile is mostly empty and time is that of the weights.
    few, many = (matmul_ns((rows, 2048, 2048), (16, 64, 64), warps=4) for rows in (16, 64))
    assert few < many < 4 * few


def test_pipeline_stages_hide_the_way_to_memory() -> None:
    assert matmul_ns(stages=3) < matmul_ns(stages=2) < matmul_ns(stages=1)


def test_stages_that_leave_room_for_one_block_only_do_not_pay() -> None:
    assert matmul_ns(stages=3) < matmul_ns(stages=8)


def test_a_tile_that_does_not_fit_is_a_fault_with_both_sizes() -> None:
    found = timed(bench.matmul(tile=(256, 256, 64), warps=16, stages=8))
    assert isinstance(found, Fault) and found.status == "over_limit"
    assert found.reason.startswith("tile needs 458752 bytes of on-chip memory, m890 has 262144.")


def test_less_shared_memory_means_fewer_blocks_and_more_time() -> None:
    benchmark = bench.matmul((2048, 2048, 512), warps=4)
    assert ns(benchmark) < ns(benchmark, {"shared_bytes": 131072, "shared_block_bytes": 131072})


def test_occupancy_hides_latency() -> None:
    assert ns(bench.copy()) < ns(bench.copy(), {"max_warps": 8})


def test_neighbours_that_lie_apart_cost_their_sectors() -> None:
    near, apart, far = (ns(bench.copy(step)) for step in (1, 4, 16))
    assert near < apart < far


def test_a_gather_costs_the_sectors_that_it_touches() -> None:
    size = 1 << 18
    straight = tuple(range(size // 8))
    scattered = tuple(i * 104_729 % size for i in range(size // 8))
    assert ns(bench.gather(straight, size)) <= ns(bench.gather(scattered, size))


def test_an_address_that_is_not_aligned_narrows_vectors() -> None:
    assert ns(bench.copy()) < ns(bench.copy(offset_bytes=4))


def test_bank_conflicts_slow_a_product_down() -> None:
    # One byte a place, read against its order: no wide read of on-chip memory does that.
    assert matmul_ns(dtype="f8e4m3fn", turned=True) < matmul_ns(dtype="f8e4m3fn")


def test_turning_a_tile_takes_a_way_through_shared_memory() -> None:
    narrow: Values = {"shared_bytes_per_cycle": 32}
    assert ns(bench.transpose(False), narrow) < ns(bench.transpose(True), narrow)


def test_bulk_copies_need_their_alignment_and_beat_plain_ones() -> None:
    assert matmul_ns(offset_bytes=32) == matmul_ns() < matmul_ns(offset_bytes=16)
    assert matmul_ns() < ns(bench.matmul(), {"bulk_bits": ()})


def test_rows_whose_distance_has_no_factor_of_16_break_vectors() -> None:
    assert matmul_ns() < matmul_ns(pad=8)


def test_the_order_of_blocks_decides_what_the_caches_hold() -> None:
    row_by_row, grouped = (
        ns(bench.matmul((4096, 4096, 512), (64, 64, 64), warps=4, group=g), chip="zw810") for g in (1, 8)
    )
    assert grouped < 0.95 * row_by_row


def test_hints_keep_a_table_in_the_cache() -> None:
    assert ns(bench.reread("evict_first")) < ns(bench.reread(""))


def test_narrower_types_multiply_faster() -> None:
    times = [matmul_ns(dtype=dtype, turned=True) for dtype in ("f8e4m3fn", "f16", "f32")]
    exact = matmul_ns(dtype="f32", turned=True, precision="ieee")
    assert times == sorted(set(times)) and times[-1] < exact
    assert matmul_ns(dtype="bf16", turned=True) == times[1]


def test_scaled_products_of_four_bits_beat_those_of_eight() -> None:
    assert ns(bench.scaled("e2m1")) < ns(bench.scaled("e4m3"))


def test_capability_80_refuses_fp8() -> None:
    found = timed(bench.matmul(dtype="f8e4m3fn"), chip="zw810e")
    assert isinstance(found, Fault) and found.status == "compile_error"


def test_a_quotient_costs_more_than_a_product() -> None:
    product, quotient = (ns(bench.lanes(kernels.quotients, DIVIDE=divide)) for divide in (False, True))
    assert product < quotient


def test_atomic_additions_to_one_place_wait_for_each_other() -> None:
    assert ns(bench.atomics(32)) < ns(bench.atomics(0))


def test_splitting_k_fills_a_chip_that_few_tiles_leave_empty() -> None:
    whole, some, many = (matmul_ns((128, 128, 16384), warps=4, split=split) for split in (1, 4, 16))
    assert many < some < whole


def test_persistent_programs_save_starting_blocks() -> None:
    slow_start: Values = {"dispatch_cycles": 4.0}
    assert ns(bench.persistent(4 * FULL), slow_start) < ns(bench.persistent(8192), slow_start)


def test_every_launch_costs_its_floor() -> None:
    one, two, eight = (ns(bench.empty(launches)) for launches in (1, 2, 8))
    assert one >= 6000 and two == 2 * one and eight == 8 * one


def test_one_block_more_than_fits_costs_a_wave() -> None:
    fewer, full, more, twice = (ns(bench.lanes(kernels.exponentials, n)) for n in (FULL - 1, FULL, FULL + 1, 2 * FULL))
    assert fewer <= full < more < twice
    assert more - full > 10 * (full - fewer)


def test_long_blocks_belong_first_and_even_ones_are_best() -> None:
    lengths = (16,) * (2 * FULL - 8) + (128,) * 8
    even = (sum(lengths) // len(lengths),) * len(lengths)
    last, first, level = (ns(bench.ragged(each)) for each in (lengths, lengths[::-1], even))
    assert level < first < last


def test_times_of_equal_calls_are_equal() -> None:
    assert ns(bench.matmul()) == ns(bench.matmul())
