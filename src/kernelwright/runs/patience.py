"""A ledger that waits for the machine: a full disk or a locked database is an outage, not the end of a run."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from kernelwright.core.entry import ControlRequest, Entry
from kernelwright.core.errors import OutageError
from kernelwright.runs.conditions import Progress, RunLedger

T = TypeVar("T")

# First wait and longest wait between tries, and how long an outage may last before the run stops, resumable.
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
PATIENCE_S = 3600.0


class PatientLedger:
    """A `RunLedger` over another one; an outage is told, waited for, and then written down as an entry."""

    def __init__(self, ledger: RunLedger, progress: Progress, sleep: Callable[[float], None] = time.sleep) -> None:
        self._ledger, self._progress, self._sleep = ledger, progress, sleep
        self._waited_s, self._reason = 0.0, ""

    def append(
        self, run: str, kind: str, payload: Mapping[str, object], blobs: Mapping[str, bytes] | None = None
    ) -> Entry:
        """Write one entry, however long the machine takes; see `core.protocols.Ledger`."""
        return self._tried(lambda: self._ledger.append(run, kind, payload, blobs))

    def entries(self, run: str) -> tuple[Entry, ...]:
        """See `core.protocols.Ledger`."""
        return self._tried(lambda: self._ledger.entries(run))

    def blob(self, digest: str) -> bytes:
        """See `core.protocols.Ledger`."""
        return self._ledger.blob(digest)

    def take(self, run: str) -> None:
        """See `RunLedger`."""
        self._tried(lambda: self._ledger.take(run))

    def requests(self, run: str, after: int = 0) -> Sequence[ControlRequest]:
        """See `RunLedger`."""
        return self._tried(lambda: self._ledger.requests(run, after))

    def seal(self, run: str, secret: str) -> None:
        """See `RunLedger`."""
        self._tried(lambda: self._ledger.seal(run, secret))

    def sealed(self, run: str) -> str | None:
        """See `RunLedger`."""
        return self._tried(lambda: self._ledger.sealed(run))

    def outage(self) -> tuple[str, float] | None:
        """Return, once, why and how many seconds calls had to wait since the last time; None if they had not."""
        if not self._reason:
            return None
        found = (self._reason, self._waited_s)
        self._reason, self._waited_s = "", 0.0
        return found

    def _tried(self, call: Callable[[], T]) -> T:
        wait_s, waited_s = FIRST_WAIT_S, 0.0
        while True:
            try:
                return call()
            except OutageError as error:
                if waited_s >= PATIENCE_S:
                    raise
                self._progress(f"waiting {wait_s:g} s for the machine: {error}")
                self._reason = str(error)
                self._sleep(wait_s)
                waited_s += wait_s
                self._waited_s += wait_s
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
