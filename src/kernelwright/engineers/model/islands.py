"""Several conversations on one run at a time: a thread each, one notebook, one best, one budget."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence

from kernelwright.core.protocols import BudgetSpent
from kernelwright.engineers.model.island import SUBMITTED, Island
from kernelwright.engineers.model.outage_clock import OutageClock

_POLL_S = 0.1
# How long the others may take to notice that the run is over; their requests may take much longer.
_GRACE_S = 5.0


class Live:
    """Which conversations are still at work."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = set(names)
        self._guard = threading.Lock()

    def is_last(self, name: str) -> bool:
        """Return whether nobody else is at work."""
        with self._guard:
            return self._names <= {name}

    def leave(self, name: str) -> None:
        """Take a name out."""
        with self._guard:
            self._names.discard(name)


def work_together(islands: Sequence[Island], live: Live, outages: OutageClock) -> None:
    """Let all conversations work until the last has ended. Raises what ended it, and at once what is nobody's rule."""
    ended: list[tuple[str, BaseException]] = []

    def work(island: Island) -> None:
        try:
            island.work()
        except BaseException as error:  # the thread that waits decides
            ended.append((island.name, error))
        finally:
            live.leave(island.name)
            outages.gone(island.name)
            with contextlib.suppress(Exception):  # it is over, however its connections end
                island.close()

    if len(islands) == 1:
        work(islands[0])
    else:
        _in_threads(islands, work, ended)
    if all(str(error) == SUBMITTED for _, error in ended):
        raise BudgetSpent("submitted by the engineer")
    fault = next((error for _, error in ended if not isinstance(error, BudgetSpent)), None)
    raise fault or ended[-1][1]


def _in_threads(
    islands: Sequence[Island], work: Callable[[Island], None], ended: list[tuple[str, BaseException]]
) -> None:
    threads = [threading.Thread(target=work, args=(island,), name=island.name, daemon=True) for island in islands]
    for thread in threads:
        thread.start()
    deadline_s = float("inf")
    while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
        # A fault, or a rule of the run itself, ends all; a rule of one conversation only that one.
        if deadline_s == float("inf") and any(not _is_own(error) for _, error in list(ended)):
            deadline_s = time.monotonic() + _GRACE_S


def _is_own(error: BaseException) -> bool:
    return isinstance(error, BudgetSpent) and str(error).startswith(("gave up", SUBMITTED))
