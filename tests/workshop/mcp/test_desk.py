"""Where calls meet the tools: turns at the chip, the end of a run, shares of clients."""

import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from kernelwright.core.errors import HarnessError, RequestError
from kernelwright.core.protocols import BudgetSpent
from kernelwright.ledger import SqlLedger
from kernelwright.runs import RunRecorder, open_run
from kernelwright.runs.recorder import Hands
from kernelwright.workshop.mcp.desk import Desk
from kernelwright.workshop.mcp.shares import Shares
from tests.runs.scripted import setup, verdict_of
from tests.workshop.mcp.benches import SOURCE, Worked, worked
from tests.workshop.mcp.scripted_server import PaperBench

T = TypeVar("T")
Future = concurrent.futures.Future


def aside(function: Callable[..., T], *arguments: object) -> "Future[T]":
    """Call a function in a thread that no failing test waits for; return its future."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


@contextlib.contextmanager
def attended(desk: Desk, run: Worked) -> Iterator["Future[None]"]:
    """Let a thread work at the desk until the run ends, at the latest with the context; yields how the work ended."""
    work = aside(desk.work, run.tools)
    try:
        yield work
    finally:
        run.gate.set()
        run.ledger.request("r", "stop")
        work.exception(60)


def test_chip_calls_wait_for_each_other_and_quick_ones_do_not(tmp_path: Path) -> None:
    desk = Desk()
    with worked(tmp_path, gated=True) as run, attended(desk, run):
        first = aside(desk.call, "evaluate", {"source": SOURCE}, "a")
        second = aside(desk.call, "evaluate", {"source": SOURCE + "# b\n"}, "b")
        assert desk.call("list_files", {}, "c") == {"files": []}
        assert not first.done() and not second.done()
        run.gate.set()
        assert {first.result(60)["evaluation"], second.result(60)["evaluation"]} == {1, 2}
        told = [(entry["name"], entry["client"]) for entry in run.calls()]
        assert told[0] == ("list_files", "c")
        assert sorted(told[1:]) == [("evaluate", "a"), ("evaluate", "b")]


def test_calls_before_the_run_is_open_wait_for_it(tmp_path: Path) -> None:
    desk = Desk()
    with worked(tmp_path) as run:
        early = aside(desk.call, "list_files", {}, "a")
        assert desk.is_wanted.wait(60)
        with attended(desk, run):
            assert early.result(60) == {"files": []}


def test_a_run_that_is_stopped_while_nobody_calls_ends(tmp_path: Path) -> None:
    desk = Desk()
    with worked(tmp_path) as run, attended(desk, run) as work:
        run.ledger.request("r", "stop")
        with pytest.raises(BudgetSpent, match="stopped on request"):
            work.result(60)
        answer = desk.call("evaluate", {"source": SOURCE}, "late")["run"]
        assert isinstance(answer, dict)
        assert (answer["state"], answer["reason"]) == ("judging", "stopped on request")
        desk.tell(state="closed", result={"geomean_speedup": 2.0})
        assert desk.call("notes", {}, "late") == {"run": desk.state()}
        assert not run.calls()


def test_hours_end_while_nobody_calls(tmp_path: Path) -> None:
    now_ns = [0]
    ledger = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}", lambda: now_ns[0])
    open_run(ledger, "r", setup(evaluations=None, seconds=3600))
    ledger.append("r", "session", {"phase": "working"})
    hands = Hands(lambda candidate, seed, progress: verdict_of(""), lambda line: None, clock_ns=lambda: now_ns[0])
    recorder = RunRecorder(ledger, "r", "5ec2e7", hands, replays=False)
    worker = PaperBench(tmp_path / "files", None)  # type: ignore[arg-type]  # nobody works
    desk = Desk()
    work = aside(desk.work, worker.tools(recorder))
    assert desk.call("list_files", {}, "a") == {"files": []}
    now_ns[0] = 2 * 3600 * 10**9
    with pytest.raises(BudgetSpent, match="hours are spent"):
        work.result(60)
    ledger.close()


def test_what_breaks_the_run_is_told_to_everyone_and_ends_the_work(tmp_path: Path) -> None:
    class Broken:
        def heed(self) -> bool:
            return False

        def call(self, name: str, arguments: Mapping[str, object], client: str = "") -> Mapping[str, object]:
            raise HarnessError("the judge failed 9 times in turn")

    desk = Desk()
    work = aside(desk.work, Broken())
    with pytest.raises(HarnessError, match="9 times"):
        desk.call("evaluate", {"source": SOURCE}, "a")
    with pytest.raises(HarnessError, match="9 times"):
        work.result(60)
    with pytest.raises(HarnessError, match="9 times"):
        desk.call("notes", {}, "b")


def test_work_that_ended_early_goes_on_when_someone_attends_again(tmp_path: Path) -> None:
    class AwayError(Exception):
        """The client's process has ended."""

    def watch() -> None:
        raise AwayError

    desk = Desk()
    with worked(tmp_path) as run:
        with pytest.raises(AwayError):
            desk.work(run.tools, watch)
        waiting = aside(desk.call, "list_files", {}, "a")
        with attended(desk, run):
            assert waiting.result(60) == {"files": []}


def test_a_share_is_spent_by_its_client_alone_and_outlives_the_process(tmp_path: Path) -> None:
    first = Desk(Shares(each=1))
    with worked(tmp_path, evaluations=9) as run:
        with attended_once(first, run):
            answer = first.call("evaluate", {"source": SOURCE}, "a")
            assert answer["share_left"] == 0
            with pytest.raises(RequestError, match="client 'a' may use 1 evaluations"):
                first.call("evaluate", {"source": SOURCE + "# 2\n"}, "a")
            # What was judged costs nothing, and the other client's share is whole.
            assert first.call("evaluate", {"source": SOURCE}, "a")["repeats"] == 1
            assert first.call("brief", {}, "b")["share_left"] == 1
        later = Desk(Shares(each=1))
        later.shares.take_up(run.ledger.entries("r"))
        with attended_once(later, run):
            with pytest.raises(RequestError, match="client 'a' may use 1 evaluations"):
                later.call("evaluate", {"source": SOURCE + "# 3\n"}, "a")
            assert later.call("evaluate", {"source": SOURCE + "# 4\n"}, "b")["share_left"] == 0


def test_with_shares_the_run_is_submitted_when_every_client_has(tmp_path: Path) -> None:
    desk = Desk(Shares(each=2))
    with worked(tmp_path, evaluations=9) as run, attended(desk, run) as work:
        desk.call("evaluate", {"source": SOURCE}, "a")
        desk.call("brief", {}, "b")
        assert desk.call("submit", {}, "a") == {"finished": "a", "run_goes_on_with": ["b"]}
        with pytest.raises(RequestError, match="'a' has submitted"):
            desk.call("evaluate", {"source": SOURCE + "# 2\n"}, "a")
        assert desk.call("submit", {}, "b")["submitted"] == 1
        with pytest.raises(BudgetSpent, match="submitted by the engineer"):
            work.result(60)
        marks = [entry.payload for entry in run.ledger.entries("r") if entry.kind == "client"]
        assert [mark["client"] for mark in marks] == ["a", "b"]


@contextlib.contextmanager
def attended_once(desk: Desk, run: Worked) -> Iterator[None]:
    """Let a thread work at the desk until the context ends; the run stays open."""

    class LeftError(Exception):
        """The context has ended."""

    left = threading.Event()

    def watch() -> None:
        if left.is_set():
            raise LeftError

    work = aside(desk.work, run.tools, watch)
    try:
        yield
    finally:
        left.set()
        with pytest.raises(LeftError):
            work.result(60)
