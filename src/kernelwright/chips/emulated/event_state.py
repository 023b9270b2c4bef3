"""What the event loop works on: blocks, places, warp sets, and what is written down. Tuples of arrays, for Numba."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.caches import Caches
from kernelwright.chips.emulated.costs import AccessTable, OpTable
from kernelwright.chips.emulated.memory_path import Marks, Rates, Servers

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


class Layout(NamedTuple):
    """Where blocks run. `l2_of` and `die_of` by unit; places a unit, warp sets a block, groups of engines a unit."""

    l2_of: NDArray[np.int32]
    die_of: NDArray[np.int32]
    places: int
    sets: int
    groups: int
    slots: int
    bulk_depth: int
    bulk_setup: float
    barrier: float
    dispatch: float


class Agents(NamedTuple):
    """Warp sets of resident blocks: `next_time` of the next op, `issued` of the last one, where they are.

    `crunched` when the last product has been handed to the matrix pipe, `open_copies` when the copies of the open group
    are there. By slot: `ready` when its value is there, `chain` when a product may go on adding to it, `tail` when the
    last piece of what was read for a product is there.
    """

    next_time: NDArray[np.float64]
    issued: NDArray[np.float64]
    state: NDArray[np.int64]
    open_copies: NDArray[np.float64]
    crunched: NDArray[np.float64]
    ready: NDArray[np.float64]
    chain: NDArray[np.float64]
    tail: NDArray[np.float64]


# Columns of an agent's state.
CODE, PC, END, STEP, LAST, CURSOR, GROUP = range(7)


class Places(NamedTuple):
    """Places of units: the block there, its engine group, how many of its sets wait, until when; copy groups done."""

    state: NDArray[np.int64]
    joined: NDArray[np.float64]
    began: NDArray[np.float64]
    group_done: NDArray[np.float64]
    group_tag: NDArray[np.int64]


# Columns of a place's state.
BLOCK, ENGINES, WAITING, OVER = range(4)


class Log(NamedTuple):
    """What is written down: waits by reason, bytes by level, slices of time, totals, when each unit is done."""

    waits: NDArray[np.float64]
    counted: NDArray[np.float64]
    totals: NDArray[np.float64]
    unit_end: NDArray[np.float64]
    slices: NDArray[np.float64]
    slice_units: int


# Totals.
END_TIME, EVENTS, BLOCK_TIME, DISPATCHED, SLICES = range(5)


class Simulation(NamedTuple):
    """Everything that the loop works on.

    `free[unit]` by resource; `bulk_ring` when the copies are done that a unit's bulk engine has under way; `key`,
    `tree` and `chosen` are the tournament: times of the units' next shared ops, winners, the agents that do them.
    """

    ops: OpTable
    table: AccessTable
    work: Work
    layout: Layout
    caches: Caches
    rates: Rates
    servers: Servers
    marks: Marks
    log: Log
    agents: Agents
    places: Places
    free: NDArray[np.float64]
    bulk_ring: NDArray[np.float64]
    bulk_count: NDArray[np.int64]
    pending: NDArray[np.float64]
    key: NDArray[np.float64]
    tree: NDArray[np.int64]
    chosen: NDArray[np.int64]
