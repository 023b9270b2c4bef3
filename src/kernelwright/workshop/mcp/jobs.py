"""Calls that outlive one request: started once, in a thread each, asked for again by id."""

import concurrent.futures
import itertools
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kernelwright.core.entry import canonical_json
from kernelwright.core.errors import RequestError
from kernelwright.workshop.mcp.answers import Answer
from kernelwright.workshop.tools import TOOLS, unknown_job

# Arguments: name of a tool, its arguments, who asks. Raises as `call_tool` does.
Caller = Callable[[str, Mapping[str, object], str], Answer]

# Calls at work at once, and answers kept for those who ask late.
MOST_RUNNING = 64
MOST_KEPT = 64


@dataclass(frozen=True)
class Job:
    """One call; `future` holds its answer, or what it raised."""

    id: str
    key: str
    future: concurrent.futures.Future[Answer]


class Jobs:
    """The calls of all clients of this process.

    Ids begin with letters drawn for the process: those of an earlier process are unknown, never mistaken.
    """

    def __init__(self, call: Caller) -> None:
        self._call = call
        self._prefix, self._numbers = secrets.token_hex(2), itertools.count(1)
        self._jobs: dict[str, Job] = {}
        self._guard = threading.Lock()

    @property
    def running(self) -> int:
        """Return how many calls are at work."""
        with self._guard:
            return sum(not job.future.done() for job in self._jobs.values())

    def start(self, name: str, arguments: Mapping[str, object], client: str) -> Job:
        """Return the job of a call that begins now, or of an equal one of this client that is still at work.

        A client that lost patience, or its connection, thus finds its call again by making it again.
        Raises RequestError when too many are at work.
        """
        key = canonical_json({"name": name, "arguments": dict(arguments), "client": client})
        is_idempotent = name in TOOLS and TOOLS[name].is_idempotent
        with self._guard:
            at_work = [job for job in self._jobs.values() if not job.future.done()]
            known = next((job for job in at_work if is_idempotent and job.key == key), None)
            if known is not None:
                return known
            if len(at_work) >= MOST_RUNNING:
                raise RequestError(f"at most {MOST_RUNNING} calls may be at work, as many are. Poll one of them.")
            job = Job(f"{self._prefix}-{next(self._numbers)}", key, concurrent.futures.Future())
            self._jobs[job.id] = job
            self._forget()
        threading.Thread(target=self._fulfil, args=(job, name, arguments, client), daemon=True).start()
        return job

    def find(self, job: str) -> Job:
        """Return the job of that id; raises RequestError that says what to do when it is not known."""
        with self._guard:
            if job not in self._jobs:
                raise unknown_job(job)
            return self._jobs[job]

    def _forget(self) -> None:
        done = [job.id for job in self._jobs.values() if job.future.done()]
        for job in done[: max(0, len(done) - MOST_KEPT)]:
            del self._jobs[job]

    def _fulfil(self, job: Job, name: str, arguments: Mapping[str, object], client: str) -> None:
        try:
            job.future.set_result(self._call(name, arguments, client))
        except BaseException as error:  # the asker gets it, whatever it is
            job.future.set_exception(error)
