"""A run from opening to closing, its budgets, its resume and what people may ask of it."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import HarnessError, RequestError
from kernelwright.core.final import Setup
from kernelwright.core.protocols import Tools
from kernelwright.core.rates import TrueRate
from kernelwright.core.verdict import Verdict
from kernelwright.ledger import SqlLedger
from kernelwright.runs import RunRecorder, RunState, conduct_run, fold, open_run, summarise
from kernelwright.runs.recorder import Hands
from tests.runs.scripted import ScriptedBench, ScriptedEngineer, candidate, script, setup


def open_ledger(folder: Path) -> SqlLedger:
    return SqlLedger(f"sqlite:///{folder / 'ledger.db'}")


def start(ledger: SqlLedger, bench: ScriptedBench, given: Setup | None = None) -> RunState:
    if "r" not in ledger.runs():
        open_run(ledger, "r", given or setup())
    try:
        return conduct_run(ledger, "r", lambda given, hidden: bench, lambda line: None, lambda seconds: None)
    finally:
        ledger.close()


def test_a_run_ends_when_its_evaluations_are_spent_and_measures_the_best_again(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    state = start(ledger, ScriptedBench(ScriptedEngineer(script(30))))
    assert (state.counted, state.end_reason, state.phase) == (20, "evaluations are spent", "closed")
    kinds = [entry.kind for entry in ledger.entries("r")]
    assert kinds[:4] == ["opened", "session", "reference", "tool_call"]
    assert kinds[-4:] == ["work_ended", "baseline_tuned", "final", "closed"]
    assert ledger.check_chain("r") == ()
    summary = summarise(ledger.entries("r"))
    assert summary.geomean_speedup == 2.43
    assert (summary.evaluations, summary.redesigns, summary.final_status) == (20, 3, "accepted")
    assert summary.speedup_vs_tuned_baseline == pytest.approx(2.43 / 1.5)
    assert summary.ledger_head == ledger.entries("r")[-1].digest
    assert summary.tool_calls == kinds.count("tool_call")


def test_a_run_without_a_kernel_that_beats_the_reference_never_counts_as_a_success(tmp_path: Path) -> None:
    bench = ScriptedBench(ScriptedEngineer((candidate(0.9, "slow"), candidate(2.0, "wrong", status="incorrect"))))
    state = start(open_ledger(tmp_path), bench)
    assert (state.best, state.final) == (None, None)
    assert summarise(open_ledger(tmp_path).entries("r")).final_status == "no_candidate"


def test_the_secret_is_committed_first_and_revealed_last(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    start(ledger, ScriptedBench(ScriptedEngineer(script(2))))
    entries = ledger.entries("r")
    secret = str(entries[-1].payload["secret"])
    assert hashlib.sha256(secret.encode()).hexdigest() == entries[0].payload["secret_sha256"]
    assert all(secret not in str(entry.payload) for entry in entries[:-1])


def test_what_is_true_of_the_chip_is_told_by_the_last_entry_and_by_none_before(tmp_path: Path) -> None:
    ledger, truth = open_ledger(tmp_path), (TrueRate("units", 39.0, "", "published", "units that can be used"),)
    state = start(ledger, ScriptedBench(ScriptedEngineer(script(2)), truth=truth))
    entries = ledger.entries("r")
    assert state.true_rates == truth
    assert fold(entries[:-1]).true_rates == ()
    assert all("units that can be used" not in str(entry.payload) for entry in entries[:-1])


def test_a_run_on_a_real_chip_and_one_closed_before_rates_were_told_hold_none(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    assert start(ledger, ScriptedBench(ScriptedEngineer(script(2)))).true_rates == ()
    assert set(ledger.entries("r")[-1].payload) == {"reason", "secret"}


def test_equal_sources_and_equal_kernels_count_once(tmp_path: Path) -> None:
    same_ir = candidate(1.3, "a", plan="p") + "# a comment\n"
    sources = (candidate(1.3, "a", plan="p"), candidate(1.3, "a", plan="p"), same_ir, candidate(1.4, "a"))
    bench = ScriptedBench(ScriptedEngineer(sources))
    state = start(open_ledger(tmp_path), bench)
    assert (state.counted, bench.judged, len(state.evaluations)) == (2, 3, 3)
    assert [evaluation.repeats for evaluation in state.evaluations] == [None, 1, None]


def test_a_candidate_within_noise_of_the_best_is_not_promoted(tmp_path: Path) -> None:
    sources = (candidate(1.5, "a"), candidate(1.51, "b"), candidate(1.6, "c"))
    state = start(open_ledger(tmp_path), ScriptedBench(ScriptedEngineer(sources)))
    assert [evaluation.is_best for evaluation in state.evaluations] == [True, False, True]
    assert state.redesigns == 2


def test_an_architecture_that_was_measured_before_is_no_redesign_later(tmp_path: Path) -> None:
    sources = (candidate(1.5, "a"), candidate(1.2, "b"), candidate(1.9, "b"), candidate(2.5, "reference"))
    state = start(open_ledger(tmp_path), ScriptedBench(ScriptedEngineer(sources)))
    assert [evaluation.is_best for evaluation in state.evaluations] == [True, False, True, True]
    assert [evaluation.is_redesign for evaluation in state.evaluations] == [True, False, False, False]


def test_a_fault_of_the_harness_is_retried_and_never_counted(tmp_path: Path) -> None:
    ledger, bench = open_ledger(tmp_path), ScriptedBench(ScriptedEngineer(script(4)), faults=2)
    state = start(ledger, bench)
    assert (state.counted, state.harness_faults) == (4, 2)


def test_a_candidate_that_cannot_be_judged_is_told_so_costs_nothing_and_the_run_goes_on(tmp_path: Path) -> None:
    ledger, engineer = open_ledger(tmp_path), ScriptedEngineer(script(4))
    state = start(ledger, ScriptedBench(engineer, faults=3))
    assert [heard["status"] for heard in engineer.heard if "status" in heard][:2] == ["harness_error", "accepted"]
    assert (state.counted, state.harness_faults, state.is_closed) == (3, 3, True)
    assert [e.candidate_sha256 for e in state.evaluations] == [Candidate(source).sha256 for source in script(4)[1:]]


def test_a_judge_that_does_not_work_stops_the_run_and_leaves_it_resumable(tmp_path: Path) -> None:
    ledger, bench = open_ledger(tmp_path), ScriptedBench(ScriptedEngineer(script(4)), faults=9)
    with pytest.raises(HarnessError, match="failed 9 times in turn, nothing was counted"):
        start(ledger, bench)
    assert fold(ledger.entries("r")).counted == 0
    assert start(ledger, bench).counted > 0


def test_time_that_nobody_worked_is_not_spent(tmp_path: Path) -> None:
    now = [0]

    def clock_ns() -> int:
        now[0] += 1_000_000_000
        return now[0]

    ledger = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}", clock_ns)
    bench = ScriptedBench(ScriptedEngineer(script(4)), faults=9)
    with pytest.raises(HarnessError):
        start(ledger, bench)
    before_ns = fold(ledger.entries("r")).active_ns
    now[0] += 10**15
    assert start(ledger, bench).active_ns < before_ns + 100 * 10**9


def test_hours_end_a_run(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    state = start(ledger, ScriptedBench(ScriptedEngineer(script(30)), pace_s=0.03), setup(None, 0.4))
    assert state.end_reason == "hours are spent"
    assert 0 < state.counted < 30


def test_submit_ends_the_run_at_the_next_call(tmp_path: Path) -> None:
    state = start(open_ledger(tmp_path), ScriptedBench(ScriptedEngineer(script(3), submits=True)))
    assert state.is_submitted
    assert state.phase == "closed"


class Interrupt(Exception):
    """Stands for any end of the process."""


class InterruptedBench(ScriptedBench):
    def judge(self, candidate: Candidate, seed: int, progress: object) -> object:  # type: ignore[override]
        if self.judged == 6:
            raise Interrupt
        return super().judge(candidate, seed, lambda line: None)


def test_resume_replays_the_record_and_the_engineer_hears_the_same_again(tmp_path: Path) -> None:
    whole = ScriptedEngineer(script(12))
    start(open_ledger(tmp_path / "whole"), ScriptedBench(whole))
    with pytest.raises(Interrupt):
        start(open_ledger(tmp_path), InterruptedBench(ScriptedEngineer(script(12))))
    worker, ledger = ScriptedEngineer(script(12)), open_ledger(tmp_path)
    again = ScriptedBench(worker)
    state = start(ledger, again)
    assert worker.heard == whole.heard
    assert again.judged == 6
    expected = fold(open_ledger(tmp_path / "whole").entries("r"))
    assert state.evaluations[-1] == expected.evaluations[-1]
    assert (state.counted, state.tool_calls, state.notes) == (expected.counted, expected.tool_calls, expected.notes)


def test_an_engineer_that_goes_another_way_on_resume_pays_only_for_what_is_new(tmp_path: Path) -> None:
    with pytest.raises(Interrupt):
        start(open_ledger(tmp_path), InterruptedBench(ScriptedEngineer(script(12))))
    other = ScriptedBench(ScriptedEngineer(script(12)[::-1]))
    state = start(open_ledger(tmp_path), other)
    assert (state.counted, other.judged) == (12, 6)


def test_a_note_whose_call_was_cut_off_by_a_crash_stands_once(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)

    class Crashing(SqlLedger):
        """Ends the process, so to speak, between the first note and the entry of the call that wrote it."""

        def append(self, run, kind, payload, blobs=None):  # type: ignore[no-untyped-def]
            if kind == "tool_call" and payload["name"] == "notes":
                raise KeyboardInterrupt
            return super().append(run, kind, payload, blobs)

    ledger.close()
    crashing = Crashing(ledger.url)
    with pytest.raises(KeyboardInterrupt):
        start(crashing, ScriptedBench(ScriptedEngineer(script(3))))
    crashing.close()
    state = start(SqlLedger(ledger.url), ScriptedBench(ScriptedEngineer(script(3))))
    assert len(state.notes) == 1


def test_a_closed_run_is_not_worked_on_again(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    start(ledger, ScriptedBench(ScriptedEngineer(script(2))))
    count, again = len(ledger.entries("r")), ScriptedBench(ScriptedEngineer(script(9)))
    start(ledger, again)
    assert (len(ledger.entries("r")), again.judged) == (count, 0)


def test_steering_reaches_the_engineer_once_and_stop_ends_the_work(tmp_path: Path) -> None:
    ledger, engineer = open_ledger(tmp_path), ScriptedEngineer(script(30))
    ledger.request("r", "steer", "try split-KV")

    class Stopping(ScriptedBench):
        def judge(self, candidate: Candidate, seed: int, progress: object) -> object:  # type: ignore[override]
            if self.judged == 2:
                ledger.request("r", "stop")
            return super().judge(candidate, seed, lambda line: None)

    state = start(ledger, Stopping(engineer))
    assert [heard["steer"] for heard in engineer.heard if "steer" in heard] == [["try split-KV"]]
    assert (state.end_reason, state.counted, state.phase) == ("stopped on request", 3, "closed")


def test_a_run_is_resumed_only_where_its_secret_is(tmp_path: Path) -> None:
    ledger, copy = open_ledger(tmp_path / "a"), open_ledger(tmp_path / "b")
    open_run(ledger, "r", setup())
    copy.insert_rows(ledger.rows("r"))
    with pytest.raises(RequestError, match="must be resumed with the ledger that opened it"):
        start(copy, ScriptedBench(ScriptedEngineer(script(2))))


def test_a_refused_call_is_an_entry_and_is_refused_again_on_replay(tmp_path: Path) -> None:
    class Clumsy(ScriptedEngineer):
        def work(self, tools: Tools, seed: int) -> None:
            with pytest.raises(RequestError, match="page 'x' is not known"):
                tools.call("docs", {"page": "x"})
            super().work(tools, seed)

    with pytest.raises(Interrupt):
        start(open_ledger(tmp_path), InterruptedBench(Clumsy(script(12))))
    ledger, again = open_ledger(tmp_path), ScriptedBench(Clumsy(script(12)))
    start(ledger, again)
    assert again.judged == 6
    assert [e.payload["name"] for e in ledger.entries("r") if e.kind == "tool_call"].count("docs") == 1


def test_a_paused_run_waits_without_spending_time_until_it_is_resumed(tmp_path: Path) -> None:
    now = [0]

    def clock_ns() -> int:
        now[0] += 1_000_000
        return now[0]

    def sleep(seconds: float) -> None:
        now[0] += 10**15
        ledger.request("r", "resume")

    ledger = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}", clock_ns)
    open_run(ledger, "r", setup())
    bench = ScriptedBench(ScriptedEngineer(()))
    secret = ledger.sealed("r") or ""
    recorder = RunRecorder(ledger, "r", secret, Hands(bench.judge, lambda line: None, sleep, clock_ns))
    ledger.request("r", "pause")
    assert recorder.tool_call("check", {}, lambda: {"ok": True}) == {"ok": True}
    assert [entry.kind for entry in ledger.entries("r")] == ["opened", "paused", "resumed", "tool_call"]
    assert recorder.state.active_ns < 10**9


class Talker:
    """Tries one source, says what a model took for it, and never makes the same calls twice."""

    name = "talker"
    repeats_calls = False

    def __init__(self, tokens: int) -> None:
        self.tokens, self.seen = tokens, 0

    def work(self, tools: Tools, seed: int) -> None:
        while True:
            self.seen = len(tools.history())
            tools.remark("model_usage", {"model": "m", "input_tokens": self.tokens, "output_tokens": 1, "usd": 0.25})
            tools.evaluate(candidate(1.5 + 0.1 * self.seen, "a"), "a turn")


@pytest.mark.parametrize(
    ("limits", "reason", "counted"),
    [({"tokens": 300}, "tokens are spent", 2), ({"usd": 0.6}, "money is spent", 2), ({}, "evaluations are spent", 20)],
)
def test_what_language_models_take_is_a_budget(
    tmp_path: Path, limits: dict[str, float], reason: str, counted: int
) -> None:
    ledger = open_ledger(tmp_path)
    state = start(ledger, ScriptedBench(Talker(100)), replace(setup(), **limits))  # type: ignore[arg-type]
    assert (state.end_reason, state.counted) == (reason, counted)
    assert state.tokens == 101 * (counted + 1)
    assert state.usd == pytest.approx(0.25 * (counted + 1))


def test_an_engineer_that_does_not_repeat_its_calls_goes_on_live_after_a_crash(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    open_run(ledger, "r", setup())
    bench, talker = ScriptedBench(Talker(1)), Talker(1)

    def broken(candidate: Candidate, seed: int, progress: object) -> Verdict:
        if bench.judged == 5:
            raise KeyboardInterrupt
        return ScriptedBench.judge(bench, candidate, seed, lambda line: None)

    bench.judge = broken  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        start(ledger, bench)
    assert start(open_ledger(tmp_path), ScriptedBench(talker)).counted == 20
    assert talker.seen == 20


def test_remarks_have_known_kinds_and_an_outage_stops_the_clock(tmp_path: Path) -> None:
    now = [0]

    def clock_ns() -> int:
        now[0] += 10**9
        return now[0]

    ledger = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}", clock_ns)
    open_run(ledger, "r", setup())
    hands = Hands(ScriptedBench(Talker(1)).judge, lambda line: None, clock_ns=clock_ns)
    recorder = RunRecorder(ledger, "r", ledger.sealed("r") or "", hands, replays=False)
    with pytest.raises(ValueError, match="an engineer may write client, compaction"):
        recorder.remark("evaluation", {})
    recorder.remark("nudge", {"text": "go on"})
    before = recorder.state.active_ns
    now[0] += 3600 * 10**9
    recorder.remark("outage", {"reason": "the provider answers 503", "lost_ns": 3600 * 10**9})
    assert recorder.state.active_ns - before < 10 * 10**9


def test_calls_say_who_made_them(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    open_run(ledger, "r", setup())
    bench = ScriptedBench(Talker(1))
    recorder = RunRecorder(ledger, "r", ledger.sealed("r") or "", Hands(bench.judge, lambda line: None))
    recorder.tool_call("check", {}, lambda: {"ok": True}, "first")
    recorder.tool_call("check", {}, lambda: {"ok": True})
    assert [entry.payload.get("client") for entry in ledger.entries("r") if entry.kind == "tool_call"] == [
        "first",
        None,
    ]
