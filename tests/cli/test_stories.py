"""What a report adds to a run's entries: the true rates of a chip that older records do not hold."""

from dataclasses import replace

import pytest

from kernelwright.chips.catalogue import chip_sha256, load_chip
from kernelwright.cli.stories import with_rates
from kernelwright.core.rates import rates_note
from kernelwright.report import RunStory
from tests.runs.scripted import setup

CLOSED = RunStory(
    "r", replace(setup(), chip="m890", emulated=True), "closed", "done", 0, 1.0, 1, 1, 0, (), (),
    (rates_note({"units": 39}),), None, None, "", "0" * 64,
)  # fmt: skip


def told(story: RunStory) -> tuple[dict[str, float | None], list[str]]:
    said: list[str] = []
    return {rate.name: rate.value for rate in with_rates(story, said.append).true_rates}, said


@pytest.mark.parametrize("identity", ["", chip_sha256(load_chip("m890"))])
def test_a_closed_run_without_rates_gets_those_of_the_chip_it_names(identity: str) -> None:
    found, said = told(replace(CLOSED, setup=replace(CLOSED.setup, chip_sha256=identity)))
    assert (found["units"], said) == (39.0, [])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"chip": "gone.toml"}, "cannot be read"),
        ({"chip": "m89"}, "Did you mean 'm890'"),
        ({"chip_sha256": "0" * 64}, "numbers have changed"),
    ],
)
def test_a_chip_that_is_not_known_any_more_is_told_and_leaves_no_table(change: dict[str, str], says: str) -> None:
    found, said = told(replace(CLOSED, setup=replace(CLOSED.setup, **change)))  # type: ignore[arg-type]
    assert found == {} and len(said) == 1 and says in said[0]


@pytest.mark.parametrize(
    "story",
    [
        replace(CLOSED, phase="working"),
        replace(CLOSED, notes=("words",)),
        replace(CLOSED, setup=replace(CLOSED.setup, emulated=False)),
    ],
)
def test_nothing_is_loaded_where_no_table_would_be(story: RunStory) -> None:
    assert told(story) == ({}, [])
