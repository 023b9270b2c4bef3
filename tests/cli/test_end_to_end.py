"""The real thing, small: a run on this CPU, killed, resumed, interrupted, verified."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from kernelwright.ledger import SqlLedger
from kernelwright.runs import RunState, fold
from tests.cli.commands import command, environment, run

pytestmark = pytest.mark.slow

RUN = ("run", "extend-attention", "--chip", "cpu", "--engineer", "search", "--suite", "smoke", "--evals", "6", "--json")
FIELDS = {
    "run", "chip", "engineer", "evaluations", "tool_calls", "redesigns", "wall_s", "geomean_speedup", "ci95",
    "speedup_vs_tuned_baseline", "speedup_vs_library", "roofline_fraction", "final_status", "ledger_head",
}  # fmt: skip


def state_of(home: Path) -> RunState:
    ledger = SqlLedger(f"sqlite:///{home / 'ledger.db'}")
    (name,) = ledger.runs()
    assert ledger.check_chain(name) == ()
    state = fold(ledger.entries(name))
    ledger.close()
    return state


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(home)
    )


def wait_for(home: Path, evaluations: int) -> None:
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        ledger = SqlLedger(f"sqlite:///{home / 'ledger.db'}")
        runs = ledger.runs()
        ledger.close()
        if runs and state_of(home).counted >= evaluations:
            return
        time.sleep(0.5)
    raise AssertionError(f"no {evaluations} evaluations in time")


def test_a_run_killed_and_interrupted_ends_with_a_kernel_that_verify_confirms(tmp_path: Path) -> None:
    killed = start(tmp_path, *RUN)
    wait_for(tmp_path, 1)
    killed.kill()
    killed.communicate()
    counted = state_of(tmp_path).counted

    ledger = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}")
    (name,) = ledger.runs()
    ledger.close()
    interrupted = start(tmp_path, "resume", name)
    wait_for(tmp_path, counted + 1)
    interrupted.send_signal(signal.SIGINT)
    _, said = interrupted.communicate(timeout=120)
    assert interrupted.returncode == 130
    assert f"kernelwright resume {name}" in said
    assert "Traceback" not in said

    ran = run(tmp_path, "resume", name, "--json", timeout=1800)
    assert ran.code in (0, 1)
    assert set(ran.json) >= FIELDS
    state = state_of(tmp_path)
    assert (state.phase, state.counted) == ("closed", 6)
    sources = [evaluation.candidate_sha256 for evaluation in state.evaluations]
    assert len(sources) == len(set(sources))
    if state.best is not None:
        bundle = tmp_path / "run.tar.gz"
        assert run(tmp_path, "export", name, str(bundle)).code == 0
        verified = run(tmp_path, "verify", str(bundle), "--json", timeout=900)
        assert verified.json["chain_ok"] is True
        assert verified.json["measured"] is not None


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        ("def extend_attention_fwd(:\n", "compile_error", "syntax"),
        ("import os\n\ndef extend_attention_fwd(*a, **k):\n    pass\n", "cheating", "os"),
    ],
)
def test_a_bad_candidate_gets_a_status_and_a_reason_to_act_on(
    tmp_path: Path, source: str, status: str, words: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(source)
    options = ("--chip", "cpu", "--candidate", str(file), "--suite", "smoke", "--json")
    ran = run(tmp_path, "judge", "extend-attention", *options, timeout=600)
    assert (ran.code, ran.json["status"]) == (1, status)
    assert words in str(ran.json["reason"]).lower()
