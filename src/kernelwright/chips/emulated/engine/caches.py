"""Caches of whole tiles: least recently used leaves first, within priority classes. Numba functions and their state.

A cache of index c owns rows `base[c]` to `base[c] + rows[c]` of the entry table. An entry is one tile (or one warp
set's part of it), known by the address of its first element and its size.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.jit import compiled, inlined

# Columns of an entry.
KEY, CHAIN, NEWER, OLDER, PRIORITY, DIRTY, BYTES = range(7)
COLUMNS = 8
# Columns of a cache's row in `control`.
# From ENDS on: the newest and the oldest entry of each priority.
BASE, ROWS, USED_ROWS, FREE_ROW, HEADS, MASK, HELD, CAPACITY, ENDS = range(9)
CONTROL_COLUMNS = 16
SMALLEST_MEAN_TILE = 256
# Classes of entries, as `access_costs.PRIORITIES` numbers them.
NORMAL, KEEP = 1, 2


class Caches(NamedTuple):
    """State of all caches: entries, when their tiles arrive, chains of the hash table, one row of `control` a cache."""

    entries: NDArray[np.int64]
    ready: NDArray[np.float64]
    heads: NDArray[np.int32]
    control: NDArray[np.int64]


def empty_caches(sizes: tuple[int, ...]) -> Caches:
    """Return empty caches of `sizes` bytes each; one of 0 bytes never holds anything."""
    control = np.zeros((len(sizes), CONTROL_COLUMNS), np.int64)
    base = heads = 0
    for index, size in enumerate(sizes):
        rows = min(max(size // SMALLEST_MEAN_TILE, 1024), 1 << 18) if size else 1
        buckets = 1 << (rows - 1).bit_length()
        control[index, :ENDS] = (base, rows, 0, -1, heads, buckets - 1, 0, size)
        control[index, ENDS:] = -1
        base += rows
        heads += buckets
    return Caches(
        entries=np.empty((base, COLUMNS), np.int64),
        ready=np.zeros(base, np.float64),
        heads=np.full(heads, -1, np.int32),
        control=control,
    )


@inlined
def bucket_of(caches: Caches, c: int, key: int) -> int:
    """Return where the chain of a key's entries begins."""
    mixed = key ^ (key >> 15)
    mixed = (mixed * 0x2545F491) & 0x7FFFFFFFFFFFFFFF
    return int(caches.control[c, HEADS] + ((mixed >> 17) & caches.control[c, MASK]))


@inlined
def find_entry(caches: Caches, c: int, key: int) -> int:
    """Return the row of the entry with `key`, or -1."""
    row = int(caches.heads[bucket_of(caches, c, key)])
    while row >= 0 and caches.entries[row, KEY] != key:
        row = int(caches.entries[row, CHAIN])
    return row


@inlined
def unlink(caches: Caches, c: int, row: int) -> None:
    """Take an entry out of the order of its priority."""
    e = caches.entries
    newer, older, priority = e[row, NEWER], e[row, OLDER], e[row, PRIORITY]
    if newer >= 0:
        e[newer, OLDER] = older
    else:
        caches.control[c, ENDS + 2 * priority] = older
    if older >= 0:
        e[older, NEWER] = newer
    else:
        caches.control[c, ENDS + 2 * priority + 1] = newer


@inlined
def link_newest(caches: Caches, c: int, row: int, priority: int) -> None:
    """Put an entry at the newest place of `priority`."""
    e = caches.entries
    newest = caches.control[c, ENDS + 2 * priority]
    e[row, PRIORITY] = priority
    e[row, NEWER] = -1
    e[row, OLDER] = newest
    if newest >= 0:
        e[newest, NEWER] = row
    else:
        caches.control[c, ENDS + 2 * priority + 1] = row
    caches.control[c, ENDS + 2 * priority] = row


@inlined
def touch(caches: Caches, c: int, row: int, priority: int) -> None:
    """Make an entry the newest of `priority`."""
    if caches.control[c, ENDS + 2 * priority] != row:
        unlink(caches, c, row)
        link_newest(caches, c, row, priority)


@inlined
def evict_oldest(caches: Caches, c: int) -> bool:
    """Drop the oldest entry of the lowest priority that has one; return whether there was any."""
    e, control = caches.entries, caches.control
    for priority in range(3):
        row = caches.control[c, ENDS + 2 * priority + 1]
        if row < 0:
            continue
        unlink(caches, c, row)
        bucket = bucket_of(caches, c, e[row, KEY])
        here = int(caches.heads[bucket])
        if here == row:
            caches.heads[bucket] = e[row, CHAIN]
        else:
            while e[here, CHAIN] != row:
                here = int(e[here, CHAIN])
            e[here, CHAIN] = e[row, CHAIN]
        control[c, HELD] -= e[row, BYTES]
        e[row, CHAIN] = control[c, FREE_ROW]
        control[c, FREE_ROW] = row
        return True
    return False


@inlined
def insert(caches: Caches, c: int, key: int, size: int, priority: int) -> int:
    """Return the row of a new entry, older ones dropped to make room; -1 if the cache can never hold it."""
    e, control = caches.entries, caches.control
    if size > control[c, CAPACITY]:
        return -1
    while control[c, HELD] + size > control[c, CAPACITY] and evict_oldest(caches, c):
        pass
    if control[c, FREE_ROW] < 0 and control[c, USED_ROWS] >= control[c, ROWS]:
        evict_oldest(caches, c)
    row = int(control[c, FREE_ROW])
    if row >= 0:
        control[c, FREE_ROW] = e[row, CHAIN]
    else:
        row = int(control[c, BASE] + control[c, USED_ROWS])
        control[c, USED_ROWS] += 1
    bucket = bucket_of(caches, c, key)
    e[row, KEY], e[row, CHAIN], e[row, DIRTY], e[row, BYTES] = key, caches.heads[bucket], 0, size
    caches.heads[bucket] = row
    control[c, HELD] += size
    link_newest(caches, c, row, priority)
    return row


@compiled
def release_kept(caches: Caches) -> None:
    """Make everything that is kept normal, as the newest of its class, in its own order."""
    for c in range(caches.control.shape[0]):
        row = caches.control[c, ENDS + 2 * KEEP + 1]
        while row >= 0:
            unlink(caches, c, row)
            link_newest(caches, c, row, NORMAL)
            row = caches.control[c, ENDS + 2 * KEEP + 1]


@compiled
def start_launch(caches: Caches) -> None:
    """Tell entries that a launch begins: all have arrived, what was written has reached memory."""
    for c in range(caches.control.shape[0]):
        base, used = caches.control[c, BASE], caches.control[c, USED_ROWS]
        for row in range(base, base + used):
            caches.entries[row, DIRTY] = 0
            caches.ready[row] = 0.0
