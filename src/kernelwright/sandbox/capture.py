"""Candidate source in, launch plans out: the sandbox as the judge sees it."""

import json
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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
READY = b'= {"event": "ready"'


class CaptureService:
    """Captures candidates; a warm process makes a cell for each, and stands ready again afterwards.

    Starting a warm process costs two seconds of processor time, so it happens when asked for: by `prepare`, or at
    the latest by a capture. It serves one candidate at a time: captures at once have a process each. Between
    captures it waits for its input and uses no processor time. `cores` is how many cores kernels run on, which
    host code may ask for; None is those of this process.
    """

    def __init__(
        self, sandbox: Sandbox | None = None, limits: Limits | None = None, cores: int | None = None
    ) -> None:  # fmt: skip
        self._sandbox = sandbox if sandbox is not None else choose_sandbox()
        self._limits = limits if limits is not None else Limits()
        self._cores = cores if cores is not None else len(os.sched_getaffinity(0))
        self._spare: SandboxedProcess | None = None
        self._lock = threading.Lock()
        # Processes end with the thread that started them, so that is one that lives as long as this service.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="sandbox-starter")

    @property
    def confinement(self) -> Confinement:
        """Return how candidates are shut in; stamped on results."""
        return self._sandbox.confinement

    def prepare(self, wait: bool = False) -> None:
        """Start a process in the background unless one stands ready; `wait` until it does."""
        with self._lock:
            if self._spare is None or not self._spare.is_running:
                if self._spare is not None:
                    self._spare.close()
                self._spare = self._start()
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
        return self._capture(candidate, entry, calls)

    def _capture(
        self, candidate: Candidate, entry: str, calls: Sequence[Sequence[Argument]]
    ) -> tuple[LaunchPlan, ...] | Fault:
        """Capture a source that nobody has read: the walls must hold by themselves, which tests try through this."""
        request = {
            "source": candidate.source,
            "entry": entry,
            "calls": to_json(tuple(tuple(call) for call in calls)),
            "memory_bytes": self._limits.memory_bytes,
            "cores": self._cores,
        }
        process = self._take()
        is_clean = False
        try:
            _await_ready(process)
            process.send(json.dumps(request).encode())
            found = Conversation(process, self._limits, len(calls)).plans()
            is_clean = process.serves_many and process.end_cell()
            return found
        finally:
            self._give_back(process, is_clean)

    def close(self) -> None:
        """End the process that stands ready; safe to call twice, and the last that is asked of a service."""
        with self._lock:
            if self._spare is not None:
                self._spare.close()
                self._spare = None
        self._starter.shutdown()

    def __enter__(self) -> "CaptureService":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> SandboxedProcess:
        with self._lock:
            process, self._spare = self._spare, None
        if process is not None and process.is_running:
            return process
        if process is not None:
            process.close()
        return self._start()

    def _give_back(self, process: SandboxedProcess, is_clean: bool) -> None:
        """Keep a process whose cell is known to have ended, if none stands ready; end any other."""
        with self._lock:
            if is_clean and self._spare is None:
                self._spare = process
                return
        process.close()

    def _start(self) -> SandboxedProcess:
        return self._starter.submit(SandboxedProcess, self._sandbox, CHILD).result()


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
        if not line.startswith(READY):
            raise HarnessError(f"the capture process began with {line[:80]!r}")
        process.is_ready = True
        process.serves_many = bool(json.loads(line[2:])["serves_many"])
        return
    raise HarnessError(f"the capture process did not start: {process.last_words()}")
