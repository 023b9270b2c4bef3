"""Proposals of tiles: each once, all in the end, and the model's order of things."""

from dataclasses import astuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelwright.engineers.search.architecture import Architecture, Tiles
from kernelwright.engineers.search.predict import best_tiles, predicted_ns
from kernelwright.engineers.search.rates import Rates, rates_from_notes
from kernelwright.engineers.search.regimes import nearest, regime_of, tiles_for
from kernelwright.engineers.search.scenes import Scene, scenes_of
from kernelwright.engineers.search.tuner import all_tiles, fit, propose, space_of
from tests.engineers.modelled import TRUE_RATES, brief

SPACE = {"block_rows": (16, 32, 64), "block_new": (32, 64), "block_edge": (32, 64)}


def scene(lengths: tuple[int, ...], prefixes: tuple[int, ...], heads: int = 8, kv_heads: int = 1) -> Scene:
    return Scene("s", "k/128", lengths, prefixes, heads, kv_heads, 128, 128, -1, True, False)


def test_every_point_is_proposed_once_and_then_none_is_left() -> None:
    measured: dict[Tiles, float] = {}
    while (tiles := propose(SPACE, measured, (), (), f"seed:{len(measured)}")) is not None:
        assert tiles not in measured
        measured[tiles] = -abs(tiles.block_rows - 32) / 16 - tiles.block_edge / 64
    assert set(measured) == set(all_tiles(SPACE))
    assert all(tiles.block_edge <= tiles.block_new for tiles in measured)


def test_a_proposal_depends_on_its_arguments_alone() -> None:
    measured = {Tiles(16, 64, 32, 32): 0.1, Tiles(64, 64, 64, 32): 0.4, Tiles(32, 64, 64, 64): 0.2}
    assert propose(SPACE, measured, (), (), "a") == propose(SPACE, dict(measured), (), (), "a")


def test_refused_tiles_are_not_proposed_and_the_model_s_come_first() -> None:
    wish = Tiles(64, 64, 64, 64)
    assert propose(SPACE, {}, (), (wish,), "a") == wish
    assert propose(SPACE, {}, (wish,), (wish,), "a") != wish


@pytest.mark.parametrize("tiles", [Tiles(256, 64, 256, 256), Tiles(8, 8, 8, 64)])
def test_tiles_are_brought_into_the_space(tiles: Tiles) -> None:
    assert fit(tiles, SPACE) in all_tiles(SPACE)


def test_sizes_beyond_what_a_regime_can_use_are_not_searched() -> None:
    few = scene((4, 4), (3000, 5000), heads=4)
    space = space_of(Architecture(rows="group"), [few], Rates())
    assert space["block_rows"] == (16,)
    assert space["block_new"] == (16,)
    assert "split_keys" not in space and "items" not in space


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 600), min_size=1, max_size=5), st.integers(0, 4000), st.sampled_from(["tokens", "group"])
)
def test_more_keys_never_take_less_predicted_time(lengths: list[int], prefix: int, rows: str) -> None:
    architecture = Architecture(rows=rows)  # type: ignore[arg-type]  # sampled from its values
    short = scene(tuple(lengths), (prefix,) * len(lengths))
    long = scene(tuple(lengths), (prefix + 512,) * len(lengths))
    tiles = Tiles()
    assert predicted_ns(architecture, tiles, long, TRUE_RATES) >= predicted_ns(architecture, tiles, short, TRUE_RATES)


def test_the_model_knows_what_dead_tiles_and_shared_heads_are_worth() -> None:
    ragged = scene((600, 1, 1, 1, 1, 1), (0, 300, 300, 300, 300, 300))
    tiles, times = Tiles(), {}
    for name, architecture in {
        "padded": Architecture(grid="padded"), "exit": Architecture(), "group": Architecture(rows="group"),
    }.items():  # fmt: skip
        times[name] = predicted_ns(architecture, tiles, ragged, TRUE_RATES)
    assert times["padded"] > 2 * times["exit"] > 2 * times["group"]
    lonely = scene((16,), (60_000,), heads=1)
    assert best_tiles(Architecture(grid="table", prefix="split"), lonely, TRUE_RATES).split_keys > 0


def test_regimes_of_hidden_lengths_fall_back_to_the_nearest_entry() -> None:
    assert regime_of([4, 4], [9000, 3000], 4, 128, -1, 2) == "few/128"
    assert regime_of([700, 1, 1, 0], [0, 50, 60, 70], 4, 128, -1, 2) == "ragged/128"
    assert regime_of([500], [0], 4, 192, -1, 2) == "cold/256"
    assert regime_of([64], [4096], 4, 64, 128, 2) == "hit/64w"
    assert regime_of([64], [4096], 1, 64, -1, 1) == "hit/64qm"
    table = {"cold/128": 1, "few/256": 2}
    assert (nearest("few/128", table, 0), nearest("hit/256", table, 0), nearest("hit/64", table, 0)) == (2, 2, 0)


def test_tiles_made_for_narrow_heads_are_cut_for_wide_ones_that_nobody_tuned() -> None:
    tiles = astuple(Tiles(block_rows=64, block_keys=128, block_new=64, block_edge=64, warps=4, stages=3))
    table = {"few/128": tiles, "cold/256": (1,)}
    assert tiles_for("few/128", table, ()) == tiles
    assert tiles_for("few/64", table, ()) == tiles
    assert tiles_for("few/576", table, ())[:8] == (16, 16, 16, 16, 0, 1, 4, 1)
    assert tiles_for("few/256", table, ())[:8] == (64, 64, 32, 32, 0, 1, 4, 1)
    assert tiles_for("hit/576", table, (7,)) == (7,)


def test_every_public_workload_has_lengths_and_a_regime() -> None:
    scenes = scenes_of(brief())
    assert {s.key.split("/")[0] for s in scenes} >= {"cold", "few", "hit", "ragged"}
    assert all(len(s.lengths) == len(s.prefixes) for s in scenes)


def test_rates_come_back_from_the_notebook() -> None:
    assert rates_from_notes(("a thought", TRUE_RATES.to_note())) == TRUE_RATES
    assert rates_from_notes(("a thought",)) is None
