"""The tools over a real run: recorded, checked, bounded."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from kernelwright.core.candidate import Candidate
from kernelwright.core.codec import to_json
from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.core.protocols import BudgetSpent
from kernelwright.core.rates import TrueRate
from kernelwright.core.verdict import Verdict
from kernelwright.engineers.search.architecture import Architecture, Design
from kernelwright.engineers.search.composer import compose
from kernelwright.ledger import SqlLedger
from kernelwright.runs import RunRecorder, fold, open_run
from kernelwright.runs.recorder import Hands
from kernelwright.workshop.inprocess import Workshop
from kernelwright.workshop.tools import READ_LIMIT, TOOLS
from tests.engineers.modelled import ModelBench, brief
from tests.runs.scripted import setup

NAMES = (
    "brief", "list_files", "read_file", "write_file", "check", "evaluate", "poll", "probe", "profile", "docs",
    "notes", "history", "submit",
)  # fmt: skip
SOURCE = compose(Design(Architecture(rows="group")))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    made = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}")
    open_run(made, "r", setup(evaluations=3))
    made.take("r")
    yield made
    made.close()


@pytest.fixture
def workshop(ledger: SqlLedger, tmp_path: Path) -> Workshop:
    bench = ModelBench(tmp_path)
    recorder = RunRecorder(ledger, "r", "5ec2e7", Hands(bench.judge, lambda line: None))
    tools = bench.tools(recorder)
    assert isinstance(tools, Workshop)
    return tools


def test_the_tools_of_the_contract_are_all_there_and_describe_themselves() -> None:
    assert tuple(TOOLS) == NAMES
    for spec in TOOLS.values():
        assert spec.description.endswith(".")
        schema = spec.arguments.model_json_schema()
        assert schema["additionalProperties"] is False
    for name in ("check", "evaluate", "probe"):
        assert TOOLS[name].arguments.model_json_schema()["required"] == ["source"]


def test_every_call_is_an_entry_and_the_answer_is_what_the_entry_holds(workshop: Workshop, ledger: SqlLedger) -> None:
    workshop.call("write_file", {"path": "a/mine.py", "text": "x = 1\n"})
    assert workshop.call("read_file", {"path": "a/mine.py"})["text"] == "x = 1\n"
    listed = workshop.call("list_files", {})
    calls = [entry.payload for entry in ledger.entries("r") if entry.kind == "tool_call"]
    assert [call["name"] for call in calls] == ["write_file", "read_file", "list_files"]
    assert calls[-1]["result"] == listed == {"files": [{"path": "a/mine.py", "size_bytes": 6}]}


def test_wrong_requests_name_what_is_meant(workshop: Workshop) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'evaluate'"):
        workshop.call("evaluat", {})
    with pytest.raises(UnknownNameError, match="Did you mean 'source'"):
        workshop.call("check", {"source": "x", "sourc": "y"})
    with pytest.raises(RequestError, match="argument source of evaluate"):
        workshop.call("evaluate", {"source": 7})
    workshop.call("write_file", {"path": "mine.py", "text": ""})
    with pytest.raises(UnknownNameError, match=r"Did you mean 'mine\.py'"):
        workshop.call("read_file", {"path": "mine.pi"})
    with pytest.raises(UnknownNameError, match="Did you mean 'rules'"):
        workshop.call("docs", {"page": "rule"})
    with pytest.raises(RequestError, match="none was found yet"):
        workshop.submit()


def test_evaluating_costs_budget_and_checking_does_not(workshop: Workshop) -> None:
    assert workshop.check(SOURCE)["status"] == "accepted"
    assert workshop.remaining()["evaluations"] == 3
    answer = workshop.evaluate(SOURCE, "first")
    assert answer["remaining"] == {"evaluations": 2.0, "seconds": None}
    again = workshop.evaluate(SOURCE, "the same")
    assert (again["repeats"], again["remaining"]) == (1, {"evaluations": 2.0, "seconds": None})


def test_history_gives_back_sources_and_profile_ranks_what_is_furthest_from_the_roofline(workshop: Workshop) -> None:
    workshop.evaluate(SOURCE, "first")
    (found,) = workshop.history()
    assert (found["source"], found["note"], found["evaluation"]) == (SOURCE, "first", 1)
    rows = workshop.call("profile", {})["workloads"]
    assert isinstance(rows, list)
    shares = [row["gap_share"] for row in rows]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1.0)


def profiled(
    ledger: SqlLedger, folder: Path, arguments: dict[str, object]
) -> tuple[list[dict[str, object]], list[str]]:
    """Return the rows of `profile` on a chip with counters, and the workloads that were counted."""
    counted: list[str] = []

    def counters(candidate: Candidate, names: Sequence[str]) -> Mapping[str, Mapping[str, object]]:
        assert candidate.source == SOURCE
        counted.extend(names)
        return {name: {"launches": [name]} for name in names}

    bench = ModelBench(folder, counters=counters)
    tools = bench.tools(RunRecorder(ledger, "r", "5ec2e7", Hands(bench.judge, lambda line: None)))
    tools.evaluate(SOURCE)
    rows = tools.call("profile", arguments)["workloads"]
    assert isinstance(rows, list)
    return rows, counted


def test_profile_counts_the_slowest_three_and_keeps_every_row(ledger: SqlLedger, tmp_path: Path) -> None:
    rows, counted = profiled(ledger, tmp_path, {})
    assert len(rows) > 3
    assert counted == [row["name"] for row in rows[:3]]
    assert ["launches" in row for row in rows] == [True] * 3 + [False] * (len(rows) - 3)


def test_profile_counts_the_workload_that_is_named_and_no_other(ledger: SqlLedger, tmp_path: Path) -> None:
    name = brief().workloads[-1].name
    rows, counted = profiled(ledger, tmp_path, {"workload": name})
    assert counted == [name]
    assert [(row["name"], row["launches"]) for row in rows] == [(name, [name])]


def test_profile_refuses_a_workload_that_is_not_public_with_the_nearest(workshop: Workshop) -> None:
    workshop.evaluate(SOURCE)
    known = brief().workloads[0].name
    with pytest.raises(UnknownNameError, match=f"Did you mean '{known}'"):
        workshop.call("profile", {"workload": known + "x"})


def test_notes_outlive_the_engineer_and_answers_are_bounded(workshop: Workshop) -> None:
    workshop.note("try larger tiles")
    assert workshop.notes() == ("try larger tiles",)
    for _ in range(9):
        workshop.note("n" * 7000)
    answer = workshop.call("notes", {})
    assert sum(len(text) for text in workshop.notes()) <= READ_LIMIT
    assert answer["left_out"] == 10 - len(workshop.notes())
    older = workshop.call("notes", {"offset": answer["next_offset"]})
    oldest = workshop.call("notes", {"offset": older["next_offset"]})
    assert (oldest["notes"], oldest["next_offset"]) == (["try larger tiles", "n" * 7000], None)
    assert workshop.call("notes", {"offset": 99}) == {"notes": [], "left_out": 10, "next_offset": None}
    workshop.call("write_file", {"path": "long.txt", "text": "y" * (READ_LIMIT + 5)})
    page = workshop.call("read_file", {"path": "long.txt"})
    assert (len(str(page["text"])), page["next_offset"]) == (READ_LIMIT, READ_LIMIT)
    rest = workshop.call("read_file", {"path": "long.txt", "offset": READ_LIMIT})
    assert (rest["text"], rest["next_offset"]) == ("yyyyy", None)


def test_the_table_of_evaluations_comes_in_pages_and_history_joins_them(tmp_path: Path) -> None:
    ledger = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}")
    open_run(ledger, "r", setup(evaluations=None))
    bench = ModelBench(tmp_path)
    recorder = RunRecorder(ledger, "r", "5ec2e7", Hands(bench.judge, lambda line: None))
    tools = bench.tools(recorder)
    for number in range(120):
        tools.evaluate(f"{SOURCE}# {number}\n", f"{number} " + "n" * 300)
    newest = tools.call("history", {})
    rows = newest["evaluations"]
    assert isinstance(rows, list)
    assert rows[-1]["evaluation"] == 120 and len(rows) < 120
    assert newest["next_offset"] == len(rows) and newest["left_out"] == 120 - len(rows)
    assert [found["evaluation"] for found in tools.history()] == list(range(1, 121))
    ledger.close()


def test_whoever_waits_is_told_that_the_run_is_over_without_a_call(workshop: Workshop, ledger: SqlLedger) -> None:
    workshop.heed()
    workshop.evaluate(SOURCE)
    ledger.request("r", "steer", "try larger tiles")
    ledger.request("r", "pause")
    assert workshop.heed()
    ledger.request("r", "resume")
    assert workshop.call("list_files", {})["steer"] == ["try larger tiles"]
    ledger.request("r", "stop")
    entries = len(ledger.entries("r"))
    with pytest.raises(BudgetSpent, match="stopped on request"):
        workshop.heed()
    assert [entry.kind for entry in ledger.entries("r")[entries:]] == ["stopped"]


def test_each_client_reads_what_people_say_once(workshop: Workshop, ledger: SqlLedger) -> None:
    ledger.request("r", "steer", "try larger tiles")
    for client in ("first", "second"):
        assert workshop.call("list_files", {}, client)["steer"] == ["try larger tiles"]
        assert "steer" not in workshop.call("list_files", {}, client)


def test_after_the_work_has_ended_no_call_is_recorded(ledger: SqlLedger, tmp_path: Path) -> None:
    bench = ModelBench(tmp_path)
    recorder = RunRecorder(ledger, "r", "5ec2e7", Hands(bench.judge, lambda line: None))
    tools, entries = bench.tools(recorder), len(ledger.entries("r"))
    recorder.close()
    with pytest.raises(BudgetSpent, match="the work has ended"):
        tools.note("too late")
    assert len(ledger.entries("r")) == entries


def test_after_submit_the_run_is_over(workshop: Workshop) -> None:
    workshop.evaluate(SOURCE)
    first = workshop.call("history", {})["evaluations"]
    assert isinstance(first, list)
    if not first[0]["is_best"]:
        pytest.fail("the model's start candidate must beat its reference")
    workshop.submit()
    with pytest.raises(BudgetSpent):
        workshop.call("docs", {})


def test_pages_say_what_host_code_may_do(workshop: Workshop) -> None:
    assert workshop.call("docs", {})["pages"] == ["probe", "rules", "tools"]
    assert "64 KiB" in str(workshop.call("docs", {"page": "rules"})["text"])


def test_docs_searches_and_takes_a_page_or_a_query(workshop: Workshop) -> None:
    answer = workshop.call("docs", {"query": "allocate scratch on the host"})
    rows = answer["found"]
    assert isinstance(rows, list) and rows[0]["page"] == "rules"
    with pytest.raises(RequestError, match="a page or a query, got both"):
        workshop.call("docs", {"query": "scratch", "page": "rules"})
    with pytest.raises(RequestError, match="argument query of docs"):
        workshop.call("docs", {"query": ""})


def test_no_tool_tells_what_is_true_of_the_chip_not_even_once_the_record_does(
    workshop: Workshop, ledger: SqlLedger
) -> None:
    workshop.evaluate(SOURCE)
    secret = [TrueRate("units", 8191.5, "", "assumed", "a hidden figure")]
    ledger.append("r", "closed", {"reason": "done", "secret": "5ec2e7", "true_rates": to_json(secret)})
    assert fold(ledger.entries("r")).true_rates == tuple(secret)
    asked: list[tuple[str, dict[str, object]]] = [("history", {"evaluation": 1}), ("docs", {"page": "tools"})]
    asked += [(name, {}) for name in ("brief", "list_files", "profile", "notes", "history")]
    for name, arguments in asked:
        told = str(workshop.call(name, arguments))
        assert "8191.5" not in told and "hidden figure" not in told


def test_a_verdict_of_the_harness_never_reaches_the_engineer_as_his(ledger: SqlLedger, tmp_path: Path) -> None:
    bench = ModelBench(tmp_path)
    answers = iter((Verdict("harness_error", "the worker died"), bench.check))

    def judge(candidate: object, seed: int, progress: object) -> Verdict:
        answer = next(answers)
        return answer if isinstance(answer, Verdict) else answer(candidate)  # type: ignore[arg-type]

    recorder = RunRecorder(ledger, "r", "5ec2e7", Hands(judge, lambda line: None))
    assert bench.tools(recorder).evaluate(SOURCE)["status"] == "accepted"
