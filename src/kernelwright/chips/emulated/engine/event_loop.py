"""The event loop: every block of a launch, in time order, on units with a fixed number of places. Numba.

An agent is one warp set of a resident block. It issues its ops in order: an op starts when what it reads is there, the
ops before it have been issued and its resource is free; resources serve who comes first. Between two barriers lanes
and copies pass products that they do not depend on, as compilers interleave them; products and what is read for them
keep their order, and a barrier waits for the last product to be handed over. Within a unit the agent
whose next op can start first goes first. Ops that touch what units share (caches, memory, dispatcher) are done in the
order of time over all units, found by a tournament between the units' next such ops; ties go to the lower unit, then to
the lower agent. Nothing depends on threads or on the order of a hash table.
"""

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.costs import (
    CAMPING,
    ELEMENTS,
    END_OF_WRITES,
    IS_BULK,
    ISSUE,
    ISSUE_CYCLES,
    LATENCY,
    MOVED_BYTES,
    OP_ACCESS,
    OP_CODE,
    OP_NUMBER,
    OP_ORDINAL,
    OP_RESOURCE,
    PIECES,
    PORT_CYCLES,
    PRIORITY_CLASS,
    READS,
    SERVICE,
    SIZE_KEY,
    WRITES,
    OpTable,
)
from kernelwright.chips.emulated.engine.event_blocks import commit, join, move_slots, start_block
from kernelwright.chips.emulated.engine.event_state import (
    BEGAN,
    BLOCK,
    BLOCK_TIME,
    CHAIN,
    CODE,
    CRUNCHED,
    CURSOR,
    DEPENDENCY,
    DISPATCHED,
    DONE,
    END,
    END_TIME,
    ENGINES,
    EVENTS,
    FINISH,
    FIRST_RESOURCE,
    GO_ON,
    ISSUED,
    JOINED,
    LAST,
    NEVER,
    OPEN_COPIES,
    OVER,
    PC,
    READY,
    RING,
    SLICES,
    STEP,
    TAGS,
    TAIL,
    WAITS,
    Agents,
    Layout,
    Log,
    Places,
    Program,
    Residents,
    Work,
)
from kernelwright.chips.emulated.engine.jit import compiled, inlined
from kernelwright.chips.emulated.engine.memory_path import (
    MEMORY,
    Memory,
    Request,
    marked_priority,
    read_tile,
    tile_key,
    update_tile,
    write_tile,
)
from kernelwright.chips.emulated.engine.op_costs import BULK, PORT, SHARED
from kernelwright.chips.emulated.engine.op_rows import ATOMIC, COMMIT, COPY, LOAD, LOCAL, MOVE, WAIT

# How long an instruction on memory may stand in a set's queue before the set's next ones wait behind it.
QUEUE_CYCLES = 128.0


@inlined
def resource_index(resource: int, group: int, groups: int) -> int:
    """Return the column of a resource in a unit's row: the first three exist once a group of engines."""
    return resource * groups + group if resource < SHARED else SHARED * groups + resource - SHARED


@inlined
def write_slice(log: Log, op: int, resource: int, begin: float, end: float, block: int, unit: int) -> None:
    """Keep one stay on a resource, while there is room."""
    index = int(log.totals[SLICES])
    if index < log.slices.shape[0]:
        log.totals[SLICES] = index + 1
        log.slices[index, 0], log.slices[index, 1] = op, resource
        log.slices[index, 2], log.slices[index, 3] = begin, end
        log.slices[index, 4], log.slices[index, 5] = block, unit


@inlined
def advance(program: Program, held: Residents, log: Log, agent: int) -> None:
    """Take an agent to its next op that needs a resource, through those that need none."""
    ops, work = program.ops, program.work
    layout, agents, places = held.layout, held.agents, held.places
    state = agents.state[agent]
    pc, end = state[PC], state[END]
    while True:
        if pc == end:
            state[STEP] += 1
            if state[STEP] == state[LAST]:
                state[CODE] = FINISH
                place = agent // layout.sets
                places.state[place, OVER] += 1
                places.times[place, JOINED] = max(
                    places.times[place, JOINED], agents.times[agent, ISSUED], agents.times[agent, CRUNCHED]
                )
                last = places.state[place, OVER] == layout.sets
                agents.next_time[agent] = places.times[place, JOINED] if last else NEVER
                return
            segment = work.segments[state[STEP]]
            pc, end = ops.first[segment], ops.first[segment + 1]
            state[END] = end
            state[CURSOR] = work.first_access[state[STEP]]
            continue
        code = ops.rows[pc, OP_CODE]
        if code < MOVE:
            ready = agents.times[agent, ISSUED]
            if ops.cycles[pc, PIECES] != 0.0:
                ready = max(ready, agents.times[agent, CRUNCHED])
            for index in range(ops.rows[pc, READS], ops.rows[pc, WRITES]):
                slot = ops.slots[index]
                ready = max(
                    ready,
                    agents.slots[agent, CHAIN, slot]
                    if ops.cycles[pc, PIECES] > 0.0
                    else agents.slots[agent, READY, slot],
                )
            log.totals[WAITS + DEPENDENCY] += ready - agents.times[agent, ISSUED]
            agents.next_time[agent] = ready
            state[CODE], state[PC] = code, pc
            return
        if code == MOVE:
            move_slots(ops, agents, agent, pc)
        elif code == COMMIT:
            commit(held, agent)
        else:
            state[PC] = pc + 1
            log.totals[EVENTS] += 1
            if not join(held, log, agent, ops.rows[pc, OP_NUMBER] if code == WAIT else -1):
                return
        pc += 1


@inlined
def serve(ops: OpTable, held: Residents, log: Log, unit: int, agent: int) -> None:
    """Do an agent's next op on a resource of its unit."""
    layout, agents, places, free = held.layout, held.agents, held.places, held.free
    pc = agents.state[agent, PC]
    place = agent // layout.sets
    resource = ops.rows[pc, OP_RESOURCE]
    column = resource_index(resource, places.state[place, ENGINES], layout.groups)
    now = agents.next_time[agent]
    start = max(now, free[unit, column])
    pieces = ops.cycles[pc, PIECES]
    log.totals[WAITS + FIRST_RESOURCE + resource] += (start - now) / -pieces if pieces < 0.0 else start - now
    free[unit, column] = start + ops.cycles[pc, SERVICE]
    issued, ready, tail = start + ops.cycles[pc, ISSUE], start + ops.cycles[pc, LATENCY], 0.0
    if pieces < 0.0:
        # Who reads piece by piece waits for one piece of everything ahead in the queue, not for all of it.
        end = start + ops.cycles[pc, SERVICE]
        issued = now + max(0.0, (start - now) / -pieces - QUEUE_CYCLES) + ops.cycles[pc, ISSUE]
        ready = now + (end - now) / -pieces + ops.cycles[pc, LATENCY]
        tail = end + ops.cycles[pc, LATENCY]
    elif pieces > 0.0:
        last = 0.0
        for index in range(ops.rows[pc, READS], ops.rows[pc, WRITES]):
            last = max(last, agents.slots[agent, TAIL, ops.slots[index]])
        late = last + ops.cycles[pc, ISSUE] / pieces - issued
        if late > 0.0:
            log.totals[WAITS + FIRST_RESOURCE + SHARED] += late
            issued += late
            ready += late
        agents.times[agent, CRUNCHED] = issued
    chain = ready
    if pieces > 0.0:
        chain, issued = issued, start
    agents.times[agent, ISSUED] = issued
    for index in range(ops.rows[pc, WRITES], ops.rows[pc, END_OF_WRITES]):
        slot = ops.slots[index]
        agents.slots[agent, READY, slot], agents.slots[agent, CHAIN, slot], agents.slots[agent, TAIL, slot] = (
            ready,
            chain,
            tail,
        )
    if unit < log.slice_units:
        write_slice(log, pc, resource, start, start + ops.cycles[pc, SERVICE], places.state[place, BLOCK], unit)
    agents.state[agent, PC] = pc + 1


@inlined
def access(  # noqa: PLR0915 - one claim after another
    program: Program, held: Residents, memory: Memory, log: Log, unit: int, agent: int
) -> None:
    """Do an agent's next op on global memory; the caller sees to the order of time over all units."""
    ops, table, work, layout, agents = program.ops, program.table, program.work, held.layout, held.agents
    pc = agents.state[agent, PC]
    agents.state[agent, PC] = pc + 1
    a = ops.rows[pc, OP_ACCESS]
    at = agents.state[agent, CURSOR] + ops.rows[pc, OP_ORDINAL]
    now = agents.next_time[agent]
    place, part = agent // layout.sets, agent % layout.sets
    bulk = table.marks[a, IS_BULK] == 1
    code = ops.rows[pc, OP_CODE]
    share = min(1.0, work.active[at] / table.amounts[a, ELEMENTS])
    if share <= 0.0 or (bulk and part > 0):
        agents.times[agent, ISSUED] = now
        for index in range(ops.rows[pc, WRITES], ops.rows[pc, END_OF_WRITES]):
            agents.slots[agent, READY, ops.slots[index]] = agents.slots[agent, CHAIN, ops.slots[index]] = now
        return
    resource = BULK if bulk else PORT
    column = resource_index(resource, 0, layout.groups)
    start = max(now, held.free[unit, column])
    setup = 0.0
    if bulk:
        setup = layout.bulk_setup
        if layout.bulk_depth > 0:
            start = max(start, held.bulk[unit, 1 + int(held.bulk[unit, 0]) % layout.bulk_depth])
    end = start + max(table.amounts[a, PORT_CYCLES] * share, 1.0)
    held.free[unit, column] = end
    issued = now if bulk else max(now, start - QUEUE_CYCLES) + table.amounts[a, ISSUE_CYCLES]
    if not bulk:
        log.totals[WAITS + FIRST_RESOURCE + resource] += start - now
    agents.times[agent, ISSUED] = issued
    address = work.addresses[at]
    moved = max(32.0, table.amounts[a, MOVED_BYTES] * share)
    key = tile_key(address, table.marks[a, SIZE_KEY], part)
    priority = marked_priority(memory, address, table.marks[a, PRIORITY_CLASS])
    l2, die = layout.units[unit, 0], layout.units[unit, 1]
    request = Request(now, end, l2, die, address, key, moved, table.amounts[a, CAMPING], priority)
    if code in (LOAD, COPY):
        done = read_tile(memory, request) + setup
        if code == COPY:
            agents.times[agent, OPEN_COPIES] = max(agents.times[agent, OPEN_COPIES], done)
    else:
        done = write_tile(memory, request)
        if code == ATOMIC:
            cycles = ops.cycles[pc, SERVICE] * share
            done = max(done, update_tile(memory, now, address, cycles, ops.rows[pc, OP_NUMBER]))
    if bulk and layout.bulk_depth > 0:
        held.bulk[unit, 1 + int(held.bulk[unit, 0]) % layout.bulk_depth] = done
        held.bulk[unit, 0] += 1.0
    log.totals[END_TIME] = max(log.totals[END_TIME], done)
    # A copy's place in on-chip memory is known at once; its data is waited for by group.
    ready = issued if code == COPY else done
    for index in range(ops.rows[pc, WRITES], ops.rows[pc, END_OF_WRITES]):
        agents.slots[agent, READY, ops.slots[index]] = agents.slots[agent, CHAIN, ops.slots[index]] = ready
    if unit < log.slice_units:
        write_slice(log, pc, resource, start, end, held.places.state[place, BLOCK], unit)


@inlined
def replay(tree: NDArray[np.int64], key: NDArray[np.float64], leaves: int, leaf: int) -> None:
    """Play a unit's matches again, leaf to root; the lower unit wins a tie."""
    node = (leaves + leaf) >> 1
    while node >= 1:
        left, right = tree[2 * node], tree[2 * node + 1]
        tree[node] = left if key[left] <= key[right] else right
        node >>= 1


def run_blocks(program: Program, layout: Layout, memory: Memory, log: Log) -> None:
    """Run every block; what it took is in `log`, caches are left as they end."""
    units = len(layout.units)
    places = units * layout.places
    sets = places * layout.sets
    leaves = 1 << (units - 1).bit_length()
    agents = Agents(
        next_time=np.full(sets, NEVER),
        times=np.zeros((sets, 4)),
        state=np.zeros((sets, 8), np.int64),
        slots=np.zeros((sets, 3, layout.slots)),
        pending=np.zeros(layout.slots),
    )
    held = Residents(
        layout=layout,
        agents=agents,
        places=Places(np.full((places, TAGS + RING), -1, np.int64), np.zeros((places, DONE + RING))),
        free=np.zeros((units, 3 * layout.groups + 3)),
        bulk=np.zeros((units, 1 + max(1, layout.bulk_depth))),
    )
    run_simulation(
        program, held, memory, log, np.full(leaves, NEVER), np.arange(2 * leaves) - leaves, np.full(units, -1, np.int64)
    )


@inlined
def start_first(work: Work, held: Residents, log: Log, key: NDArray[np.float64]) -> int:
    """Fill the places of all units, one place of each unit after the other; return the next block."""
    units = held.layout.units.shape[0]
    blocks = work.first_step.shape[0] - 1
    block = 0
    for place in range(held.layout.places):
        for unit in range(units):
            if block < blocks:
                log.totals[DISPATCHED] += held.layout.dispatch
                start_block(work, held, unit, place, block, log.totals[DISPATCHED])
                key[unit] = 0.0
                block += 1
    return block


@inlined
def finish_block(work: Work, held: Residents, log: Log, unit: int, agent: int, next_block: int) -> int:
    """Take a block off its place and put the next one there; return the one after it."""
    totals, layout = log.totals, held.layout
    place = agent // layout.sets
    now = held.agents.next_time[agent]
    totals[BLOCK_TIME] += (now - held.places.times[place, BEGAN]) * layout.sets
    totals[END_TIME] = max(totals[END_TIME], now)
    log.unit_end[unit] = now
    held.agents.next_time[agent] = NEVER
    held.places.state[place, BLOCK] = -1
    if next_block < work.first_step.shape[0] - 1:
        totals[DISPATCHED] = max(totals[DISPATCHED], now) + layout.dispatch
        start_block(work, held, unit, place % layout.places, next_block, totals[DISPATCHED])
    return next_block + 1


@compiled
def run_simulation(
    program: Program,
    held: Residents,
    memory: Memory,
    log: Log,
    key: NDArray[np.float64],
    tree: NDArray[np.int64],
    chosen: NDArray[np.int64],
) -> None:
    """Run every block of a chip that holds none yet.

    `key`, `tree` and `chosen` are the tournament: times of the units' next shared ops, winners, agents that do them.
    """
    layout, agents = held.layout, held.agents
    of_unit = layout.places * layout.sets
    leaves = key.shape[0]
    next_block = start_first(program.work, held, log, key)
    for leaf in range(leaves):
        replay(tree, key, leaves, leaf)
    events = 0
    unit = tree[1]
    while key[unit] < NEVER:
        agent = chosen[unit]
        if agent >= 0:
            events += 1
            if agents.state[agent, CODE] == FINISH:
                next_block = finish_block(program.work, held, log, unit, agent, next_block)
                agent = -1
            else:
                access(program, held, memory, log, unit, agent)
        while True:
            if agent >= 0:
                advance(program, held, log, agent)
            agent, best = -1, NEVER
            for candidate in range(unit * of_unit, (unit + 1) * of_unit):
                if agents.next_time[candidate] < best:
                    agent, best = candidate, agents.next_time[candidate]
            if agent < 0:
                break
            code = agents.state[agent, CODE]
            if code == LOCAL:
                serve(program.ops, held, log, unit, agent)
                events += 1
            elif code != GO_ON:
                break
        chosen[unit] = agent
        # A unit goes on while it is no later than it was: nobody else can be earlier.
        if best > key[unit]:
            key[unit] = best
            replay(tree, key, leaves, unit)
            unit = tree[1]
    log.totals[EVENTS] += events
    for index in range(memory.rates.dies):
        log.totals[END_TIME] = max(log.totals[END_TIME], memory.servers[MEMORY, index])
