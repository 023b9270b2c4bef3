"""Runs side by side: figures counted from the record, refusals that say what differs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import pytest

from kernelwright.core.entry import Entry
from kernelwright.core.errors import RequestError
from kernelwright.core.final import Setup
from kernelwright.core.protocols import Tools
from kernelwright.core.run_figures import ModelUsage
from kernelwright.ledger import SqlLedger
from kernelwright.runs import conduct_run, open_run
from kernelwright.runs.figures import compared_runs, machine_differences, run_figures
from tests.runs.scripted import ScriptedBench, ScriptedEngineer, candidate, script, setup

Usage = Sequence[Mapping[str, object]]
WAY_UP = (
    candidate(1.5, "a"),
    candidate(9.9, "b", status="incorrect"),
    candidate(2.5, "b"),
    candidate(2.5, "b"),
    candidate(2.4, "c"),
    candidate(8.0, "d"),
    candidate(1.0, "e", status="compile_error"),
    candidate(1.0, "f", status="incorrect"),
)


@dataclass
class TalkativeEngineer(ScriptedEngineer):
    """Says what its models took before it works."""

    usage: Usage = ()

    def work(self, tools: Tools, seed: int) -> None:
        for one in self.usage:
            tools.remark("model_usage", one)
        super().work(tools, seed)


@dataclass
class Runs:
    """A ledger and the runs made in it."""

    ledger: SqlLedger

    def make(
        self,
        name: str,
        sources: tuple[str, ...],
        change: Mapping[str, object] = MappingProxyType({}),
        usage: Usage = (),
    ) -> tuple[Entry, ...]:
        given = replace(setup(), **change)  # type: ignore[arg-type]
        bench = ScriptedBench(TalkativeEngineer(sources, usage=usage))
        open_run(self.ledger, name, given)
        conduct_run(self.ledger, name, lambda given, hidden: bench, lambda line: None, lambda seconds: None)
        return self.ledger.entries(name)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    ledger = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield Runs(ledger)
    ledger.close()


def test_figures_are_those_of_the_record(runs: Runs) -> None:
    found = run_figures(runs.make("r", WAY_UP))
    assert (found.speedup, found.is_final) == (8.0, True)
    assert found.ci95 == pytest.approx((7.92, 8.08))
    assert (found.evaluations, found.redesigns, found.final_status) == (7, 3, "accepted")
    assert found.evaluations_to == {"2x": 3, "4x": 5, "8x": 5}
    assert found.failed_share == {"incorrect": pytest.approx(2 / 7), "compile_error": pytest.approx(1 / 7)}
    assert list(found.failed_share) == ["incorrect", "compile_error"]
    assert found.best_so_far == ((1, 1.5), (3, 2.5), (5, 8.0))
    assert found.tool_calls == 18
    assert (found.usage, found.regret) == (None, None)
    assert 0 <= found.active_s <= found.wall_s


def test_milestones_that_were_not_reached_are_none_and_a_run_without_a_kernel_has_no_speedup(runs: Runs) -> None:
    found = run_figures(runs.make("r", (candidate(0.9, "a"), candidate(3.0, "b", status="timeout"))))
    assert found.evaluations_to == {"2x": None, "4x": None, "8x": None}
    assert (found.speedup, found.ci95, found.best_so_far, found.final_status) == (None, None, (), "no_candidate")


def test_an_open_run_shows_the_best_so_far_and_says_so(runs: Runs) -> None:
    entries = runs.make("r", script(6))
    worked = next(number for number, entry in enumerate(entries) if entry.kind == "work_ended")
    found = run_figures(entries[:worked])
    assert (found.phase, found.is_final, found.final_status) == ("working", False, "unfinished")
    assert found.speedup == 1.45


def test_what_models_took_adds_up_and_money_is_told_where_all_prices_are_known(runs: Runs) -> None:
    priced = {"model": "a", "input_tokens": 1000, "output_tokens": 10, "usd": 0.25}
    free = {"model": "b", "input_tokens": 5, "output_tokens": 2, "usd": None}
    first = run_figures(runs.make("r", WAY_UP, usage=(priced, priced)))
    second = run_figures(runs.make("s", WAY_UP, usage=(priced, free)))
    assert first.usage == ModelUsage(2000, 20, 0.5, ("a",))
    assert second.usage == ModelUsage(1005, 12, None, ("a", "b"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"problem": "other"}, "share their problem: 'a' has scripted, 'b' has other"),
        ({"suite": "full"}, "share their suite: 'a' has smoke, 'b' has full"),
        ({"chip": "cpu"}, "share their chip: 'a' has paper, 'b' has cpu"),
        ({"problem_sha256": "f" * 64}, "share their files of the problem: 'a' has none, 'b' has ffffffffffff"),
    ],
)
def test_runs_that_were_asked_for_other_things_are_refused_in_one_line(
    runs: Runs, change: dict[str, str], says: str
) -> None:
    pair = [runs.make("a", WAY_UP), runs.make("b", WAY_UP, change)]
    with pytest.raises(RequestError) as refused:
        compared_runs(pair)
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_of_emulated_chips_the_numbers_count_and_not_where_the_file_lies(runs: Runs) -> None:
    one = runs.make("a", WAY_UP, {"chip": "x.toml", "chip_sha256": "1" * 64})
    moved = runs.make("b", WAY_UP, {"chip": "y.toml", "chip_sha256": "1" * 64})
    changed = runs.make("c", WAY_UP, {"chip": "x.toml", "chip_sha256": "2" * 64})
    assert len(compared_runs([one, moved])) == 2
    with pytest.raises(RequestError, match="numbers of the chip: 'a' has 111111111111, 'c' has 222222222222"):
        compared_runs([one, changed])


def test_fewer_than_two_runs_and_one_named_twice_are_refused(runs: Runs) -> None:
    one = runs.make("a", WAY_UP)
    with pytest.raises(RequestError, match="at least two runs, got 1"):
        compared_runs([one])
    with pytest.raises(RequestError, match="'a' is named 2 times"):
        compared_runs([one, one])


def test_labels_say_no_more_than_tells_runs_apart(runs: Runs) -> None:
    made = [
        runs.make("a", (), {"engineer": "search"}),
        runs.make("b", (), {"engineer": "search", "seed": 1}),
        runs.make("c", (), {"engineer": "model", "options": {"model": "x:large"}}),
        runs.make("d", (), {"engineer": "model", "options": {"model": "x:small"}}),
        runs.make("e", (), {"engineer": "agent:some"}),
        runs.make("f", (), {"engineer": "twice"}),
        runs.make("g", (), {"engineer": "twice"}),
    ]
    labels = [one.label for one in compared_runs(made)]
    assert labels[:5] == ["search seed 0", "search seed 1", "model x:large", "model x:small", "agent:some"]
    assert labels[5:] == ["twice f", "twice g"]


def test_machines_that_differ_are_told(runs: Runs) -> None:
    machines: list[Mapping[str, object]] = [{"cpu": "one", "threads": 2}, {"cpu": "two", "threads": 2}]
    made = [runs.make(name, (), {"machine": machine}) for name, machine in zip("ab", machines, strict=True)]
    assert machine_differences(made) == ("cpu differs: one (a), two (b)",)


def test_the_setup_of_a_run_made_long_ago_compares_with_one_of_today(runs: Runs) -> None:
    entries = runs.make("a", WAY_UP)
    old = dict(entries[0].payload)
    kept = old["setup"]
    assert isinstance(kept, dict)
    shown = {name: kept[name] for name in kept if name not in ("options", "tokens", "usd", "chip_sha256")}
    first = replace(entries[0], payload={**old, "setup": shown})
    assert isinstance(Setup(**kept), Setup)
    assert run_figures((first, *entries[1:])).speedup == 8.0
