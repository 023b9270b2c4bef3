"""The machine that runs slice programs, in Numba: one launch, programs one after the other."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.jit import compiled, inlined
from kernelwright.chips.emulated.slicing import lanes
from kernelwright.chips.emulated.slicing.arithmetic import compute
from kernelwright.chips.emulated.slicing.contents import DONE, Contents, forget, read
from kernelwright.chips.emulated.slicing.opcodes import LAST_FLOAT, LAST_INTEGER, RANK, Opcode

Array = NDArray[Any]

# Why the machine stopped.
FINISHED, NO_ROOM, FAULT, ENDLESS = 0, 1, 2, 3
# Jumps backwards that one program may take; beyond, it waits for another program or will not end.
FUEL = 1 << 21
# Places of `Output.state`.
PC, PROGRAM, STEPS, ACCESSES, FUEL_LEFT, BEGIN = range(6)
STATE_SIZE = 6

_LAST_INTEGER = int(LAST_INTEGER)
_LAST_FLOAT = int(LAST_FLOAT)


class Code(NamedTuple):
    """A slice program's arrays; `ids` are the registers of the program's x, y and z."""

    instructions: NDArray[np.int64]
    tables: NDArray[np.int64]
    ids: NDArray[np.int64]


class Output(NamedTuple):
    """What a run writes: the trace so far, and by access its strides, whether they are fixed, and address bits seen."""

    first_step: NDArray[np.int64]
    segments: NDArray[np.int32]
    first_access: NDArray[np.int64]
    addresses: NDArray[np.int64]
    active: NDArray[np.int32]
    strides: NDArray[np.int64]
    unknown: NDArray[np.int8]
    seen: NDArray[np.int8]
    bits: NDArray[np.int64]
    state: NDArray[np.int64]


@compiled
def run(  # noqa: PLR0915
    code: Code,
    memory: Contents,
    out: Output,
    r: NDArray[np.int64],
    f: NDArray[np.float64],
    v: NDArray[np.int64],
    grid: NDArray[np.int64],
) -> int:
    """Run programs from where `out.state` stands until all are done or something stops them; return why."""
    ins, t, ids, state = code.instructions, code.tables, code.ids, out.state
    pc, program, steps, accesses, fuel, begin = (
        state[PC],
        state[PROGRAM],
        state[STEPS],
        state[ACCESSES],
        state[4],
        state[5],
    )
    programs = grid[0] * grid[1] * grid[2]
    room_steps, room_accesses = len(out.segments), len(out.addresses)
    status = -1
    while status < 0:
        op, dst, a, b, c, d = ins[pc, 0], ins[pc, 1], ins[pc, 2], ins[pc, 3], ins[pc, 4], ins[pc, 5]
        pc += 1
        if op <= _LAST_INTEGER:
            r[dst] = compute(op, r[a], r[b], r[c], d)
        elif op == Opcode.ACCESS:
            if accesses == room_accesses:
                pc -= 1
                status = NO_ROOM
            else:
                out.addresses[accesses] = r[b]
                out.active[accesses] = r[c]
                accesses += 1
                _note(t, r, out, a, r[b], r[c])
        elif op == Opcode.SEGMENT:
            if steps == room_steps:
                pc -= 1
                status = NO_ROOM
            else:
                out.segments[steps] = a
                out.first_access[steps] = accesses
                steps += 1
        elif op == Opcode.JUMP:
            if d < pc:
                fuel -= 1
                if fuel < 0:
                    status = ENDLESS
            pc = d
        elif op == Opcode.JUMP_GE:
            if r[a] >= r[b]:
                pc = d
        elif op == Opcode.JUMP_ZERO:
            if r[a] == 0:
                pc = d
        elif op == Opcode.TRANSFER:
            r[dst] = r[a]
            f[dst] = f[a]
        elif op == Opcode.LOAD:
            r[dst] = read(memory, r[a], d) if r[b] != 0 else r[c]
            if memory.fault[0] != DONE:
                status = FAULT
        elif op == Opcode.GET:
            r[dst] = v[a + r[b]]
        elif op == Opcode.SET:
            v[a + r[b]] = r[c]
        elif op == Opcode.COPY:
            into, source = a + r[b], c + r[d]
            for at in range(dst):
                v[into + at] = v[source + at]
        elif op == Opcode.COUNT:
            r[dst] = lanes.count(t, r, v, a, False, lanes.EVERY_ROW)
        elif op == Opcode.ANY:
            r[dst] = lanes.count(t, r, v, a, True, lanes.EVERY_ROW)
        elif op == Opcode.QUERY:
            r[dst] = lanes.query(t, r, v, a, memory)
            if memory.fault[0] != DONE:
                status = FAULT
        elif op in (Opcode.RETURN, Opcode.BEGIN):
            if op == Opcode.BEGIN:
                begin = pc
            else:
                program += 1
            out.first_step[program] = steps
            if program == programs:
                status = FINISHED
            else:
                r[ids[0]] = program % grid[0]
                r[ids[1]] = program // grid[0] % grid[1]
                r[ids[2]] = program // (grid[0] * grid[1])
                fuel = np.int64(FUEL)
                pc = begin
        elif op <= _LAST_FLOAT:
            _float(op, dst, a, b, c, r, f)
        else:
            _on_lanes(op, t, r, v, a, b, memory)
            if memory.fault[0] != DONE:
                status = FAULT
    state[PC], state[PROGRAM], state[STEPS], state[ACCESSES], state[4], state[5] = (
        pc,
        program,
        steps,
        accesses,
        fuel,
        begin,
    )
    if status == FINISHED:
        out.first_access[steps] = accesses
    return status


@inlined
def _note(t: Array, r: Array, out: Output, at: int, address: int, active: int) -> None:
    """Note an access's strides and the bits of its address. Table: number, guards, strides (-1: none), grains."""
    number = t[at]
    if active > 0:
        bits = out.bits[number] | address
        for grain in range(t[at + 1 + 2 * RANK]):
            bits |= r[t[at + 2 + 2 * RANK + grain]]
        out.bits[number] = bits
    for d in range(RANK):
        register = t[at + 1 + RANK + d]
        if register < 0 or r[t[at + 1 + d]] == 0:
            out.unknown[number, d] = 1
        elif out.seen[number] == 0:
            out.strides[number, d] = r[register]
        elif out.strides[number, d] != r[register]:
            out.unknown[number, d] = 1
    out.seen[number] = 1


@compiled
def _on_lanes(op: int, t: Array, r: Array, v: Array, a: int, b: int, memory: Contents) -> None:
    """Do an instruction on lanes."""
    if op == Opcode.LANES:
        lanes.fill(t, r, v, a, lanes.EVERY_ROW)
    elif op == Opcode.ELEMENTWISE:
        lanes.elementwise(t, v, a, lanes.EVERY_ROW)
    elif op == Opcode.MASK_LANES:
        lanes.mask_lanes(t, r, v, a, lanes.EVERY_ROW)
    elif op == Opcode.LOAD_LANES:
        lanes.load(t, r, v, a, lanes.EVERY_ROW, memory)
    elif op == Opcode.REDUCE:
        lanes.reduce(t, v, a)
    elif op == Opcode.SCAN:
        lanes.scan(t, v, a)
    elif op == Opcode.STORE_LANES:
        lanes.store(t, r, v, a, memory)
    elif op == Opcode.ATOMIC_LANES:
        lanes.atomic(t, r, v, a, memory)
    elif op == Opcode.TAINT:
        forget(memory, r[b])


@inlined
def _float(op: int, dst: int, a: int, b: int, c: int, r: Array, f: Array) -> None:
    """Do an instruction on scalar floats."""
    x, y = f[a], f[b]
    if op == Opcode.FADD:
        f[dst] = x + y
    elif op == Opcode.FSUB:
        f[dst] = x - y
    elif op == Opcode.FMUL:
        f[dst] = x * y
    elif op == Opcode.FDIV:
        f[dst] = x / y if y != 0.0 else math.nan if x == 0.0 else math.copysign(math.inf, x) * math.copysign(1.0, y)
    elif op == Opcode.FMIN:
        f[dst] = min(x, y)
    elif op == Opcode.FMAX:
        f[dst] = max(x, y)
    elif op == Opcode.FNEG:
        f[dst] = -x
    elif op == Opcode.FABS:
        f[dst] = abs(x)
    elif op == Opcode.FFLOOR:
        f[dst] = np.floor(x)
    elif op == Opcode.FCEIL:
        f[dst] = np.ceil(x)
    elif op == Opcode.FSINGLE:
        f[dst] = np.float64(np.float32(x))
    elif op == Opcode.FSELECT:
        f[dst] = f[b] if r[a] != 0 else f[c]
    elif op == Opcode.FROM_INT:
        f[dst] = np.float64(r[a])
    elif op == Opcode.TO_INT:
        r[dst] = np.int64(x) if abs(x) < 9.2e18 else 0
    elif op == Opcode.FCMP:
        r[dst] = _related(c, x, y)


@inlined
def _related(relation: int, x: float, y: float) -> int:
    if relation == 0:
        return 1 if x == y else 0
    if relation == 1:
        return 1 if x != y else 0
    if relation == 2:
        return 1 if x < y else 0
    if relation == 3:
        return 1 if x <= y else 0
    if relation == 4:
        return 1 if x > y else 0
    return 1 if x >= y else 0
