"""The trace of a launch: memory that generated code writes to, and its events as arrays."""

import ctypes
import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelwright.compiler.codegen.tracing import (
    ATOMIC,
    EVENT_BYTES,
    FULL,
    HEADER_BYTES,
    KIND_SHIFT,
    OP_SHIFT,
    WRITE,
)
from kernelwright.compiler.faults import MemoryRange, Touch
from kernelwright.core.errors import OverLimitError

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# 128 MB, and about ten times as much while it is analysed.
MOST_EVENTS = 1 << 23


@dataclass(frozen=True)
class Events:
    """Accesses of one launch in the order they happened, arrays of equal length.

    `programs` are linear numbers, `kinds` the bits of `codegen.tracing`, `numbers` those of ops.
    """

    programs: Numbers
    kinds: Numbers
    numbers: Numbers
    addresses: Numbers
    sizes: Numbers

    def __len__(self) -> int:
        return len(self.programs)

    def touch(self, index: int) -> Touch:
        """Return one event as faults tell it."""
        kind = int(self.kinds[index])
        return Touch(
            int(self.numbers[index]),
            int(self.programs[index]),
            int(self.addresses[index]),
            int(self.sizes[index]),
            bool(kind & WRITE),
            bool(kind & ATOMIC),
        )


class Trace:
    """Memory for `most_events` events; the system gives pages as they are written. Close it after use."""

    def __init__(self, programs: int, backwards: bool, most_events: int = MOST_EVENTS) -> None:
        self._map = mmap.mmap(-1, HEADER_BYTES + EVENT_BYTES * most_events)
        # What lies where an event before the first would lie joins none.
        header = (0, most_events, 0, 0, programs if backwards else 0, 0, -1, -1)
        self._map[:HEADER_BYTES] = struct.pack("<8q", *header)
        self._most = most_events

    @property
    def address(self) -> int:
        """Return where generated code finds it."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    @property
    def stopped(self) -> int:
        """Return why the launch was stopped, 0 when it was not."""
        return int(struct.unpack_from("<q", self._map, 24)[0])

    def events(self) -> Events:
        """Return the accesses."""
        (used,) = struct.unpack_from("<q", self._map, 0)
        rows = np.frombuffer(self._map, np.int64, 2 * used, HEADER_BYTES).reshape(-1, 2)
        begins = rows[:, 1] == 0
        begun = np.cumsum(begins) - 1
        programs = rows[begins, 0][begun]
        words, addresses = rows[~begins, 1], rows[~begins, 0]
        kinds = words >> KIND_SHIFT & (1 << OP_SHIFT - KIND_SHIFT) - 1
        sizes = words & (1 << KIND_SHIFT) - 1
        return Events(programs[~begins], kinds, words >> OP_SHIFT, addresses, sizes)

    def require_room(self, kernel: str) -> None:
        """Raise OverLimitError if the trace was too small."""
        if self.stopped == FULL:
            raise OverLimitError(
                f"a launch of {kernel} must access memory that it may write at most {self._most} times (neighbours in "
                "one count as one) while races are looked for, it does more often. Use fewer or larger accesses.",
                {"limit": self._most},
            )

    def close(self) -> None:
        """Give the memory back."""
        self._map.close()


@dataclass(frozen=True)
class Spans:
    """Registered memory as stretches that do not overlap, sorted; each cut into cells that no access splits.

    `cells` is the size of a cell in bytes by span, `first_cells` the number of the first cell of each, and of the end.
    """

    starts: Numbers
    sizes: Numbers
    cells: Numbers
    first_cells: Numbers

    @property
    def count(self) -> int:
        """Return the number of cells."""
        return int(self.first_cells[-1])

    def located(self, addresses: Numbers, sizes: Numbers) -> tuple[Numbers, Numbers]:
        """Return first cell and number of cells of stretches of memory that accesses name."""
        span = np.searchsorted(self.starts, addresses, "right") - 1
        cell = self.cells[span]
        return self.first_cells[span] + (addresses - self.starts[span]) // cell, sizes // cell

    def place(self, cell: int) -> tuple[int, int]:
        """Return address and size of a cell."""
        span = int(np.searchsorted(self.first_cells, cell, "right")) - 1
        size = int(self.cells[span])
        return int(self.starts[span]) + (cell - int(self.first_cells[span])) * size, size


def spans_of(ranges: Sequence[MemoryRange], events: Events) -> Spans:
    """Return the spans of registered memory that `events` touch; overlapping ranges are one."""
    merged: list[list[int]] = []
    for start, end in sorted((r.start, r.start + r.size_bytes) for r in ranges if r.size_bytes and r.writable):
        if merged and start < merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    starts, ends = np.array(merged, np.int64).reshape(-1, 2).T
    span = np.searchsorted(starts, events.addresses, "right") - 1
    cells = np.zeros(len(starts), np.int64)
    for number in range(len(starts)):
        here = span == number
        offsets = events.addresses[here] - starts[number]
        cells[number] = np.gcd(np.gcd.reduce(offsets), np.gcd.reduce(events.sizes[here]))
    touched = cells > 0
    starts, sizes, cells = starts[touched], (ends - starts)[touched], cells[touched]
    counts = -(-sizes // np.maximum(cells, 1))
    return Spans(starts, sizes, cells, np.concatenate(([0], np.cumsum(counts))))
