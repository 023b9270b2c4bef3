"""kill -9 at any moment: nothing accepted is lost, nothing is doubled, the run ends as if uninterrupted."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kernelwright.ledger import SqlLedger
from kernelwright.runs import conduct_run, fold, open_run
from tests.runs.scripted import ScriptedBench, ScriptedEngineer, script, setup


def work_and_kill(url: str, after_s: float) -> bool:
    """Return whether the worker was killed, not done, `after_s` after its first line."""
    command = [sys.executable, "-m", "tests.runs.scripted", url, "r", "0.01"]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    worker.stdout.readline()
    time.sleep(after_s)
    worker.kill()
    worker.stdout.read()
    worker.stdout.close()
    return worker.wait() != 0


def check_equal_to_whole(url: str, folder: Path) -> None:
    whole, ledger = SqlLedger(f"sqlite:///{folder / 'whole.db'}"), SqlLedger(url)
    open_run(whole, "r", setup())
    conduct_run(whole, "r", lambda given, hidden: ScriptedBench(ScriptedEngineer(script(30))), lambda line: None)
    state, expected = fold(ledger.entries("r")), fold(whole.entries("r"))
    assert ledger.check_chain("r") == ()
    assert state.phase == "closed"
    assert state.evaluations == expected.evaluations
    assert (state.counted, state.best, state.redesigns) == (expected.counted, expected.best, expected.redesigns)
    assert (state.tool_calls, state.notes) == (expected.tool_calls, expected.notes)


def kill_until_done(tmp_path: Path, draw: random.Random, longest_s: float) -> int:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = SqlLedger(url)
    open_run(ledger, "r", setup())
    ledger.close()
    kills, seen = 0, 0
    while work_and_kill(url, draw.uniform(0, longest_s)):
        kills += 1
        entries = SqlLedger(url).entries("r")
        assert len(entries) >= seen
        seen = len(entries)
    check_equal_to_whole(url, tmp_path)
    return kills


def test_a_run_killed_several_times_ends_as_if_uninterrupted(tmp_path: Path) -> None:
    assert kill_until_done(tmp_path, random.Random(5), 0.6) > 0


@pytest.mark.slow
def test_a_run_killed_very_often_ends_as_if_uninterrupted(tmp_path: Path) -> None:
    draw = random.Random(17)
    kills = 0
    for number in range(8):
        (tmp_path / str(number)).mkdir()
        kills += kill_until_done(tmp_path / str(number), draw, 0.3)
    assert kills > 20
