"""Engineers by name, and the one that plays a script."""

from pathlib import Path

import pytest

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.engineers.catalogue import engineer_names, engineers_for, load_engineer, require_fit
from kernelwright.engineers.scripted import ScriptedEngineer, ToolCall
from kernelwright.engineers.search import SearchEngineer
from kernelwright.engineers.search.architecture import Architecture, Design
from kernelwright.engineers.search.composer import compose
from kernelwright.ledger import SqlLedger
from kernelwright.runs import RunRecorder, open_run
from kernelwright.runs.recorder import Hands
from tests.engineers.modelled import ModelBench
from tests.runs.scripted import setup


def test_engineers_are_found_by_name() -> None:
    assert "search" in engineer_names()
    assert isinstance(load_engineer("search"), SearchEngineer)
    with pytest.raises(UnknownNameError, match="Did you mean 'search'"):
        load_engineer("serch")


def test_an_engineer_that_knows_only_some_problems_gets_no_other() -> None:
    require_fit("search", "extend-attention")
    assert "search" in engineers_for("extend-attention")
    assert "search" not in engineers_for("/home/somebody/extend-attention")
    with pytest.raises(
        RequestError, match=r"only extend-attention, got 'rms-norm-residual'; (--engineer can be|judge)"
    ):
        require_fit("search", "rms-norm-residual")


def test_a_script_is_played_in_order_and_a_refused_call_is_an_answer(tmp_path: Path) -> None:
    ledger = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}")
    open_run(ledger, "r", setup(evaluations=3))
    ledger.take("r")
    bench = ModelBench(tmp_path)
    source = compose(Design(Architecture(rows="group")))
    calls = (
        ToolCall("docs", {"page": "nothing"}),
        ToolCall("check", {"source": source}),
        ToolCall("evaluate", {"source": source, "note": "as scripted"}),
    )
    engineer = ScriptedEngineer(calls)
    engineer.work(bench.tools(RunRecorder(ledger, "r", "5ec2e7", Hands(bench.judge, lambda line: None))), seed=0)
    ledger.close()
    assert "page 'nothing' is not known" in str(engineer.answers[0]["refused"])
    assert [answer["status"] for answer in engineer.answers[1:]] == ["accepted", "accepted"]
    assert bench.sources == [source]
