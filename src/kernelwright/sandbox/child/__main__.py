"""The process that stands ready: imports torch and triton, then forks the two that run one candidate.

It reads one JSON line from standard input and writes lines to standard output: `A` or `B`, a space and
what that worker said, or `=`, a space and how a worker ended. It ends with its workers.
"""

import gc
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
from kernelwright.sandbox.child.warm import warm_up
from kernelwright.sandbox.child.worker import Worker

MAX_LINE_BYTES = 32 << 20


def main() -> None:
    """Serve one request."""
    seccomp.hide_memory()
    warm_up()
    _write(b'= {"event": "ready"}\n')
    line = sys.stdin.buffer.readline()
    if not line:
        return
    request = json.loads(line)
    calls = from_json(tuple[tuple[Argument, ...], ...], request["calls"], "calls")
    gc.collect()
    gc.freeze()
    forward = list(range(len(calls)))
    # The second process takes the calls in reverse order and once: state carried from call to call shows,
    # and the two fill the shared cache of compiled kernels from both ends.
    rounds = {b"A": [forward, forward], b"B": [forward[::-1]]}
    _supervise({name: _fork(name.decode(), request, calls, plan) for name, plan in rounds.items()})


def _fork(name: str, request: dict[str, Any], calls: Sequence[Sequence[Argument]], rounds: list[list[int]]) -> Any:
    """Return (process, reading end of its channel)."""
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return process, reader
    status = 1
    try:
        os.close(reader)
        channel = _become_worker(name, writer)
        # Moves the heap, so that plans that depend on addresses or identities differ between the two.
        padding = [object() for _ in range(1000 * (name == "B"))]
        worker = Worker(request["source"], request["entry"], calls, channel)
        confine_process(request["memory_bytes"])
        worker.work(rounds)
        del padding
        status = 0
    finally:
        os._exit(status)


def _become_worker(name: str, writer: int) -> int:
    """Take over standard streams, close every inherited descriptor; return the channel's number."""
    null = os.open("/dev/null", os.O_RDWR)
    scratch = os.environ["HOME"]
    errors = os.open(f"{scratch}/worker-{name}.err", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    channel = 3
    for source, target in ((null, 0), (null, 1), (errors, 2)):
        os.dup2(source, target)
    if writer != channel:
        os.dup2(writer, channel)
    os.closerange(channel + 1, 1 << 10)
    # Only native code writes to the file: what candidate code prints goes nowhere.
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # lives as long as the process
    return channel


def _supervise(workers: dict[bytes, Any]) -> None:
    """Pass on what workers say, line by line, until both have ended."""
    names = {reader: name for name, (_, reader) in workers.items()}
    pending = dict.fromkeys(names, b"")
    while names:
        for reader in select.select(list(names), [], [])[0]:
            data = os.read(reader, 1 << 20)
            *lines, rest = (pending[reader] + data).split(b"\n")
            pending[reader] = rest
            for line in lines:
                _write(names[reader] + b" " + line + b"\n")
            if not data or len(rest) > MAX_LINE_BYTES:
                os.close(reader)
                name = names.pop(reader)
                _report_end(name, workers[name][0], overlong=bool(data))


def _report_end(name: bytes, process: int, overlong: bool) -> None:
    if overlong:
        os.kill(process, 9)
    status = os.waitpid(process, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    _write(b"= " + json.dumps({"event": "ended", "worker": name.decode(), "code": code}).encode() + b"\n")


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    main()
