"""Candidate source in, launch plans out: the sandbox as the judge sees it."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

from kernelwright.core.candidate import Candidate
from kernelwright.core.codec import to_json
from kernelwright.core.errors import HarnessError
from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Argument
from kernelwright.sandbox.confinement import Confinement, Sandbox, choose_sandbox
from kernelwright.sandbox.conversation import Conversation
from kernelwright.sandbox.limits import Limits
from kernelwright.sandbox.process import SandboxedProcess
from kernelwright.sandbox.source import check_source

CHILD = "kernelwright.sandbox.child"
START_S = 60.0


class CaptureService:
    """Captures candidates, each in a process of its own; `prepare` keeps the next one ready.

    Starting costs two seconds of processor time, so it happens when asked for: by `prepare`, or at
    the latest by a capture. Processes are never used for a second candidate.
    """

    def __init__(self, sandbox: Sandbox | None = None, limits: Limits | None = None) -> None:
        self._sandbox = sandbox if sandbox is not None else choose_sandbox()
        self._limits = limits if limits is not None else Limits()
        self._spare: SandboxedProcess | None = None
        self._lock = threading.Lock()

    @property
    def confinement(self) -> Confinement:
        """Return how candidates are shut in; stamped on results."""
        return self._sandbox.confinement

    def prepare(self, wait: bool = False) -> None:
        """Start the next process in the background unless one stands ready; `wait` until it does.

        Call it from a thread that lives on: the process ends with the thread that started it.
        """
        with self._lock:
            if self._spare is None or not self._spare.is_running:
                if self._spare is not None:
                    self._spare.close()
                self._spare = SandboxedProcess(self._sandbox, CHILD)
            if wait:
                _await_ready(self._spare)

    def __call__(
        self, candidate: Candidate, entry: str, calls: Sequence[Sequence[Argument]]
    ) -> tuple[LaunchPlan, ...] | Fault:
        """Return one plan per call, or the first fault; `facts["call"]` is the call's index, -1 before any.

        The source is checked first. Each call is captured twice in one process and once in another;
        plans that differ are a fault of status `cheating`. Raises HarnessError for faults of ours.
        """
        found = check_source(candidate.source, entry)
        if found is not None:
            return replace(found, facts={**found.facts, "call": -1})
        request = {
            "source": candidate.source,
            "entry": entry,
            "calls": to_json(tuple(tuple(call) for call in calls)),
            "memory_bytes": self._limits.memory_bytes,
        }
        process = self._take()
        try:
            _await_ready(process)
            process.send(json.dumps(request).encode())
            return Conversation(process, self._limits, len(calls)).plans()
        finally:
            process.close()

    def close(self) -> None:
        """End the process that stands ready; safe to call twice."""
        with self._lock:
            if self._spare is not None:
                self._spare.close()
                self._spare = None

    def __enter__(self) -> "CaptureService":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> SandboxedProcess:
        self.prepare()
        with self._lock:
            process, self._spare = self._spare, None
        return process if process is not None else SandboxedProcess(self._sandbox, CHILD)


def capture(
    candidate: Candidate, entry: str, calls: Sequence[Sequence[Argument]], sandbox: Sandbox | None = None
) -> tuple[LaunchPlan, ...] | Fault:
    """Return one plan per call, or the first fault, from a service made for this one candidate."""
    with CaptureService(sandbox) as service:
        return service(candidate, entry, calls)


def capture_probe(service: CaptureService, source: str) -> LaunchPlan | Fault:
    """Return the plan of an engineer's own microbenchmark: a file that defines `probe()` without parameters."""
    plans = service(Candidate(source), "probe", ((),))
    return plans if isinstance(plans, Fault) else plans[0]


def _await_ready(process: SandboxedProcess) -> None:
    """Wait until the process has loaded torch and triton; it says so once, before anything else."""
    if process.is_ready:
        return
    for line in process.lines(time.monotonic() + START_S):
        if line.startswith(b'= {"event": "ready"'):
            process.is_ready = True
            return
        raise HarnessError(f"the capture process began with {line[:80]!r}")
    raise HarnessError(f"the capture process did not start: {process.last_words()}")
