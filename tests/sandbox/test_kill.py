"""What passes its limit is gone with all that it started, within two seconds, as the process table says."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import RequestError
from kernelwright.core.fault import Fault
from kernelwright.sandbox import CaptureService, Limits, Sandbox, choose_sandbox
from tests.sandbox.candidates import ADD, call, source

GONE_S = 2.0
STUBBORN = """
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
for attempt in (os.fork, os.setsid, lambda: os.setpgid(0, 0), lambda: ctypes.CDLL(None).prctl(1, 0, 0, 0, 0),
                lambda: subprocess.Popen(["/bin/sleep", "60"])):
    try:
        attempt()
    except OSError:
        pass
END
"""
IMPORTS = "import ctypes, os, signal, subprocess, time\n\n\n"


def stubborn(end: str) -> str:
    """Return a candidate that starts what it can, cannot be asked to stop, and then does `end`."""
    return source(STUBBORN.replace("END", end), IMPORTS)


@pytest.fixture(params=["bubblewrap", "bubblewrap, a process each", "sandlock", "unsafe"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    if request.param == "unsafe":
        return choose_sandbox(unsafe=True)
    if request.param == "sandlock":
        try:
            return choose_sandbox(bubblewraps=[])
        except RequestError as error:
            pytest.skip(str(error))
    return replace(choose_sandbox(), nested=request.param == "bubblewrap")


def started_by(process: int) -> set[int]:
    """Return the numbers of all processes below `process`, whatever session or namespace they are in."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    pending = [process]
    while pending:
        above = pending.pop()
        below = {number for number, parent in parents.items() if parent == above} - found
        found |= below
        pending += below
    return found


def alive(processes: set[int]) -> set[int]:
    """Return those that still run; what is dead and only not yet collected by its parent does not."""
    running = set()
    for number in processes:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X"):
                running.add(number)
    return running


def left_after(processes: set[int], seconds: float = GONE_S) -> set[int]:
    """Return those of `processes` that run on after some seconds; at once when none does."""
    deadline = time.monotonic() + seconds
    while alive(processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive(processes)


@contextlib.contextmanager
def watched(process: int) -> Iterator[set[int]]:
    """Collect the numbers of all processes below `process` while the block runs."""
    seen: set[int] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            seen.update(started_by(process))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


@pytest.mark.parametrize("end", ["time.sleep(60)", "while True: pass"])
def test_a_candidate_that_will_not_stop_is_gone_with_all_it_started(sandbox: Sandbox, end: str) -> None:
    with CaptureService(sandbox, Limits(call_s=1)) as service:
        service.prepare(wait=True)
        assert service._spare is not None
        warm = service._spare.number
        before = started_by(warm) | {warm}
        with watched(warm) as seen:
            fault = service._capture(Candidate(stubborn(end)), "go", [call()])
        mine = seen - before
        assert isinstance(fault, Fault) and fault.status == "timeout", fault
        assert len(mine) >= 3
        assert left_after(mine) == set()
        assert isinstance(service(Candidate(source(ADD)), "go", [call()]), tuple)


def test_what_runs_ends_with_the_supervisor_when_that_is_killed(sandbox: Sandbox) -> None:
    script = f"""
    from kernelwright.core.candidate import Candidate
    from kernelwright.sandbox import CaptureService, Limits, Sandbox
    from tests.sandbox.candidates import call

    service = CaptureService({sandbox!r}, Limits(call_s=60))
    service.prepare(wait=True)
    print("ready", flush=True)
    service._capture(Candidate({stubborn("time.sleep(60)")!r}), "go", [call()])
    """
    supervisor = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        assert supervisor.stdout is not None and supervisor.stdout.readline() == b"ready\n"
        warm = len(started_by(supervisor.pid))
        deadline = time.monotonic() + 30
        while len(started_by(supervisor.pid)) < warm + 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
        below = started_by(supervisor.pid)
        assert len(below) >= warm + 2
        os.kill(supervisor.pid, signal.SIGKILL)
        assert left_after(below) == set()
    finally:
        supervisor.kill()
        supervisor.communicate()
