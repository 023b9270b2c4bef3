"""The first process of a cell: forks the two that run one candidate, and passes on what they say."""

import fcntl
import json
import os
import select
import sys
from collections.abc import Sequence
from typing import Any

from kernelwright.core.codec import from_json
from kernelwright.core.problem import Argument
from kernelwright.sandbox.child import seccomp
from kernelwright.sandbox.child.confine import confine_process
from kernelwright.sandbox.child.disk import WATCH_S, is_over_limit
from kernelwright.sandbox.child.worker import Worker
from kernelwright.sandbox.lines import Lines

# A kernel's IR has 2 MiB at most, written as JSON twice that; a plan of all launches that are allowed stays below.
MAX_LINE_BYTES = 16 << 20
CHANNEL = 3

Calls = Sequence[Sequence[Argument]]


def capture_in_pair(line: bytes, mapped: int) -> None:
    """Serve the request `line`; a process may map what it asks for besides the `mapped` bytes."""
    request = json.loads(line)
    calls = from_json(tuple[tuple[Argument, ...], ...], request["calls"], "calls")
    forward = list(range(len(calls)))
    # The second process takes the calls in reverse order and once: state carried from call to call shows,
    # and the two fill the shared cache of compiled kernels from both ends.
    rounds = {"A": [forward, forward], "B": [forward[::-1]]}
    limit = request["memory_bytes"], mapped
    Pair({name: _fork(name, request, calls, plan, limit) for name, plan in rounds.items()}).supervise()


def _fork(
    name: str, request: dict[str, Any], calls: Calls, rounds: list[list[int]], limit: tuple[int, int]
) -> tuple[int, int]:
    """Return (process, reading end of its channel)."""
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return process, reader
    status = 1
    try:
        seccomp.end_with_parent()
        _become_worker(name, writer)
        # Moves the heap, so that plans that depend on addresses or identities differ between the two.
        padding = [object() for _ in range(1000 * (name == "B"))]
        worker = Worker(request["source"], request["entry"], calls, request["cores"], CHANNEL)
        confine_process(*limit)
        worker.work(rounds)
        del padding
        status = 0
    finally:
        os._exit(status)


def _become_worker(name: str, writer: int) -> None:
    """Take over standard streams and the channel, close every other descriptor."""
    null = os.open("/dev/null", os.O_RDWR)
    scratch = os.environ["HOME"]
    errors = os.open(f"{scratch}/worker-{name}.err", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    # Moved out of the way first: any of the three may already lie where another must go.
    null, errors, writer = (fcntl.fcntl(old, fcntl.F_DUPFD, CHANNEL + 1) for old in (null, errors, writer))
    for source, target in ((null, 0), (null, 1), (errors, 2), (writer, CHANNEL)):
        os.dup2(source, target)
    os.closerange(CHANNEL + 1, os.sysconf("SC_OPEN_MAX"))
    # Only native code writes to the file: what candidate code prints goes nowhere.
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # lives as long as the process


class Pair:
    """The two workers; `supervise` relays their lines until both have ended."""

    def __init__(self, workers: dict[str, tuple[int, int]]) -> None:
        self._processes = {name: process for name, (process, _) in workers.items()}
        self._names = {reader: name for name, (_, reader) in workers.items()}
        self._lines = {reader: Lines() for reader in self._names}

    def supervise(self) -> None:
        """Pass on what workers say, line by line, each under its own name."""
        # A file system of the cell's own has a size; any other folder is watched.
        watched = "" if os.path.ismount(os.environ["HOME"]) else os.environ["HOME"]
        while self._names:
            for reader in select.select(list(self._names), [], [], WATCH_S if watched else None)[0]:
                self._relay(reader)
            if watched and is_over_limit(watched):
                for name in list(self._names.values()):
                    os.kill(self._processes[name], 9)
                _say({"event": "disk"})
                return

    def _relay(self, reader: int) -> None:
        data = os.read(reader, 1 << 20)
        name = self._names[reader]
        lines = self._lines[reader].add(data)
        if lines:
            _write(b"".join(name.encode() + b" " + line + b"\n" for line in lines))
        if not data or len(self._lines[reader]) > MAX_LINE_BYTES:
            os.close(reader)
            del self._names[reader]
            self._report_end(name)

    def _report_end(self, name: str) -> None:
        """Say how a worker ended that has closed its channel, or must end because its line does not."""
        process = self._processes[name]
        os.kill(process, 9)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        _say({"event": "ended", "worker": name, "code": code})


def _say(message: dict[str, object]) -> None:
    _write(b"= " + json.dumps(message).encode() + b"\n")


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
