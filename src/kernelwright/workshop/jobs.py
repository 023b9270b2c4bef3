"""Evaluations that outlive one tool call: started once, asked for again by id."""

import concurrent.futures
import math
import threading
from collections.abc import Callable, Mapping

from kernelwright.core.errors import RequestError, UnknownNameError

Answer = Mapping[str, object]


class Jobs:
    """At most one job at a time; jobs are numbered from 1."""

    def __init__(self) -> None:
        self._futures: dict[str, concurrent.futures.Future[Answer]] = {}

    def start(self, work: Callable[[], Answer], patience_s: float) -> Answer:
        """Return what `work` returns, or {"job": id, "state": "running"} when it takes longer than `patience_s`.

        With infinite patience `work` runs in the calling thread. Raises RequestError while another
        job runs, and whatever `work` raises.
        """
        if math.isinf(patience_s):
            return work()
        running = [job for job, future in self._futures.items() if not future.done()]
        if running:
            raise RequestError(f"only one evaluation runs at a time, '{running[0]}' still does. Call poll with it.")
        job = str(len(self._futures) + 1)
        future: concurrent.futures.Future[Answer] = concurrent.futures.Future()
        self._futures[job] = future
        threading.Thread(target=_fulfil, args=(future, work), daemon=True).start()
        return self.wait(job, patience_s)

    def wait(self, job: str, patience_s: float) -> Answer:
        """Return the answer of a job, or that it still runs; raises UnknownNameError."""
        if job not in self._futures:
            raise UnknownNameError("job", job, self._futures)
        try:
            return self._futures[job].result(None if math.isinf(patience_s) else patience_s)
        except concurrent.futures.TimeoutError:
            if self._futures[job].done():
                raise
            return {"job": job, "state": "running"}


def _fulfil(future: concurrent.futures.Future[Answer], work: Callable[[], Answer]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # the asker gets it, whatever it is
        future.set_exception(error)
