"""Races between the programs of one launch, and reads of what was never written, found in a trace.

Programs ran one after the other. Two accesses of different programs to the same byte race if they are not both reads
and not both atomic, unless the earlier happens before the later: through an atomic that releases, behind the first,
and one at the same place that acquires, before the second. See `docs/design/007-races.md`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kernelwright.compiler.codegen.tracing import ATOMIC, ENDLESS, READ, WRITE
from kernelwright.compiler.faults import LaunchSite, MemoryRange, Touch
from kernelwright.compiler.ordering import Pairs, first_unordered
from kernelwright.compiler.trace import Events, Flags, Numbers, Spans, Trace, spans_of
from kernelwright.core.errors import OverLimitError

# Cells that are looked at together: what is made of them stays in the caches.
_PART = 1 << 18
_MOST_CELLS = 1 << 26
_MOST_ENTRIES = 1 << 23


class Shadow:
    """What is known of memory from launch to launch of one run; give the same one to each launch.

    `unwritten` lists memory that holds nothing yet: reading a byte of it that no program has written is a fault. With
    `backwards` programs run in the reverse of their order. After a launch in which atomics ordered accesses of
    different programs, `was_ordered` is true: whether they always do, only a run in the other order can tell.
    """

    def __init__(self, unwritten: Sequence[MemoryRange] = (), backwards: bool = False) -> None:
        self.backwards = backwards
        self.was_ordered = False
        self._written = [(place, np.zeros(place.size_bytes, np.bool_)) for place in unwritten]

    def trace(self, programs: int) -> Trace:
        """Return an empty trace for a launch."""
        return Trace(programs, self.backwards)

    def check(self, trace: Trace, site: LaunchSite) -> None:
        """Look for races and for reads of unwritten memory in a launch, raise a fault for the first.

        Raises RaceFault, UnwrittenFault, EndlessWaitFault; OverLimitError when the launch is too large to tell.
        """
        trace.require_room(site.kernel)
        events = trace.events()
        if not len(events):
            return
        if trace.stopped == ENDLESS:
            raise site.endless_fault(events.touch(len(events) - 1))
        spans = spans_of(site.ranges, events)
        if spans.count > _MOST_CELLS:
            raise _over_limit(site.kernel, "cells of memory", spans.count, _MOST_CELLS)
        cells = Cells(spans, events, site.kernel)
        self._require_no_race(cells, site)
        self._require_written(cells, site)

    def _require_no_race(self, cells: "Cells", site: LaunchSite) -> None:
        entries = cells.contested()
        pairs = entries.pairs() if entries is not None else Pairs.none()
        if entries is None or not len(pairs):
            return
        found = first_unordered(pairs, cells.events, cells.first, cells.count, cells.is_shared)
        if found is None:
            self.was_ordered = True
            return
        touches = [cells.events.touch(index) for index in found]
        start = max(touch.address for touch in touches)
        end = min(touch.address + touch.size_bytes for touch in touches)
        raise site.race_fault(touches[0], touches[1], start, end - start)

    def _require_written(self, cells: "Cells", site: LaunchSite) -> None:
        if not self._written:
            return
        spans = cells.spans
        known = np.ones(spans.count, np.bool_)
        for place, written in self._written:
            _each_cell(spans, place, written, known, store=False)
        unread = cells.first_unwritten(known)
        if unread is not None:
            index, cell, count = unread
            touch = cells.events.touch(index)
            address, size = self._unwritten_bytes(*spans.place(cell), count)
            raise site.unwritten_fault(Touch(touch.number, touch.program, address, size, False))
        for place, written in self._written:
            _each_cell(spans, place, written, cells.is_written, store=True)

    def _unwritten_bytes(self, address: int, cell_bytes: int, count: int) -> tuple[int, int]:
        """Return address and length of the first unwritten bytes among `count` cells of which each has some."""
        for place, written in self._written:
            first = max(address, place.start)
            held = written[first - place.start : max(address + count * cell_bytes - place.start, 0)]
            if len(held) and not held.all():
                skipped = int(np.argmin(held))
                return first + skipped, int(np.argmax(np.append(held[skipped:], True)))
        return address, count * cell_bytes


def _each_cell(spans: Spans, place: MemoryRange, written: Flags, cells: Flags, store: bool) -> None:
    """Copy between what is known of the bytes of `place` and of the cells that lie in it.

    With `store` bytes of true cells become written, else cells with an unwritten byte become false.
    """
    span = int(np.searchsorted(spans.starts, place.start, "right")) - 1
    if span < 0 or place.start >= spans.starts[span] + spans.sizes[span]:
        return
    size = int(spans.cells[span])
    start = place.start - int(spans.starts[span])
    here = cells[spans.first_cells[span] : spans.first_cells[span + 1]]
    whole = np.ones(len(here) * size, np.bool_) if not store else np.repeat(here, size)
    part = whole[start : start + place.size_bytes]
    if store:
        written |= part
    else:
        part &= written[: len(part)]
        here &= whole.reshape(-1, size).all(1)


class Cells:
    """The events of a launch by the cells they touch."""

    def __init__(self, spans: Spans, events: Events, kernel: str) -> None:
        self.spans = spans
        self.events = events
        self.first, self.count = spans.located(events.addresses, events.sizes)
        self.is_shared: Flags = np.zeros(spans.count, np.bool_)
        self._kernel = kernel

    def parts(self, chosen: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
        """Yield (cells, events that touch them) of some events, in order, a bounded number at a time."""
        ends = np.cumsum(self.count[chosen])
        begin = 0
        while begin < len(chosen):
            done = int(ends[begin - 1]) if begin else 0
            stop = max(begin + 1, int(np.searchsorted(ends, done + _PART, "right")))
            part = chosen[begin:stop]
            if int(ends[stop - 1]) - done == len(part):
                yield self.first[part], part
            else:
                yield spread(self.first, self.count, part)
            begin = stop

    def contested(self) -> "Entries | None":
        """Return the accesses to cells that two programs touch and one changes, None when there is no such cell."""
        events, everything = self.events, np.arange(len(self.events))
        plain = (events.kinds & ATOMIC) == 0
        if not plain.any():
            return None
        last = np.full(self.spans.count, -1, np.int32)
        for cells, which in self.parts(everything):
            last[cells] = events.programs[which]
        for cells, which in self.parts(everything):
            self.is_shared[cells[last[cells] != events.programs[which]]] = True
        del last
        if not self.is_shared.any():
            return None
        changed = self._touched(plain & ((events.kinds & WRITE) != 0))
        wanted = changed if plain.all() else changed | (self._touched(plain) & self._touched(~plain))
        wanted &= self.is_shared
        if not wanted.any():
            return None
        found: list[tuple[Numbers, Numbers]] = []
        total = 0
        for cells, which in self.parts(everything):
            hit = wanted[cells]
            total += int(hit.sum())
            if total > _MOST_ENTRIES:
                raise _over_limit(self._kernel, "accesses to memory that programs share", total, _MOST_ENTRIES)
            found.append((cells[hit], which[hit]))
        if not total:
            return None
        cells = np.concatenate([part for part, _ in found])
        order = np.argsort(cells, kind="stable")
        return Entries(cells[order], np.concatenate([part for _, part in found])[order], events, self._kernel)

    def _touched(self, which: Flags) -> Flags:
        flags = np.zeros(self.spans.count, np.bool_)
        for cells, _ in self.parts(np.flatnonzero(which)):
            flags[cells] = True
        return flags

    @property
    def is_written(self) -> Flags:
        """Return which cells the launch has written."""
        return self._touched((self.events.kinds & WRITE) != 0)

    def first_unwritten(self, known: Flags) -> tuple[int, int, int] | None:
        """Return (event, cell, number of cells) of the first read of cells neither `known` nor written before."""
        begun = np.full(self.spans.count, len(self.events), np.int32)
        written = np.flatnonzero((self.events.kinds & WRITE) != 0)[::-1]
        # Of several values for one cell numpy keeps the last, here the earliest event.
        for cells, which in self.parts(written):
            begun[cells] = which
        begun[known] = -1
        for cells, which in self.parts(np.flatnonzero((self.events.kinds & READ) != 0)):
            bad = begun[cells] >= which
            if bad.any():
                at = int(np.argmax(bad))
                event, cell = int(which[at]), int(cells[at])
                own = bad[which == event]
                skipped = int(np.argmax(own))
                return event, cell, int(np.argmin(np.append(own[skipped:], False)))
        return None


@dataclass(frozen=True)
class Entries:
    """Accesses to contested cells, sorted by cell and then by time: `cells` and `events` (indices) side by side."""

    cells: Numbers
    events: Numbers
    all_events: Events
    kernel: str

    def pairs(self) -> Pairs:
        """Return the pairs of accesses that must be ordered; if all are, so is every two that touch one cell.

        Each access with the plain writes next to it, and each plain read with each atomic in between.
        """
        kinds = self.all_events.kinds[self.events]
        plain = (kinds & ATOMIC) == 0
        writes = plain & ((kinds & WRITE) != 0)
        places = np.arange(len(self.cells))
        opens = np.diff(self.cells, prepend=-1) != 0
        before = np.concatenate(([-1], np.maximum.accumulate(np.where(writes, places, -1))[:-1]))
        behind = np.append(np.minimum.accumulate(np.where(writes, places, len(places))[::-1])[::-1][1:], len(places))
        epochs = np.cumsum(opens | writes)
        follows = (before >= 0) & (self.cells[before] == self.cells)
        leads = (behind < len(places)) & (self.cells[np.minimum(behind, len(places) - 1)] == self.cells) & ~writes
        mixed = self._mixed(np.flatnonzero(plain & ~writes), np.flatnonzero(~plain), epochs)
        earlier = np.concatenate((before[follows], places[leads], mixed[0]))
        later = np.concatenate((places[follows], behind[leads], mixed[1]))
        return Pairs.of(self.events[earlier], self.events[later], self.all_events)

    def _mixed(self, reads: Numbers, atomics: Numbers, epochs: Numbers) -> tuple[Numbers, Numbers]:
        begin = np.searchsorted(epochs[atomics], epochs[reads], "left")
        count = np.searchsorted(epochs[atomics], epochs[reads], "right") - begin
        total = int(count.sum())
        if total > _MOST_ENTRIES:
            raise _over_limit(self.kernel, "pairs of plain reads and atomics", total, _MOST_ENTRIES)
        chosen, which = spread(begin, count, np.arange(len(reads)))
        left, right = atomics[chosen], reads[which]
        return np.minimum(left, right), np.maximum(left, right)


def spread(first: Numbers, count: Numbers, chosen: Numbers) -> tuple[Numbers, Numbers]:
    """Return the numbers first, first + 1, ... of each chosen row, `count` of them, and which row each comes from."""
    counts = count[chosen]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    offsets = np.arange(total) - np.repeat(ends - counts, counts)
    return np.repeat(first[chosen], counts) + offsets, np.repeat(chosen, counts)


def _over_limit(kernel: str, what: str, number: int, limit: int) -> OverLimitError:
    return OverLimitError(
        f"a launch of {kernel} must have at most {limit} {what} for races to be found, it has {number}. "
        "Use fewer or larger accesses.",
        {"count": number, "limit": limit},
    )
