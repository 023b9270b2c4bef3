"""Blocks on their places: how they begin, how their warp sets join, what becomes of slots and copies. Numba."""

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.costs import (
    END_OF_WRITES,
    OP_NUMBER,
    READS,
    WRITES,
    OpTable,
)
from kernelwright.chips.emulated.engine.event_state import (
    BEGAN,
    BLOCK,
    CHAIN,
    CODE,
    COPIES,
    CRUNCHED,
    DONE,
    END,
    ENGINES,
    GO_ON,
    GROUP,
    ISSUED,
    JOIN,
    JOINED,
    LAST,
    NEVER,
    OPEN_COPIES,
    OVER,
    PC,
    READY,
    RING,
    STEP,
    TAGS,
    TAIL,
    WAITING,
    WAITS,
    Agents,
    Log,
    Residents,
    Work,
)
from kernelwright.chips.emulated.engine.jit import inlined


@inlined
def start_block(work: Work, held: Residents, unit: int, place: int, block: int, now: float) -> None:
    """Put a block on a place of a unit; its sets begin with their first step."""
    layout, agents, places = held.layout, held.agents, held.places
    here = unit * layout.places + place
    group = 0
    if layout.groups > 1:
        least = layout.places + 1
        for candidate in range(layout.groups):
            taken = 0
            for other in range(unit * layout.places, (unit + 1) * layout.places):
                if places.state[other, BLOCK] >= 0 and places.state[other, ENGINES] == candidate:
                    taken += 1
            if taken < least:
                least, group = taken, candidate
    places.state[here, BLOCK], places.state[here, ENGINES] = block, group
    places.state[here, WAITING] = places.state[here, OVER] = 0
    places.times[here, JOINED] = places.times[here, BEGAN] = now
    places.state[here, TAGS:] = -1
    for agent in range(here * layout.sets, (here + 1) * layout.sets):
        state = agents.state[agent]
        state[CODE], state[PC], state[END] = GO_ON, 0, 0
        state[STEP], state[LAST], state[GROUP] = work.first_step[block] - 1, work.first_step[block + 1], 0
        agents.next_time[agent] = agents.times[agent, ISSUED] = now
        agents.times[agent, OPEN_COPIES] = now
        agents.times[agent, CRUNCHED] = now
        agents.slots[agent, READY, :] = now
        agents.slots[agent, CHAIN, :] = now
        agents.slots[agent, TAIL, :] = 0.0


@inlined
def join(held: Residents, log: Log, agent: int, open_groups: int) -> bool:
    """Let an agent wait for its block's other sets, and for copies unless `open_groups` < 0; True if it can go on.

    The last to come lets all go on; it is the one that gets True.
    """
    layout, agents, places = held.layout, held.agents, held.places
    place = agent // layout.sets
    agents.times[agent, ISSUED] = max(agents.times[agent, ISSUED], agents.times[agent, CRUNCHED])
    places.state[place, WAITING] += 1
    places.times[place, JOINED] = max(places.times[place, JOINED], agents.times[agent, ISSUED])
    if places.state[place, WAITING] < layout.sets:
        agents.next_time[agent] = NEVER
        return False
    ready = places.times[place, JOINED]
    together = ready
    if open_groups >= 0:
        newest = agents.state[agent, GROUP] - 1 - open_groups
        for group in range(max(0, newest - RING + 1), newest + 1):
            if places.state[place, TAGS + group % RING] == group:
                ready = max(ready, places.times[place, DONE + group % RING])
    after = ready + layout.barrier
    for other in range(place * layout.sets, (place + 1) * layout.sets):
        log.totals[WAITS + JOIN] += together - agents.times[other, ISSUED] + layout.barrier
        log.totals[WAITS + COPIES] += ready - together
        agents.times[other, ISSUED] = after
        if other != agent:
            agents.next_time[other] = after
            agents.state[other, CODE] = GO_ON
    places.state[place, WAITING] = 0
    places.times[place, JOINED] = after
    return True


@inlined
def hand_on(ops: OpTable, times: NDArray[np.float64], pending: NDArray[np.float64], pc: int) -> None:
    """Give written slots the times of read ones, slot by slot and all at once."""
    first_read, first_write = ops.rows[pc, READS], ops.rows[pc, WRITES]
    writes = ops.rows[pc, END_OF_WRITES] - first_write
    for index in range(writes):
        pending[index] = times[ops.slots[first_read + index]]
    for index in range(writes):
        times[ops.slots[first_write + index]] = pending[index]


@inlined
def move_slots(ops: OpTable, agents: Agents, agent: int, pc: int) -> None:
    """Rename slots all at once, or make every written slot ready when all read ones are."""
    pending = agents.pending
    ready = agents.slots[agent, READY]
    first_read, first_write = ops.rows[pc, READS], ops.rows[pc, WRITES]
    writes = ops.rows[pc, END_OF_WRITES] - first_write
    if ops.rows[pc, OP_NUMBER] == 1:
        hand_on(ops, agents.slots[agent, READY], pending, pc)
        hand_on(ops, agents.slots[agent, CHAIN], pending, pc)
        hand_on(ops, agents.slots[agent, TAIL], pending, pc)
        return
    latest = agents.times[agent, ISSUED]
    for index in range(first_read, ops.rows[pc, WRITES]):
        latest = max(latest, ready[ops.slots[index]])
    for index in range(writes):
        ready[ops.slots[first_write + index]] = latest
        agents.slots[agent, CHAIN, ops.slots[first_write + index]] = latest
        agents.slots[agent, TAIL, ops.slots[first_write + index]] = 0.0


@inlined
def commit(held: Residents, agent: int) -> None:
    """Close an agent's open group of copies."""
    layout, agents, places = held.layout, held.agents, held.places
    place, group = agent // layout.sets, agents.state[agent, GROUP]
    at = group % RING
    if places.state[place, TAGS + at] != group:
        places.state[place, TAGS + at] = group
        places.times[place, DONE + at] = agents.times[agent, OPEN_COPIES]
    else:
        places.times[place, DONE + at] = max(places.times[place, DONE + at], agents.times[agent, OPEN_COPIES])
    agents.times[agent, OPEN_COPIES] = 0.0
    agents.state[agent, GROUP] = group + 1
