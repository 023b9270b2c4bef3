"""The host as the kind of device module that Triton's own benchmarks expect, with events that take real time."""

import time
from typing import Any


class Event:
    """A point in time; launches are blocking, so it is reached when it is recorded."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        self._time_ns = 0

    def record(self, stream: object = None) -> None:
        """Take the time."""
        self._time_ns = time.perf_counter_ns()

    def elapsed_time(self, end: "Event") -> float:
        """Return the time from this event to `end`, in ms."""
        return (end._time_ns - self._time_ns) / 1e6

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def wait(self, stream: object = None) -> None:
        """Nothing to wait for."""

    def query(self) -> bool:
        """Return True: whatever was launched has ended."""
        return True


class HostDevice:
    """`torch.cpu` with events that can be timed."""

    Event = Event

    def __getattr__(self, name: str) -> Any:
        import torch  # noqa: PLC0415  # launches work without torch

        return getattr(torch.cpu, name)
