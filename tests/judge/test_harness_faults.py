"""Faults of the machine, injected for real, are never the candidate's: judged again, or told as harness_error."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernelwright.chips.catalogue import load_chip
from kernelwright.core.candidate import Candidate
from kernelwright.core.problem import Suite
from kernelwright.core.verdict import Verdict
from kernelwright.judge import CandidateJudge
from kernelwright.problems.extend_attention import PROBLEM
from kernelwright.sandbox import CaptureService

SECRET = 20261122
WORKER, CHILD = "kernelwright.chips.cpu.worker", "kernelwright.sandbox.child"
POLL_S = 0.02


@pytest.fixture
def judge() -> Iterator[CandidateJudge]:
    suite = PROBLEM.suite("smoke", SECRET)
    small = Suite("smoke", tuple(w for w in suite.workloads if w.name in ("cold-vision", "ragged")))
    with CaptureService() as capture:
        made = CandidateJudge(PROBLEM, small, load_chip("cpu"), capture, SECRET)
        yield made
        made.close()


def _judged(judge: CandidateJudge, said: Callable[[str], None] = lambda _line: None) -> Verdict:
    return judge(Candidate(PROBLEM.baselines.reference()), 1, said)


def _processes_of(module: str) -> list[int]:
    """Return the processes below this one that run `module`."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    family = {os.getpid()}
    found = []
    # Parents have smaller numbers than children unless numbers wrapped: go over the table until nothing is new.
    for _ in rows:
        before = len(family)
        family |= {int(pid) for pid, parent, _ in rows if int(parent) in family}
        if len(family) == before:
            break
    for pid, _, words in rows:
        if int(pid) in family and module in words:
            found.append(int(pid))
    return found


class Killer(threading.Thread):
    """Ends processes that run `module` from outside, as the machine does when memory is short: `times` of them."""

    def __init__(self, module: str, times: int, pause_s: float = 0.4) -> None:
        super().__init__(daemon=True)
        self.module, self.left, self.pause_s = module, times, pause_s
        self.stop = threading.Event()

    def run(self) -> None:
        while self.left and not self.stop.is_set():
            for pid in _processes_of(self.module)[:1]:
                self.stop.wait(self.pause_s)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.left -= 1
            time.sleep(POLL_S)


@pytest.mark.parametrize("module", [WORKER, CHILD])
def test_processes_killed_from_outside_cost_the_candidate_nothing(judge: CandidateJudge, module: str) -> None:
    killer = Killer(module, times=2)
    killer.start()
    verdict = _judged(judge)
    killer.stop.set()
    killer.join()
    assert killer.left < 2, "nothing was killed, so nothing was tested"
    verdicts = [verdict] if verdict.status != "harness_error" else [verdict, _judged(judge)]
    assert {v.status for v in verdicts} <= {"accepted", "harness_error"}, verdict.reason
    assert verdicts[-1].is_accepted, verdicts[-1].reason


def test_a_chip_whose_processes_die_all_the_time_is_a_harness_error_and_works_again_later(
    judge: CandidateJudge,
) -> None:
    killer = Killer(WORKER, times=10**6, pause_s=0.05)
    killer.start()
    verdict = _judged(judge)
    killer.stop.set()
    killer.join()
    assert verdict.status == "harness_error", verdict.reason
    assert "\n" not in verdict.reason and verdict.geomean_speedup is None
    assert _judged(judge).is_accepted


def test_a_missing_library_is_a_harness_error(
    judge: CandidateJudge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "llvmlite").mkdir()
    (tmp_path / "llvmlite" / "__init__.py").write_text("raise ImportError('libLLVM.so: cannot open shared object')\n")
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{before}")
    verdict = _judged(judge)
    assert verdict.status == "harness_error"
    assert "worker of chip cpu must start" in verdict.reason and "libLLVM.so" in verdict.reason
    monkeypatch.setenv("PYTHONPATH", before)
    assert _judged(judge).is_accepted


def test_a_state_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text("a file where the folder of caches should be")
    code = "import tests.judge.test_harness_faults as t; t.compile_once()"
    environment = {**os.environ, "KERNELWRIGHT_HOME": str(state)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def compile_once() -> None:
    """Check a kernel of the reference on the chip, with whatever caches there are."""
    suite = PROBLEM.suite("smoke", SECRET)
    with CaptureService() as capture:
        small = Suite("smoke", tuple(w for w in suite.workloads if w.name == "cold-vision"))
        judge = CandidateJudge(PROBLEM, small, load_chip("cpu"), capture, SECRET)
        verdict = judge.check(Candidate(PROBLEM.baselines.reference()), 1, lambda _line: None)
        judge.close()
    assert verdict.is_accepted, verdict.reason
