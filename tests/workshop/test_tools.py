"""The tools over a real run: recorded, checked, bounded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
from tests.engineers.modelled import ModelBench
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


def test_notes_outlive_the_engineer_and_answers_are_bounded(workshop: Workshop) -> None:
    workshop.note("try larger tiles")
    assert workshop.notes() == ("try larger tiles",)
    for _ in range(9):
        workshop.note("n" * 7000)
    answer = workshop.call("notes", {})
    assert sum(len(text) for text in workshop.notes()) <= READ_LIMIT
    assert answer["left_out"] == 10 - len(workshop.notes())
    workshop.call("write_file", {"path": "long.txt", "text": "y" * (READ_LIMIT + 5)})
    page = workshop.call("read_file", {"path": "long.txt"})
    assert (len(str(page["text"])), page["next_offset"]) == (READ_LIMIT, READ_LIMIT)
    rest = workshop.call("read_file", {"path": "long.txt", "offset": READ_LIMIT})
    assert (rest["text"], rest["next_offset"]) == ("yyyyy", None)


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
