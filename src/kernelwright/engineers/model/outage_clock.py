"""How long nobody could work: with several conversations, only while all of them wait for a provider."""

import threading
import time
from collections.abc import Callable


class OutageClock:
    """Adds up the time during which every one of `workers` was out; the sum is asked for piece by piece."""

    def __init__(self, workers: int, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._live, self._clock_ns = workers, clock_ns
        self._out: dict[str, int] = {}
        self._counted_ns, self._lost_ns = 0, 0
        self._guard = threading.Lock()

    def out(self, worker: str, since_ns: int) -> None:
        """Say that a worker has waited for an answer in vain since then."""
        with self._guard:
            self._settle()
            self._out.setdefault(worker, since_ns)

    def back(self, worker: str) -> None:
        """Say that a worker works again."""
        with self._guard:
            self._settle()
            self._out.pop(worker, None)
            self._counted_ns = self._clock_ns()

    def gone(self, worker: str) -> None:
        """Say that a worker has ended: the others need not wait for it."""
        with self._guard:
            self._settle()
            self._out.pop(worker, None)
            self._live -= 1
            self._counted_ns = self._clock_ns()

    def taken_ns(self) -> int:
        """Return the time lost since the last time this was asked."""
        with self._guard:
            self._settle()
            lost_ns, self._lost_ns = self._lost_ns, 0
            return lost_ns

    def _settle(self) -> None:
        now_ns = self._clock_ns()
        if self._live > 0 and len(self._out) >= self._live:
            since_ns = max(*self._out.values(), self._counted_ns)
            self._lost_ns += max(0, now_ns - since_ns)
            self._counted_ns = max(now_ns, self._counted_ns)
