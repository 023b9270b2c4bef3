"""Measured rows, errors and what `chips validate` prints."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kernelwright.chips.emulated.profiles.profile import load_profile
from kernelwright.chips.emulated.validation.outcome import Outcome, Point, as_json
from kernelwright.chips.emulated.validation.rows import COLUMNS, GemmRow, load_rows, parse_rows
from kernelwright.chips.emulated.validation.statistics import (
    decade,
    draw_outside,
    draw_sample,
    errors_by,
    errors_of,
    folds_by,
    random_folds,
)
from kernelwright.chips.emulated.validation.targets import TARGETS, target_of
from kernelwright.chips.emulated.validation.tuner import emulate_rows
from kernelwright.cli.validating import validate
from kernelwright.core.errors import RequestError
from kernelwright.report.scatter import scatter

# A made-up measurement: 4 programs, two tiles of 64 columns each.
ROW = GemmRow("zw810e", 16, 512, 512, 1, 0, 4, 16, 64, 128, 16, 16, 4, 40960, 9.5)


def csv_of(*rows: GemmRow) -> str:
    lines = [",".join(str(getattr(row, name)) for name in COLUMNS) for row in rows]
    return "\n".join([",".join(COLUMNS), *lines]) + "\n"


def test_rows_come_back_as_they_were_written() -> None:
    rows = (ROW, replace(ROW, chip="zw810", m=40, num_groups=8, masked=1))
    assert parse_rows(csv_of(*rows)) == rows


def test_columns_may_come_in_any_order() -> None:
    names = COLUMNS[::-1]
    text = ",".join(names) + "\n" + ",".join(str(getattr(ROW, name)) for name in names)
    assert parse_rows(text) == (ROW,)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("zw810e", "zw999", "line 2: chip must be one of zw810e, zw810, it is 'zw999'"),
        ("40960,9.5", "40960,fast", "line 2: time_us must be microseconds, it is 'fast'"),
        ("40960,9.5", "40960,-1", "line 2: time_us must be positive and finite, it is -1.0"),
        ("40960,9.5", "40960,nan", "line 2: time_us must be positive and finite, it is nan"),
        (",512,512,", ",512,0,", "line 2: k must be at least 1, it is 0"),
        (",512,512,", ",512,x,", "line 2: k must be an integer, it is 'x'"),
        (",1,0,4,", ",1,2,4,", "line 2: masked must be 0 or 1, it is 2"),
        ("4,16,64,128", "4,16,48,128", "line 2: block_n must be a power of two of at least 16, it is 48"),
        ("128,16,16,4", "128,16,24,4", "line 2: warp_n must divide block_n 64, it is 24"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(old: str, new: str, says: str) -> None:
    text = csv_of(ROW)
    assert old in text
    with pytest.raises(RequestError, match=says.replace("(", r"\(")):
        parse_rows(text.replace(old, new))


def test_missing_columns_are_named() -> None:
    with pytest.raises(RequestError, match="missing: masked,time_us"):
        parse_rows(",".join(name for name in COLUMNS if name not in ("masked", "time_us")) + "\n")


def test_data_without_rows_is_refused() -> None:
    with pytest.raises(RequestError, match="at least one row"):
        parse_rows(",".join(COLUMNS) + "\n")


def test_a_short_row_is_refused() -> None:
    with pytest.raises(RequestError, match="line 2"):
        parse_rows(",".join(COLUMNS) + "\nzw810e,1,2\n")


def test_a_file_that_is_not_there_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"cannot read missing\.csv"):
        load_rows(tmp_path / "missing.csv")


def test_a_tile_is_whole_when_its_shared_memory_is_what_its_stages_need() -> None:
    assert ROW.states_its_tile
    assert not replace(ROW, smem_bytes=10240).states_its_tile


def test_errors_are_relative_to_the_measurement() -> None:
    errors = errors_of([100, 100, 100, 100], [110, 90, 100, 140])
    assert errors.points == 4
    assert errors.worst == pytest.approx(40)
    assert errors.mape == pytest.approx(15)
    assert errors.median == pytest.approx(10)
    assert errors.p90 == pytest.approx(31)
    assert errors.bias == pytest.approx(10)


def test_errors_are_kept_apart_by_key() -> None:
    found = errors_by([(10, 11), (10, 9), (1, 1)], lambda pair: pair[0], lambda pair: (pair[0], pair[1]))
    assert [(key, errors.points, round(errors.mape, 6)) for key, errors in found.items()] == [(10, 2, 10), (1, 1, 0)]


def test_random_folds_share_out_every_place_once_and_the_same_way() -> None:
    folds = random_folds(17, 5)
    assert sorted(place for fold in folds for place in fold) == list(range(17))
    assert folds == random_folds(17, 5)


def test_shapes_are_held_out_whole() -> None:
    assert folds_by(["a", "b", "a"], lambda item: item) == [[0, 2], [1]]


@pytest.mark.parametrize(("time_us", "name"), [(3, "0 to 10 us"), (10, "10 to 30 us"), (2e5, "over 10000 us")])
def test_sizes_are_named(time_us: float, name: str) -> None:
    assert decade(time_us) == name


def test_json_holds_exactly_the_promised_fields() -> None:
    outcome = Outcome("zw810e", "int8 GEMM", (Point(8, 9, (1, 1), ""), Point(8, 7, (1, 1), "")), "2 points")
    assert json.loads(json.dumps(as_json([outcome]))) == {
        "chips": [{"chip": "zw810e", "points": 2, "mape": 12.5, "median": 12.5, "p90": 12.5, "fitted_on": "2 points"}]
    }
    assert outcome.is_met is False


def test_targets_are_those_that_were_written_down() -> None:
    assert {(t.chip, t.workload): t.mape for t in TARGETS} == {
        ("zw810e", "int8 GEMM"): 10.0,
        ("zw810", "int8 GEMM"): 13.0,
        **{(chip, "bf16 GEMM"): 10.0 for chip in ("a100", "h100", "h200")},
        **{(chip, "causal prefill attention"): 15.0 for chip in ("a100", "h100", "h200")},
        ("any", "memory-bound kernels"): 8.0,
    }


def test_memory_bound_kernels_of_every_chip_have_one_target() -> None:
    target = target_of("h100", "memory-bound kernels")
    assert target is not None
    assert target.mape == 8.0


def test_a_sample_is_the_same_each_time_and_in_order() -> None:
    drawn = draw_sample(range(1000), 20)
    assert drawn == draw_sample(range(1000), 20) == sorted(set(drawn))
    assert draw_sample(range(5), 20) == [0, 1, 2, 3, 4]


def test_points_to_fit_share_no_shape_with_the_sample() -> None:
    points = [(shape, m) for shape in range(40) for m in range(10)]
    sample = draw_sample(points, 30)
    drawn = draw_outside(points, sample, lambda point: point[0], 25)
    assert len(drawn) == 25
    assert not {shape for shape, _ in drawn} & {shape for shape, _ in sample}


def test_a_scatter_names_its_axes_and_groups() -> None:
    text = scatter("A & B", {"small": [(1.0, 1.1)], "large": [(100.0, 90.0)]}, 10)
    assert text.startswith("<svg xmlns=")
    for part in ("A &amp; B", "measured, us", "emulated, us", "small", "large"):
        assert part in text


def test_validate_times_rows_by_events_and_prints_one_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (ROW, replace(ROW, m=20, num_groups=2, masked=1, k=528), replace(ROW, chip="zw810", block_n=128, warp_n=32))
    file = tmp_path / "rows.csv"
    file.write_text(csv_of(*rows))
    for _ in range(2):
        validate(file, json=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == lines[1], "times are exact"
    chips = json.loads(lines[0])["chips"]
    assert [(chip["chip"], chip["points"]) for chip in chips] == [("zw810e", 2), ("zw810", 1)]
    assert all(chip["fitted_on"].startswith(("770 points", "61 points")) for chip in chips)


def test_more_work_takes_longer(tmp_path: Path) -> None:
    rows = (ROW, replace(ROW, k=4096), replace(ROW, m=512), replace(ROW, num_groups=16))
    short, *longer = emulate_rows(rows, load_profile("zw810e").machine(), lambda line: None)
    assert all(short < time for time in longer)
