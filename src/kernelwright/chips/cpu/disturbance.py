"""What the machine takes from timed calls: waiting for a core, the hypervisor's share, switches, migrations.

Read around each call and outside of its clock: some 2 us a thread and 10 us for the hypervisor's share.
"""

import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kernelwright.core.timing import Conditions

_ENOUGH_BYTES = 1 << 14
_CPU_FOLDER = Path("/sys/devices/system/cpu")
_STEAL_FIELD = 8


@dataclass(frozen=True)
class Reading:
    """Counters that only grow: ns that each thread waited for a core, ns stolen from each core; None if unknown."""

    waited_ns: tuple[int, ...] | None
    stolen_ns: tuple[int, ...] | None


class Probe(Protocol):
    """What is read around each timed call."""

    def read(self) -> Reading:
        """Return the counters now."""


def waited_ns(before: Reading, after: Reading) -> int | None:
    """Return how long the unluckiest thread waited for a core between two readings."""
    return _largest_growth(before.waited_ns, after.waited_ns)


def lost_ns(before: Reading, after: Reading) -> int | None:
    """Return what the unluckiest thread lost between two readings, to other processes or to other machines."""
    parts = (waited_ns(before, after), _largest_growth(before.stolen_ns, after.stolen_ns))
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


class SystemProbe:
    """Reads the counters of Linux; `threads` are the system's numbers of ours, `cores` where they run."""

    def __init__(self, threads: Sequence[int], cores: Sequence[int]) -> None:
        self._waits = [_opened(f"/proc/self/task/{thread}/schedstat") for thread in threads]
        self._system = _opened("/proc/stat")
        self._marks = tuple(f"cpu{core}".encode() for core in cores)
        self._tick_ns = 10**9 // os.sysconf("SC_CLK_TCK")

    def read(self) -> Reading:
        """Return the counters now."""
        return Reading(self._waited(), self._stolen())

    def close(self) -> None:
        """Close the files."""
        for file in (*self._waits, self._system):
            if file is not None:
                os.close(file)

    def _waited(self) -> tuple[int, ...] | None:
        found = []
        for file in self._waits:
            fields = b"" if file is None else os.pread(file, 128, 0)
            if len(fields.split()) < 2:
                return None
            found.append(int(fields.split()[1]))
        return tuple(found)

    def _stolen(self) -> tuple[int, ...] | None:
        if self._system is None:
            return None
        found = {}
        for line in os.pread(self._system, _ENOUGH_BYTES, 0).splitlines():
            if not line.startswith(b"cpu"):
                break
            fields = line.split()
            if len(fields) > _STEAL_FIELD:
                found[fields[0]] = int(fields[_STEAL_FIELD]) * self._tick_ns
        return tuple(found[mark] for mark in self._marks) if all(mark in found for mark in self._marks) else None


@dataclass(frozen=True)
class Session:
    """The start of one timing session, from which `conditions` tells what went on in it."""

    threads: tuple[int, ...]
    cores: tuple[int, ...]
    probe: Probe
    begun_ns: int
    first: Reading
    switches: int
    migrations: int | None

    def conditions(self, called_ns: int, waits_ns: Sequence[int | None]) -> Conditions:
        """Return the conditions from the start until now; `called_ns` and `waits_ns` are those of its calls."""
        wall_ns = time.perf_counter_ns() - self.begun_ns
        stolen, moved = self.probe.read().stolen_ns, migrations(self.threads)
        before = self.first.stolen_ns
        share = None
        if stolen is not None and before is not None and wall_ns:
            share = (sum(stolen) - sum(before)) / len(stolen) / wall_ns
        known = [wait for wait in waits_ns if wait is not None]
        return Conditions(
            cores=self.cores,
            threads=len(self.threads),
            scheduling=_scheduling(),
            governor=_text(_CPU_FOLDER / f"cpu{self.cores[0]}/cpufreq/scaling_governor"),
            frequency_hz=_frequency_hz(self.cores[0]),
            wall_ns=wall_ns,
            called_ns=called_ns,
            waited_ns=sum(known) if len(known) == len(waits_ns) else None,
            stolen_share=share,
            switches=_switches() - self.switches,
            migrations=None if moved is None or self.migrations is None else moved - self.migrations,
            load=os.getloadavg()[0],
        )


def begin_session(threads: Sequence[int], cores: Sequence[int], probe: Probe) -> Session:
    """Return a session that begins now."""
    return Session(
        tuple(threads),
        tuple(cores),
        probe,
        time.perf_counter_ns(),
        probe.read(),
        _switches(),
        migrations(threads),
    )


@contextmanager
def favoured(threads: Sequence[int]) -> Iterator[None]:
    """Let `threads` run before all ordinary ones meanwhile, where we may.

    Niceness does not do it: Linux shares cores between login sessions first, and a thread that has just woken waits
    for the other's slice to end.
    """
    raised = []
    with suppress(OSError, AttributeError):
        for thread in threads:
            os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(1))
            raised.append(thread)
    try:
        yield
    finally:
        for thread in raised:
            os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def favour_process() -> None:
    """Let every thread that this process starts from now on run before ordinary ones, where we may.

    For processes that measure what timed kernels are compared with: peaks and libraries get what kernels get.
    """
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def migrations(threads: Sequence[int]) -> int | None:
    """Return how often the system moved `threads` to another core in their lives, None where it does not tell."""
    total = 0
    for thread in threads:
        text = _text(Path(f"/proc/self/task/{thread}/sched"))
        lines = [line for line in (text or "").splitlines() if line.startswith("se.nr_migrations")]
        if not lines:
            return None
        total += int(lines[0].partition(":")[2])
    return total


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _scheduling() -> str | None:
    with suppress(OSError, AttributeError):
        return "real time" if os.sched_getscheduler(0) == os.SCHED_RR else "shared"
    return None


def _frequency_hz(core: int) -> float | None:
    text = _text(_CPU_FOLDER / f"cpu{core}/cpufreq/scaling_cur_freq")
    return 1e3 * int(text) if text and text.isdigit() else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip() or None
    except OSError:
        return None


def _opened(path: str) -> int | None:
    with suppress(OSError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return None


def _largest_growth(before: tuple[int, ...] | None, after: tuple[int, ...] | None) -> int | None:
    if before is None or after is None or not before:
        return None
    return max(late - early for early, late in zip(before, after, strict=True))
