"""What the event loop works on: blocks, places, warp sets, and what is written down. Tuples of arrays, for Numba."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.costs import AccessTable, OpTable

NEVER = np.inf
RING = 32
# What an agent does next, beside the codes of ops: its block is over, or others joined it and it goes on.
FINISH, GO_ON = -1, -2
# Reasons of waiting; those from FIRST_RESOURCE on are resources, in the order of `op_costs.RESOURCES`.
DEPENDENCY, COPIES, JOIN, FIRST_RESOURCE = range(4)
REASONS = 9


class Work(NamedTuple):
    """The blocks of a launch: arrays of a `Trace`."""

    first_step: NDArray[np.int64]
    segments: NDArray[np.int32]
    first_access: NDArray[np.int64]
    addresses: NDArray[np.int64]
    active: NDArray[np.int32]


class Program(NamedTuple):
    """What is run: costs of a kernel on a machine, and its blocks."""

    ops: OpTable
    table: AccessTable
    work: Work


class Layout(NamedTuple):
    """Where blocks run. `units` rows are L2 and die; places a unit, warp sets a block, groups of engines a unit."""

    units: NDArray[np.int64]
    places: int
    sets: int
    groups: int
    slots: int
    bulk_depth: int
    bulk_setup: float
    barrier: float
    dispatch: float


class Agents(NamedTuple):
    """Warp sets of resident blocks: `next_time` of the next op, `times` and `state` by column, `slots[agent, column]`.

    `pending` is room to move slots in.
    """

    next_time: NDArray[np.float64]
    times: NDArray[np.float64]
    state: NDArray[np.int64]
    slots: NDArray[np.float64]
    pending: NDArray[np.float64]


# Columns of an agent's state; of its times: when its last op was issued, when the copies of the open group are there,
# when the last product has been handed to the matrix pipe; of its slots: when the value is there, when a product may go
# on adding to it, when the last piece of what was read for a product is there.
CODE, PC, END, STEP, LAST, CURSOR, GROUP = range(7)
ISSUED, OPEN_COPIES, CRUNCHED = range(3)
READY, CHAIN, TAIL = range(3)


class Places(NamedTuple):
    """Places of units, by column."""

    state: NDArray[np.int64]
    times: NDArray[np.float64]


# Columns of a place's state: the block there, its engine group, how many of its sets wait or are over, from TAGS on
# which group of copies each place of the ring stands for. Of its times: until when sets wait, when the block began,
# from DONE on when the groups of the ring are there.
BLOCK, ENGINES, WAITING, OVER, TAGS = range(5)
JOINED, BEGAN, DONE = range(3)


class Residents(NamedTuple):
    """Units and who is on them.

    `free[unit]` by resource; `bulk[unit]` counts the copies of its bulk engine, then says when those under way are
    done.
    """

    layout: Layout
    agents: Agents
    places: Places
    free: NDArray[np.float64]
    bulk: NDArray[np.float64]


class Log(NamedTuple):
    """What is written down: totals and waits by reason, slices of time, when each unit is done."""

    totals: NDArray[np.float64]
    unit_end: NDArray[np.float64]
    slices: NDArray[np.float64]
    slice_units: int


# Totals; waits by reason begin at WAITS.
END_TIME, EVENTS, BLOCK_TIME, DISPATCHED, SLICES, WAITS = range(6)
