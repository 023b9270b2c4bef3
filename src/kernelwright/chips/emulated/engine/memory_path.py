"""What an access takes on its way through L2, die link, last-level cache and memory. Numba, called in time order.

Servers of bandwidth are first come, first served, and claimed at the moment that an access starts; what lies further
away adds latency, not a gap in which nobody is served. A tile under way is in the caches already, its time of arrival
with it: who asks for it again waits instead of fetching. Written tiles go to the last-level cache and, as bandwidth
allows, on to memory at once; a tile written again in one launch, while it is held, costs memory nothing more.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.caches import DIRTY, Caches, find_entry, insert, touch
from kernelwright.chips.emulated.engine.jit import inlined

# Columns of what is counted, in bytes (atomic operations in cycles of a slice).
L2_BYTES, L2_HITS, LLC_BYTES, LLC_HITS, READ_BYTES, WRITE_BYTES, LINK_BYTES, ATOMIC_CYCLES = range(8)
COUNTED = ("l2", "l2_hits", "llc", "llc_hits", "memory_read", "memory_write", "link", "atomic_cycles")
SECTOR_BITS = 5
DIE_PAGE_BITS = 12


class Rates(NamedTuple):
    """Bandwidths in bytes a cycle, latencies in cycles from a load to its value. `llc` is 0 where there is none."""

    l2_rate: float
    llc_rate: float
    memory_rate: float
    link_rate: float
    fill_rate: float
    l2_latency: float
    llc_latency: float
    memory_latency: float
    link_latency: float
    l2: int
    llc: int
    dies: int
    die_hash_bits: int
    slices: int
    stream_first: int


# Rows of when servers are free next: L2s, what fills them, then by die the last-level cache, memory and links into it,
# then slices.
L2, FILL, LLC, MEMORY, LINK, ATOMICS, SERVERS = range(7)


class Memory(NamedTuple):
    """All that is shared by the chip; `servers` when each is free, `counted` by column.

    Rows of `marks` are begin and end of an address range and its own priority; a later range wins.
    """

    caches: Caches
    rates: Rates
    servers: NDArray[np.float64]
    counted: NDArray[np.float64]
    marks: NDArray[np.int64]


class Request(NamedTuple):
    """A tile that a unit asks for or writes `now`; `arrive` is when the unit's own path could be done with it.

    `group` is the unit's L2, `camping` how many times longer memory takes.
    """

    now: float
    arrive: float
    group: int
    die: int
    address: int
    key: int
    moved: float
    camping: float
    priority: int


@inlined
def claim(servers: NDArray[np.float64], kind: int, index: int, now: float, cycles: float) -> float:
    """Return when a server is done with `cycles` of work that comes `now`."""
    end = max(now, servers[kind, index]) + cycles
    servers[kind, index] = end
    return float(end)


@inlined
def marked_priority(memory: Memory, address: int, priority: int) -> int:
    """Return the priority class of an address: its access's, or that of the last mark over it."""
    marks = memory.marks
    for index in range(marks.shape[0]):
        if marks[index, 0] <= address < marks[index, 1]:
            priority = int(marks[index, 2])
    return 1 if priority == 0 and memory.rates.stream_first == 0 else priority


@inlined
def home_die(rates: Rates, address: int) -> int:
    """Return the die of a page where pages are hashed to dies; 0 where lines alternate."""
    if rates.dies == 1 or rates.die_hash_bits == 0:
        return 0
    bits = (address >> DIE_PAGE_BITS) & ((1 << rates.die_hash_bits) - 1)
    folded = 0
    while bits:
        folded += bits & 1
        bits >>= 1
    return folded % rates.dies


@inlined
def cross_link(memory: Memory, request: Request, target: int, source: int) -> tuple[float, float]:
    """Return when the die link is done with a transfer to die `target`, and its share of latency."""
    rates = memory.rates
    far = 0.0
    if rates.dies > 1 and rates.die_hash_bits == 0:
        far = request.moved * (rates.dies - 1) / rates.dies
    elif target != source:
        far = request.moved
    if far == 0.0:
        return request.now, 0.0
    memory.counted[LINK_BYTES] += far
    return claim(memory.servers, LINK, target, request.now, far / rates.link_rate), rates.link_latency


@inlined
def home_share(rates: Rates) -> float:
    """Return the share of the chip's rate that one home has: pages on one die, lines on all."""
    return 1.0 / rates.dies if rates.dies > 1 and rates.die_hash_bits > 0 else 1.0


@inlined
def fetch_far(memory: Memory, request: Request, arrive: float) -> float:
    """Return when a tile that L2 lacks is at the unit: from the last-level cache, or from memory."""
    caches, rates, servers, counted = memory.caches, memory.rates, memory.servers, memory.counted
    now, moved, key = request.now, request.moved, request.key
    home, share = home_die(rates, request.address), home_share(rates)
    linked, link_latency = cross_link(memory, request, request.die, home)
    done = max(arrive, linked)
    if rates.l2 and rates.fill_rate > 0.0:
        done = max(done, claim(servers, FILL, request.group, now, moved / rates.fill_rate))
    row = -1
    if rates.llc:
        c = caches.control.shape[0] - 1
        counted[LLC_BYTES] += moved
        done = max(done, claim(servers, LLC, home, now, moved / (rates.llc_rate * share)))
        row = find_entry(caches, c, key)
        if row >= 0:
            counted[LLC_HITS] += moved
            touch(caches, c, row, request.priority)
            return float(max(done + rates.llc_latency + link_latency, caches.ready[row]))
        row = insert(caches, c, key, int(moved), request.priority)
    counted[READ_BYTES] += moved
    done = max(done, claim(servers, MEMORY, home, now, request.camping * moved / (rates.memory_rate * share)))
    ready = done + rates.memory_latency + link_latency
    if row >= 0:
        caches.ready[row] = ready
    return ready


@inlined
def read_tile(memory: Memory, request: Request) -> float:
    """Return when a tile is at the unit."""
    caches, rates, group = memory.caches, memory.rates, request.group
    if not rates.l2:
        return fetch_far(memory, request, request.arrive)
    memory.counted[L2_BYTES] += request.moved
    done = max(request.arrive, claim(memory.servers, L2, group, request.now, request.moved / rates.l2_rate))
    row = find_entry(caches, group, request.key)
    if row >= 0:
        memory.counted[L2_HITS] += request.moved
        touch(caches, group, row, request.priority)
        return float(max(done + rates.l2_latency, caches.ready[row]))
    ready = fetch_far(memory, request, done)
    row = insert(caches, group, request.key, int(request.moved), request.priority)
    if row >= 0:
        caches.ready[row] = ready
    return ready


@inlined
def write_tile(memory: Memory, request: Request) -> float:
    """Return when a written tile is out of the unit's way; memory takes it on when it has time."""
    caches, rates, servers, counted = memory.caches, memory.rates, memory.servers, memory.counted
    now, moved, c = request.now, request.moved, request.group
    home, share = home_die(rates, request.address), home_share(rates)
    done = request.arrive
    if rates.l2:
        counted[L2_BYTES] += moved
        done = max(done, claim(servers, L2, c, now, moved / rates.l2_rate))
    if rates.llc:
        c = caches.control.shape[0] - 1
        counted[LLC_BYTES] += moved
        target = home if rates.die_hash_bits > 0 else (request.die + 1) % rates.dies
        linked, _ = cross_link(memory, request, target, request.die)
        done = max(done, linked, claim(servers, LLC, home, now, moved / (rates.llc_rate * share)))
    row = -1
    if rates.l2 or rates.llc:
        row = find_entry(caches, c, request.key)
        if row >= 0:
            touch(caches, c, row, request.priority)
        else:
            row = insert(caches, c, request.key, int(moved), request.priority)
            if row >= 0:
                caches.ready[row] = done
    if row < 0 or caches.entries[row, DIRTY] == 0:
        counted[WRITE_BYTES] += moved
        claim(servers, MEMORY, home, now, request.camping * moved / (rates.memory_rate * share))
        if row >= 0:
            caches.entries[row, DIRTY] = 1
    return done


@inlined
def update_tile(memory: Memory, now: float, address: int, cycles: float, lines: int) -> float:
    """Return when atomic operations on the `lines` of a tile are done; one slice would need `cycles` for all.

    Lines of a tile lie on as many slices as there are. Tiles at one address wait for each other there; all tiles
    together can use all slices, which the last server stands for.
    """
    rates = memory.rates
    memory.counted[ATOMIC_CYCLES] += cycles
    line = address >> 7
    mixed = (line ^ (line >> 9)) * 0x9E3779B1
    index = ((mixed >> 11) & 0x7FFFFFFF) % rates.slices
    latency = rates.llc_latency if rates.llc else rates.l2_latency
    here = claim(memory.servers, ATOMICS, index, now, cycles / min(rates.slices, max(1, lines)))
    return max(here, claim(memory.servers, ATOMICS, rates.slices, now, cycles / rates.slices)) + latency


@inlined
def tile_key(address: int, size: int, part: int) -> int:
    """Return what a cache knows a tile's part by."""
    return ((address >> SECTOR_BITS) * 0x3C6EF35F + size * 0x9E3779B9 + part * 0x7F4A7C15F) & 0x7FFFFFFFFFFFFFFF
