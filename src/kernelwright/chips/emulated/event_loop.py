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

from kernelwright.chips.emulated.caches import Caches
from kernelwright.chips.emulated.costs import AccessTable, OpTable
from kernelwright.chips.emulated.event_state import (
    BLOCK,
    BLOCK_TIME,
    CODE,
    COPIES,
    CURSOR,
    DEPENDENCY,
    DISPATCHED,
    END,
    END_TIME,
    ENGINES,
    EVENTS,
    FINISH,
    FIRST_RESOURCE,
    GO_ON,
    GROUP,
    JOIN,
    LAST,
    NEVER,
    OVER,
    PC,
    RING,
    SLICES,
    STEP,
    WAITING,
    Agents,
    Layout,
    Log,
    Places,
    Simulation,
    Work,
)
from kernelwright.chips.emulated.jit import compiled, inlined
from kernelwright.chips.emulated.memory_path import (
    Marks,
    Memory,
    Rates,
    Request,
    Servers,
    marked_priority,
    read_tile,
    tile_key,
    update_tile,
    write_tile,
)
from kernelwright.chips.emulated.op_costs import BULK, PORT, SHARED
from kernelwright.chips.emulated.op_rows import ATOMIC, COMMIT, COPY, LOAD, LOCAL, MOVE, WAIT

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
def start_block(sim: Simulation, unit: int, place: int, block: int, now: float) -> None:
    """Put a block on a place of a unit; its sets begin with their first step."""
    work, layout, agents, places = sim.work, sim.layout, sim.agents, sim.places
    here = unit * layout.places + place
    group = 0
    if layout.groups > 1:
        least = layout.places + 1
        for candidate in range(layout.groups):
            held = 0
            for other in range(unit * layout.places, (unit + 1) * layout.places):
                if places.state[other, BLOCK] >= 0 and places.state[other, ENGINES] == candidate:
                    held += 1
            if held < least:
                least, group = held, candidate
    places.state[here, BLOCK], places.state[here, ENGINES] = block, group
    places.state[here, WAITING] = places.state[here, OVER] = 0
    places.joined[here] = places.began[here] = now
    places.group_tag[here, :] = -1
    for agent in range(here * layout.sets, (here + 1) * layout.sets):
        state = agents.state[agent]
        state[CODE], state[PC], state[END] = GO_ON, 0, 0
        state[STEP], state[LAST], state[GROUP] = work.first_step[block] - 1, work.first_step[block + 1], 0
        agents.next_time[agent] = agents.issued[agent] = now
        agents.open_copies[agent] = now
        agents.crunched[agent] = now
        agents.ready[agent, :] = now
        agents.chain[agent, :] = now
        agents.tail[agent, :] = 0.0


@inlined
def join(sim: Simulation, agent: int, open_groups: int) -> bool:
    """Let an agent wait for its block's other sets, and for copies unless `open_groups` < 0; True if it can go on.

    The last to come lets all go on; it is the one that gets True.
    """
    layout, agents, places, log = sim.layout, sim.agents, sim.places, sim.log
    place = agent // layout.sets
    agents.issued[agent] = max(agents.issued[agent], agents.crunched[agent])
    places.state[place, WAITING] += 1
    places.joined[place] = max(places.joined[place], agents.issued[agent])
    if places.state[place, WAITING] < layout.sets:
        agents.next_time[agent] = NEVER
        return False
    ready = places.joined[place]
    together = ready
    if open_groups >= 0:
        newest = agents.state[agent, GROUP] - 1 - open_groups
        for group in range(max(0, newest - RING + 1), newest + 1):
            if places.group_tag[place, group % RING] == group:
                ready = max(ready, places.group_done[place, group % RING])
    after = ready + layout.barrier
    for other in range(place * layout.sets, (place + 1) * layout.sets):
        log.waits[JOIN] += together - agents.issued[other] + layout.barrier
        log.waits[COPIES] += ready - together
        agents.issued[other] = after
        if other != agent:
            agents.next_time[other] = after
            agents.state[other, CODE] = GO_ON
    places.state[place, WAITING] = 0
    places.joined[place] = after
    return True


@inlined
def hand_on(ops: OpTable, times: NDArray[np.float64], pending: NDArray[np.float64], pc: int) -> None:
    """Give written slots the times of read ones, slot by slot and all at once."""
    first_read, first_write = ops.read_first[pc], ops.write_first[pc]
    writes = ops.write_first[pc + 1] - first_write
    for index in range(writes):
        pending[index] = times[ops.reads[first_read + index]]
    for index in range(writes):
        times[ops.writes[first_write + index]] = pending[index]


@inlined
def move_slots(sim: Simulation, agent: int, pc: int) -> None:
    """Rename slots all at once, or make every written slot ready when all read ones are."""
    ops, agents, pending = sim.ops, sim.agents, sim.pending
    ready = agents.ready[agent]
    first_read, first_write = ops.read_first[pc], ops.write_first[pc]
    writes = ops.write_first[pc + 1] - first_write
    if ops.number[pc] == 1:
        hand_on(ops, agents.ready[agent], pending, pc)
        hand_on(ops, agents.chain[agent], pending, pc)
        hand_on(ops, agents.tail[agent], pending, pc)
        return
    latest = agents.issued[agent]
    for index in range(first_read, ops.read_first[pc + 1]):
        latest = max(latest, ready[ops.reads[index]])
    for index in range(writes):
        ready[ops.writes[first_write + index]] = latest
        agents.chain[agent, ops.writes[first_write + index]] = latest
        agents.tail[agent, ops.writes[first_write + index]] = 0.0


@inlined
def commit(sim: Simulation, agent: int) -> None:
    """Close an agent's open group of copies."""
    layout, agents, places = sim.layout, sim.agents, sim.places
    place, group = agent // layout.sets, agents.state[agent, GROUP]
    at = group % RING
    if places.group_tag[place, at] != group:
        places.group_tag[place, at] = group
        places.group_done[place, at] = agents.open_copies[agent]
    else:
        places.group_done[place, at] = max(places.group_done[place, at], agents.open_copies[agent])
    agents.open_copies[agent] = 0.0
    agents.state[agent, GROUP] = group + 1


@inlined
def advance(sim: Simulation, agent: int) -> None:
    """Take an agent to its next op that needs a resource, through those that need none."""
    ops, work, layout, agents, places, log = sim.ops, sim.work, sim.layout, sim.agents, sim.places, sim.log
    state = agents.state[agent]
    pc, end = state[PC], state[END]
    while True:
        if pc == end:
            state[STEP] += 1
            if state[STEP] == state[LAST]:
                state[CODE] = FINISH
                place = agent // layout.sets
                places.state[place, OVER] += 1
                places.joined[place] = max(places.joined[place], agents.issued[agent], agents.crunched[agent])
                last = places.state[place, OVER] == layout.sets
                agents.next_time[agent] = places.joined[place] if last else NEVER
                return
            segment = work.segments[state[STEP]]
            pc, end = ops.first[segment], ops.first[segment + 1]
            state[END] = end
            state[CURSOR] = work.first_access[state[STEP]]
            continue
        code = ops.code[pc]
        if code < MOVE:
            ready = agents.issued[agent]
            if ops.pieces[pc] != 0.0:
                ready = max(ready, agents.crunched[agent])
            for index in range(ops.read_first[pc], ops.read_first[pc + 1]):
                slot = ops.reads[index]
                ready = max(ready, agents.chain[agent, slot] if ops.pieces[pc] > 0.0 else agents.ready[agent, slot])
            log.waits[DEPENDENCY] += ready - agents.issued[agent]
            agents.next_time[agent] = ready
            state[CODE], state[PC] = code, pc
            return
        if code == MOVE:
            move_slots(sim, agent, pc)
        elif code == COMMIT:
            commit(sim, agent)
        else:
            state[PC] = pc + 1
            log.totals[EVENTS] += 1
            if not join(sim, agent, ops.number[pc] if code == WAIT else -1):
                return
        pc += 1


@inlined
def serve(sim: Simulation, unit: int, agent: int) -> None:
    """Do an agent's next op on a resource of its unit."""
    ops, layout, agents, places, log, free = sim.ops, sim.layout, sim.agents, sim.places, sim.log, sim.free
    pc = agents.state[agent, PC]
    place = agent // layout.sets
    resource = ops.resource[pc]
    column = resource_index(resource, places.state[place, ENGINES], layout.groups)
    now = agents.next_time[agent]
    start = max(now, free[unit, column])
    pieces = ops.pieces[pc]
    log.waits[FIRST_RESOURCE + resource] += (start - now) / -pieces if pieces < 0.0 else start - now
    free[unit, column] = start + ops.service[pc]
    issued, ready, tail = start + ops.issue[pc], start + ops.latency[pc], 0.0
    if pieces < 0.0:
        # Who reads piece by piece waits for one piece of everything ahead in the queue, not for all of it.
        end = start + ops.service[pc]
        issued = now + max(0.0, (start - now) / -pieces - QUEUE_CYCLES) + ops.issue[pc]
        ready = now + (end - now) / -pieces + ops.latency[pc]
        tail = end + ops.latency[pc]
    elif pieces > 0.0:
        last = 0.0
        for index in range(ops.read_first[pc], ops.read_first[pc + 1]):
            last = max(last, agents.tail[agent, ops.reads[index]])
        late = last + ops.issue[pc] / pieces - issued
        if late > 0.0:
            log.waits[FIRST_RESOURCE + SHARED] += late
            issued += late
            ready += late
        agents.crunched[agent] = issued
    chain = ready
    if pieces > 0.0:
        chain, issued = issued, start
    agents.issued[agent] = issued
    for index in range(ops.write_first[pc], ops.write_first[pc + 1]):
        slot = ops.writes[index]
        agents.ready[agent, slot], agents.chain[agent, slot], agents.tail[agent, slot] = ready, chain, tail
    if unit < log.slice_units:
        write_slice(log, pc, resource, start, start + ops.service[pc], places.state[place, BLOCK], unit)
    agents.state[agent, PC] = pc + 1


@inlined
def access(sim: Simulation, unit: int, agent: int) -> None:  # noqa: PLR0915 - one claim after another
    """Do an agent's next op on global memory; the caller sees to the order of time over all units."""
    ops, table, agents, log = sim.ops, sim.table, sim.agents, sim.log
    pc = agents.state[agent, PC]
    agents.state[agent, PC] = pc + 1
    a = ops.access[pc]
    at = agents.state[agent, CURSOR] + ops.ordinal[pc]
    now = agents.next_time[agent]
    place, part = agent // sim.layout.sets, agent % sim.layout.sets
    bulk = table.bulk[a] == 1
    code = ops.code[pc]
    share = min(1.0, sim.work.active[at] / table.elements[a])
    if share <= 0.0 or (bulk and part > 0):
        agents.issued[agent] = now
        for index in range(ops.write_first[pc], ops.write_first[pc + 1]):
            agents.ready[agent, ops.writes[index]] = agents.chain[agent, ops.writes[index]] = now
        return
    resource = BULK if bulk else PORT
    column = resource_index(resource, 0, sim.layout.groups)
    start = max(now, sim.free[unit, column])
    setup = 0.0
    if bulk:
        setup = sim.layout.bulk_setup
        if sim.layout.bulk_depth > 0:
            start = max(start, sim.bulk_ring[unit, sim.bulk_count[unit] % sim.layout.bulk_depth])
    end = start + max(table.port_cycles[a] * share, 1.0)
    sim.free[unit, column] = end
    issued = now if bulk else max(now, start - QUEUE_CYCLES) + table.issue[a]
    if not bulk:
        log.waits[FIRST_RESOURCE + resource] += start - now
    agents.issued[agent] = issued
    address = sim.work.addresses[at]
    moved = max(32.0, table.moved_bytes[a] * share)
    key = tile_key(address, table.size_key[a], part)
    priority = marked_priority(sim.marks, sim.rates, address, table.priority[a])
    l2, die = sim.layout.l2_of[unit], sim.layout.die_of[unit]
    memory = Memory(sim.caches, sim.rates, sim.servers, log.counted)
    request = Request(now, end, l2, die, address, key, moved, table.camping[a], priority)
    if code in (LOAD, COPY):
        done = read_tile(memory, request) + setup
        if code == COPY:
            agents.open_copies[agent] = max(agents.open_copies[agent], done)
    else:
        done = write_tile(memory, request)
        if code == ATOMIC:
            cycles = ops.service[pc] * share
            done = max(done, update_tile(memory, now, address, cycles, ops.number[pc]))
    if bulk and sim.layout.bulk_depth > 0:
        sim.bulk_ring[unit, sim.bulk_count[unit] % sim.layout.bulk_depth] = done
        sim.bulk_count[unit] += 1
    log.totals[END_TIME] = max(log.totals[END_TIME], done)
    # A copy's place in on-chip memory is known at once; its data is waited for by group.
    ready = issued if code == COPY else done
    for index in range(ops.write_first[pc], ops.write_first[pc + 1]):
        agents.ready[agent, ops.writes[index]] = agents.chain[agent, ops.writes[index]] = ready
    if unit < log.slice_units:
        write_slice(log, pc, resource, start, end, sim.places.state[place, BLOCK], unit)


@inlined
def replay(tree: NDArray[np.int64], key: NDArray[np.float64], leaves: int, leaf: int) -> None:
    """Play a unit's matches again, leaf to root; the lower unit wins a tie."""
    node = (leaves + leaf) >> 1
    while node >= 1:
        left, right = tree[2 * node], tree[2 * node + 1]
        tree[node] = left if key[left] <= key[right] else right
        node >>= 1


def run_blocks(  # noqa: PLR0913, PLR0917 - the parts of a simulation
    ops: OpTable, table: AccessTable, work: Work, layout: Layout, caches: Caches, rates: Rates, servers: Servers,
    marks: Marks, log: Log,
) -> None:  # fmt: skip
    """Run every block; what it took is in `log`, caches are left as they end."""
    units = len(layout.l2_of)
    places = units * layout.places
    sets = places * layout.sets
    leaves = 1 << (units - 1).bit_length()
    run_simulation(
        Simulation(
            ops, table, work, layout, caches, rates, servers, marks, log,
            agents=Agents(
                next_time=np.full(sets, NEVER),
                issued=np.zeros(sets),
                state=np.zeros((sets, 8), np.int64),
                open_copies=np.zeros(sets),
                crunched=np.zeros(sets),
                ready=np.zeros((sets, layout.slots)),
                chain=np.zeros((sets, layout.slots)),
                tail=np.zeros((sets, layout.slots)),
            ),
            places=Places(
                state=np.full((places, 4), -1, np.int64),
                joined=np.zeros(places),
                began=np.zeros(places),
                group_done=np.zeros((places, RING)),
                group_tag=np.full((places, RING), -1, np.int64),
            ),
            free=np.zeros((units, 3 * layout.groups + 3)),
            bulk_ring=np.zeros((units, max(1, layout.bulk_depth))),
            bulk_count=np.zeros(units, np.int64),
            pending=np.zeros(layout.slots),
            key=np.full(leaves, NEVER),
            tree=np.arange(2 * leaves) - leaves,
            chosen=np.full(units, -1, np.int64),
        )
    )  # fmt: skip


@inlined
def start_first(sim: Simulation, key: NDArray[np.float64]) -> int:
    """Fill the places of all units, one place of each unit after the other; return the next block."""
    units = sim.layout.l2_of.shape[0]
    blocks = sim.work.first_step.shape[0] - 1
    block = 0
    for place in range(sim.layout.places):
        for unit in range(units):
            if block < blocks:
                sim.log.totals[DISPATCHED] += sim.layout.dispatch
                start_block(sim, unit, place, block, sim.log.totals[DISPATCHED])
                key[unit] = 0.0
                block += 1
    return block


@inlined
def finish_block(sim: Simulation, unit: int, agent: int, next_block: int) -> int:
    """Take a block off its place and put the next one there; return the one after it."""
    totals, layout = sim.log.totals, sim.layout
    place = agent // layout.sets
    now = sim.agents.next_time[agent]
    totals[BLOCK_TIME] += (now - sim.places.began[place]) * layout.sets
    totals[END_TIME] = max(totals[END_TIME], now)
    sim.log.unit_end[unit] = now
    sim.agents.next_time[agent] = NEVER
    sim.places.state[place, BLOCK] = -1
    if next_block < sim.work.first_step.shape[0] - 1:
        totals[DISPATCHED] = max(totals[DISPATCHED], now) + layout.dispatch
        start_block(sim, unit, place % layout.places, next_block, totals[DISPATCHED])
    return next_block + 1


@compiled
def run_simulation(sim: Simulation) -> None:
    """Run a simulation that has not begun to its end."""
    layout, agents, log = sim.layout, sim.agents, sim.log
    of_unit = layout.places * layout.sets
    key, tree, chosen = sim.key, sim.tree, sim.chosen
    leaves = key.shape[0]
    next_block = start_first(sim, key)
    for leaf in range(leaves):
        replay(tree, key, leaves, leaf)
    events = 0
    unit = tree[1]
    while key[unit] < NEVER:
        agent = chosen[unit]
        if agent >= 0:
            events += 1
            if agents.state[agent, CODE] == FINISH:
                next_block = finish_block(sim, unit, agent, next_block)
                agent = -1
            else:
                access(sim, unit, agent)
        while True:
            if agent >= 0:
                advance(sim, agent)
            agent, best = -1, NEVER
            for candidate in range(unit * of_unit, (unit + 1) * of_unit):
                if agents.next_time[candidate] < best:
                    agent, best = candidate, agents.next_time[candidate]
            if agent < 0:
                break
            code = agents.state[agent, CODE]
            if code == LOCAL:
                serve(sim, unit, agent)
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
    for index in range(sim.servers.memory.shape[0]):
        log.totals[END_TIME] = max(log.totals[END_TIME], sim.servers.memory[index])
