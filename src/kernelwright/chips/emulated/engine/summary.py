"""What a trace amounts to, whatever the machine: how often blocks run each segment, how soon tiles come again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.jit import compiled, inlined
from kernelwright.chips.emulated.engine.memory_path import tile_key
from kernelwright.chips.emulated.tile_program import TileProgram
from kernelwright.chips.emulated.trace import AccessFacts, Trace

# Distances between two uses of a tile, in blocks: exact below, then four bins an octave; the last bin is first uses.
EXACT = 64
BINS = 160


@dataclass(frozen=True)
class TraceSummary:
    """A launch without its order in time.

    `classes` [classes, segments] are the different blocks by how often they run each segment, `class_of` the class of
    every block in dispatch order. `segments` and `active` are the steps and active elements of the block that runs
    the most steps. `passes` are whole passes by access, `reuse` [accesses, bins] those passes by the distance, in
    blocks, to the use before; `hottest` the most passes over one address.
    """

    facts: tuple[AccessFacts, ...]
    classes: NDArray[np.int64]
    class_of: NDArray[np.int64]
    segments: NDArray[np.int32]
    active: NDArray[np.int32]
    passes: NDArray[np.float64]
    reuse: NDArray[np.float64]
    hottest: NDArray[np.float64]

    @property
    def blocks(self) -> int:
        """Return the number of blocks."""
        return len(self.class_of)

    @property
    def runs(self) -> NDArray[np.float64]:
        """Return how often all blocks together run each segment."""
        counts = np.bincount(self.class_of, minlength=len(self.classes)).astype(np.float64)
        runs: NDArray[np.float64] = counts @ self.classes.astype(np.float64)
        return runs

    def fetches(self, window: float) -> NDArray[np.float64]:
        """Return, by access, the passes left when tiles are kept for the other blocks of a window of that many."""
        kept = np.minimum(1.0, BIN_DISTANCE / max(window, 1.0))
        found: NDArray[np.float64] = self.reuse @ kept
        return found

    def fetches_beyond(self, distance: float) -> NDArray[np.float64]:
        """Return, by access, the passes left when tiles are kept over `distance` blocks."""
        found: NDArray[np.float64] = self.reuse[:, distance < BIN_DISTANCE].sum(axis=1)
        return found


def summarise_trace(program: TileProgram, trace: Trace) -> TraceSummary:
    """Return the summary of `trace`, for any number of machines."""
    blocks, width = trace.programs, len(program.segments)
    steps = np.diff(trace.first_step)
    block_of = np.repeat(np.arange(blocks), steps)
    runs = np.bincount(block_of * width + trace.segments, minlength=blocks * width).reshape(blocks, width)
    classes, class_of = np.unique(runs, axis=0, return_inverse=True) if blocks else (runs, np.zeros(0, np.int64))
    longest = int(np.argmax(steps)) if blocks else 0
    first, last = trace.first_step[longest : longest + 2] if blocks else (0, 0)
    accesses = len(program.accesses)
    passes, reuse, hottest = np.zeros(accesses), np.zeros((accesses, BINS)), np.zeros(accesses)
    _measure_reuse(program, trace, passes, reuse, hottest)
    return TraceSummary(
        facts=trace.facts,
        classes=classes.astype(np.int64),
        class_of=class_of.reshape(-1).astype(np.int64),
        segments=trace.segments[first:last].copy(),
        active=trace.active[trace.first_access[first] : trace.first_access[last]].copy(),
        passes=passes,
        reuse=reuse,
        hottest=hottest,
    )


def _bin_distances() -> NDArray[np.float64]:
    exact = np.arange(EXACT, dtype=np.float64)
    rest = EXACT * 2.0 ** ((np.arange(BINS - EXACT) + 0.5) / 4.0)
    rest[-1] = np.inf
    return np.concatenate([exact, rest])


BIN_DISTANCE = _bin_distances()


def _measure_reuse(
    program: TileProgram,
    trace: Trace,
    passes: NDArray[np.float64],
    reuse: NDArray[np.float64],
    hottest: NDArray[np.float64],
) -> None:
    first = np.cumsum([0, *(len(segment.accesses) for segment in program.segments)]).astype(np.int64)
    flat = np.array([access for segment in program.segments for access in segment.accesses], np.int64)
    elements = np.array([float(np.prod(access.shape)) for access in program.accesses])
    sizes = np.array([float(np.prod(a.shape)) * a.element_bytes for a in program.accesses]).astype(np.int64)
    table, tiles = np.zeros((_ROWS, 3), np.int64), np.zeros(1, np.int64)
    block = 0
    while block < trace.programs:
        block = count_reuse(
            trace.first_step, trace.segments, trace.first_access, trace.addresses, trace.active, first, flat, elements,
            sizes, table, tiles, block, passes, reuse, hottest,
        )  # fmt: skip
        if block < trace.programs:
            larger = np.zeros((4 * len(table), 3), np.int64)
            move_rows(table, larger)
            table = larger


# Rows of the table of tiles at its start. Most launches touch far fewer tiles than they make accesses: a table for all
# accesses would be hundreds of megabytes, and clearing it the most of the work.
_ROWS = 1 << 14


@inlined
def find_row(table: NDArray[np.int64], key: int) -> int:
    """Return the row of a tile, or the free one that it takes; columns are key, block + 1 of the last use, uses."""
    mask = table.shape[0] - 1
    row = (key ^ (key >> 23)) & mask
    while table[row, 1] != 0 and table[row, 0] != key:
        row = (row + 1) & mask
    return int(row)


@compiled
def move_rows(table: NDArray[np.int64], larger: NDArray[np.int64]) -> None:
    """Give `larger`, which is empty, the tiles of `table`."""
    for row in range(table.shape[0]):
        if table[row, 1] != 0:
            place = find_row(larger, table[row, 0])
            for column in range(3):
                larger[place, column] = table[row, column]


@compiled
def count_reuse(  # noqa: PLR0913, PLR0917 - arrays of one pass
    first_step: NDArray[np.int64], segments: NDArray[np.int32], first_access: NDArray[np.int64],
    addresses: NDArray[np.int64], active: NDArray[np.int32], first: NDArray[np.int64], flat: NDArray[np.int64],
    elements: NDArray[np.float64], sizes: NDArray[np.int64], table: NDArray[np.int64], tiles: NDArray[np.int64],
    begin: int, passes: NDArray[np.float64], reuse: NDArray[np.float64], hottest: NDArray[np.float64],
) -> int:  # fmt: skip
    """Add every access from block `begin` on to `passes`, `reuse` and `hottest`; return the block that is next.

    It is one of the launch's when `table`, with `tiles[0]` tiles, may have too little room for that block.
    """
    for block in range(begin, first_step.shape[0] - 1):
        most = first_access[first_step[block + 1]] - first_access[first_step[block]]
        if 2 * (tiles[0] + most) > table.shape[0]:
            return block
        for step in range(first_step[block], first_step[block + 1]):
            segment = segments[step]
            for ordinal in range(first[segment + 1] - first[segment]):
                access = flat[first[segment] + ordinal]
                at = first_access[step] + ordinal
                share = active[at] / elements[access]
                if share <= 0.0:
                    continue
                key = tile_key(addresses[at], sizes[access], 0)
                row = find_row(table, key)
                passes[access] += share
                if table[row, 1] == 0:
                    tiles[0] += 1
                    table[row, 0] = key
                    reuse[access, BINS - 1] += share
                else:
                    distance = block + 1 - table[row, 1]
                    column = distance
                    if distance >= EXACT:
                        column = min(BINS - 2, EXACT + int(4.0 * np.log2(distance / EXACT)))
                    reuse[access, column] += share
                table[row, 1] = block + 1
                table[row, 2] += 1
                hottest[access] = max(hottest[access], float(table[row, 2]))
    return int(first_step.shape[0] - 1)
