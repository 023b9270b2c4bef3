"""Chips on the command line: listing, showing what is known of one, drawing one."""

import tomllib
from pathlib import Path

import pytest

from kernelwright.chips.emulated.profiles.fields import FIELDS
from tests.cli.commands import run


def test_chips_lists_real_and_emulated_ones(tmp_path: Path) -> None:
    rows = run(tmp_path, "chips", "--json").json["chips"]
    assert isinstance(rows, list)
    kinds = {row["chip"]: row["kind"] for row in rows}
    assert kinds["cpu"] == "real" and kinds["m890"] == "emulated"
    assert "M890-class, estimated, emulated" in run(tmp_path, "chips").out


def test_show_has_every_fact_and_marks_what_engineers_do_not_see(tmp_path: Path) -> None:
    value = run(tmp_path, "chips", "show", "m890", "--json").json
    facts = value["facts"]
    assert isinstance(facts, list) and value["emulated"] is True
    hidden = {row["field"]: row["hidden"] for row in facts}
    assert hidden["clock_hz"] is True and hidden["memory_bytes"] is False
    assert all(row["field"] in FIELDS and row["standing"] and row["source"] for row in facts)


def test_show_is_a_table_with_units_standing_range_and_source(tmp_path: Path) -> None:
    out = run(tmp_path, "chips", "show", "m890").out
    assert out.startswith("m890: M890-class, estimated (emulated)\n")
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert lines["field"] == ["field", "value", "standing", "range", "engineers", "source"]
    assert lines["launch_floor_ns"][:8] == ["launch_floor_ns", "6,000", "ns", "assumed", "5,000", "to", "7,000", "ns"]
    assert lines["llc_bytes"][:6] == ["llc_bytes", "64", "MiB", "published", "-", "hidden"]


def test_a_drawn_chip_is_a_chip_by_its_path_and_hides_where_it_comes_from(tmp_path: Path) -> None:
    drawn = run(tmp_path, "chips", "draw", "--family", "m890", "--seed", "7")
    assert drawn.code == 0 and drawn.err == ""
    assert run(tmp_path, "chips", "draw", "--family", "m890", "--seed", "7").out == drawn.out
    path = tmp_path / "drawn.toml"
    assert run(tmp_path, "chips", "draw", "--family", "m890", "--seed", "7", "--out", str(path)).code == 0
    assert path.read_text() == drawn.out
    shown = run(tmp_path, "chips", "show", str(path), "--json").json
    assert (shown["chip"], shown["title"]) == (tomllib.loads(drawn.out)["name"], "undocumented")


def test_without_a_seed_nobody_can_guess_it(tmp_path: Path) -> None:
    first, second = (run(tmp_path, "chips", "draw", "--family", "m890") for _ in range(2))
    assert first.out != second.out
    assert "drawn with --seed " in first.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("chips", "show", "m980"), "Did you mean 'm890'?"),
        (("chips", "shwo", "m890"), "Did you mean 'show'?"),
        (("chips", "draw", "--family", "v900"), "drawn from m890, zw810e or zw810"),
        (("chips", "draw", "--family", "m890", "--seed", "1", "--out", "/proc/nowhere/x.toml"), "cannot be written"),
        (("judge", "extend-attention", "--chip", "no/chip.toml", "--candidate", __file__), "cannot be read"),
    ],
)
def test_a_wrong_request_is_exit_2_in_one_line(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    ran = run(tmp_path, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err and len(ran.err.splitlines()) == 1
