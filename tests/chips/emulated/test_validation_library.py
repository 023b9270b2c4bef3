"""Tables of library kernels, made up here: what is read of them, and how often an emulated call repeats."""

from dataclasses import replace

import pytest

from kernelwright.chips.emulated.profiles.profile import load_profile
from kernelwright.chips.emulated.validation import library
from kernelwright.chips.emulated.validation.outcome import fitted_on
from kernelwright.chips.emulated.validation.tables import (
    ATTENTION_COLUMNS,
    AttentionPoint,
    GemmPoint,
    QuantisePoint,
    Row,
    parse_attention_rows,
    parse_gemm_rows,
    parse_quantise_rows,
)
from kernelwright.core.plan import KernelIR

H200 = load_profile("h200").machine()


def quantisation(touched_bytes: int) -> library.Measured:
    point = QuantisePoint(512, 2048, 3.0)
    return library.Measured(point.time_us, (point.width,), touched_bytes, lambda: library.quantise_ways(point))


def attention_row(**changed: object) -> Row:
    usual = ("bfloat16", "bfloat16", 0, 128, 2, 64, 8, 8, 0.02)
    values = dict(zip(ATTENTION_COLUMNS, usual, strict=True)) | changed
    return tuple(values[name] for name in ATTENTION_COLUMNS)


def test_gemm_timings_are_those_of_bf16_in_us_sorted_by_shape() -> None:
    rows = [("bfloat16", 8, 64, 32, 0.003), ("fp8", 8, 64, 32, 0.001), ("bfloat16", 1, 32, 32, 0.002)]
    assert parse_gemm_rows(rows) == (GemmPoint(1, 32, 32, 2.0), GemmPoint(8, 64, 32, 3.0))


@pytest.mark.parametrize(
    "changed",
    [
        {"attn_dtype": "fp8"},
        {"kv_cache_dtype": "fp8"},
        {"window_size": 128},
        {"head_dim": 64},
        {"num_key_value_heads": 1},
    ],
)
def test_other_attention_is_left_out(changed: dict[str, object]) -> None:
    assert parse_attention_rows([attention_row(**changed)]) == ()


def test_a_table_without_windows_has_none_and_the_first_of_equal_shapes_counts() -> None:
    rows = [attention_row(window_size=None), attention_row(latency=0.5), attention_row(isl=16)]
    assert parse_attention_rows(rows) == (AttentionPoint(2, 16, 8, 20.0), AttentionPoint(2, 64, 8, 20.0))


def test_a_quantisation_that_took_no_time_was_not_measured() -> None:
    rows = [("fp8", 4, 64, 0.002), ("fp8", 2, 64, 0.0), ("nvfp4", 1, 64, 0.002)]
    assert parse_quantise_rows(rows) == (QuantisePoint(4, 64, 2.0),)


def test_the_second_call_counts_when_caches_hold_all_that_calls_touch() -> None:
    assert quantisation(H200.llc_bytes).calls(H200) == 2
    assert quantisation(H200.llc_bytes + 1).calls(H200) == 1


def test_a_call_that_finds_its_operands_in_caches_is_faster() -> None:
    warm, cold = (quantisation(touched).point(H200) for touched in (0, H200.llc_bytes + 1))
    assert warm.emulated_us < cold.emulated_us
    assert (warm.measured_us, warm.kind) == (3.0, "0 to 10 us")


def test_a_library_splits_the_depth_of_few_tiles_only() -> None:
    def grids(m: int) -> list[int]:
        return [launches[0].grid[1] for launches in library.gemm_ways(m, 512, 16384, H200)]

    assert len(grids(16)) == library.MOST_WAYS
    assert max(grids(16)) > 1
    assert max(grids(16384)) == 1


def test_ways_are_launches_of_kernels() -> None:
    ways = library.attention_ways(AttentionPoint(2, 256, 4, 30.0))
    assert [len(way) for way in ways] == [1] * len(library.ATTENTION_MENU)
    assert all(isinstance(way[0].kernel, KernelIR) for way in ways)


def test_a_large_product_is_left_out() -> None:
    point = GemmPoint(8192, 8192, 8192, 1.0)
    assert not library.is_small_enough(point)
    assert library.is_small_enough(replace(point, k=1024))


def test_h200_tells_that_what_it_takes_over_was_fitted() -> None:
    assert fitted_on(load_profile("h200")) == fitted_on(load_profile("h100"))
