"""Runs a kernel's slice for every program of a launch: the trace of what blocks do and where they reach."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.slicing import interpreter
from kernelwright.chips.emulated.slicing.contents import DONE, UNKNOWN
from kernelwright.chips.emulated.slicing.opcodes import RANK
from kernelwright.chips.emulated.slicing.program import AccessSite, SliceProgram
from kernelwright.chips.emulated.slicing.virtual_memory import VirtualMemory, virtual_memory
from kernelwright.chips.emulated.trace import AccessFacts, Trace
from kernelwright.compiler.faults import LaunchSite, Touch
from kernelwright.core.errors import HarnessError, UnsupportedOpError
from kernelwright.core.plan import Buffer, LaunchOption, PointerArg

# Pages that are never written cost nothing.
_FIRST_ROOM = 1 << 20
# The largest power of two that `AccessFacts.align_bytes` tells.
_LARGEST_ALIGN = 128


def trace_launch(
    program: SliceProgram, option: LaunchOption, buffers: Sequence[Buffer], contents: Mapping[int, NDArray[Any]]
) -> Trace:
    """Return the trace of one launch on memory of its own; `contents` are integers by buffer number.

    Raises:
        MemoryFault: the slice reads integers outside of its buffers, or waits for a program without end.
        UnsupportedOpError: it reads contents that a slice cannot know.
    """
    return trace_in(program, option, virtual_memory(buffers, contents))


def trace_in(program: SliceProgram, option: LaunchOption, memory: VirtualMemory) -> Trace:
    """Return the trace of one launch; integers that it stores stay in `memory` for the launches after it."""
    registers, floats, arena = program.integers.copy(), program.floats.copy(), program.arena.copy()
    _set_arguments(program, option, memory, registers, floats)
    grid = np.array(option.grid, np.int64)
    for register, size in zip(program.grid, option.grid, strict=True):
        registers[register] = size
    out = _output(int(grid.prod()), len(program.accesses), _FIRST_ROOM, 2 * _FIRST_ROOM)
    code = interpreter.Code(program.instructions, program.tables, program.ids)
    while True:
        status = interpreter.run(code, memory.contents, out, registers, floats, arena, grid)
        if status == interpreter.FINISHED:
            return _trace(program, out)
        if status != interpreter.NO_ROOM:
            raise _stopped(program, option, memory, out, status)
        out = _grown(out)


def _set_arguments(
    program: SliceProgram,
    option: LaunchOption,
    memory: VirtualMemory,
    registers: NDArray[np.int64],
    floats: NDArray[Any],
) -> None:
    if len(option.args) != len(program.arguments):
        raise HarnessError(
            f"{program.name} takes {len(program.arguments)} arguments, the launch gives {len(option.args)}"
        )
    for (register, is_float, _), arg in zip(program.arguments, option.args, strict=True):
        if isinstance(arg, PointerArg):
            registers[register] = memory.starts[arg.buffer] + arg.offset_bytes
        elif is_float:
            floats[register] = np.float32(arg.value) if arg.type == "f32" else arg.value
        else:
            value = int(arg.value)
            registers[register] = value - (1 << 64) if value >= 1 << 63 else value


def _output(programs: int, accesses: int, step_room: int, access_room: int) -> interpreter.Output:
    return interpreter.Output(
        first_step=np.zeros(programs + 1, np.int64),
        segments=np.empty(step_room, np.int32),
        first_access=np.empty(step_room + 1, np.int64),
        addresses=np.empty(access_room, np.int64),
        active=np.empty(access_room, np.int32),
        strides=np.zeros((accesses, RANK), np.int64),
        unknown=np.zeros((accesses, RANK), np.int8),
        seen=np.zeros(accesses, np.int8),
        bits=np.zeros(accesses, np.int64),
        state=np.zeros(interpreter.STATE_SIZE, np.int64),
    )


def _grown(out: interpreter.Output) -> interpreter.Output:
    """Return the output with more room: by what programs have taken so far, at least double."""
    done, programs = int(out.state[interpreter.PROGRAM]), len(out.first_step) - 1
    share = min(programs / max(done, 1) * 1.1, 8.0)

    def larger(values: NDArray[Any], used: int) -> NDArray[Any]:
        made = np.empty(int(max(len(values) * 2, used * share)) + 1, values.dtype)
        made[:used] = values[:used]
        return made

    steps, accesses = int(out.state[interpreter.STEPS]), int(out.state[interpreter.ACCESSES])
    segments = larger(out.segments, steps)
    first = np.empty(len(segments) + 1, np.int64)
    first[:steps] = out.first_access[:steps]
    addresses, active = larger(out.addresses, accesses), larger(out.active, accesses)
    return out._replace(segments=segments, first_access=first, addresses=addresses, active=active)


def _trace(program: SliceProgram, out: interpreter.Output) -> Trace:
    steps, accesses = int(out.state[interpreter.STEPS]), int(out.state[interpreter.ACCESSES])
    facts = tuple(_facts(site, out, number) for number, site in enumerate(program.accesses))
    return Trace(
        first_step=out.first_step,
        segments=out.segments[:steps].copy(),
        first_access=out.first_access[: steps + 1].copy(),
        addresses=out.addresses[:accesses].copy(),
        active=out.active[:accesses].copy(),
        facts=facts,
    )


def _facts(site: AccessSite, out: interpreter.Output, number: int) -> AccessFacts:
    rank = len(site.shape)
    bits = int(out.bits[number])
    strides: list[int | None] = []
    for d, size in enumerate(site.shape):
        stride_bytes = int(out.strides[number, RANK - rank + d])
        if out.unknown[number, RANK - rank + d] and size > 1:
            strides.append(None)
            continue
        strides.append(stride_bytes // site.element_bytes if size > 1 else 0)
        if size > 1 and abs(stride_bytes) != site.element_bytes:
            bits |= stride_bytes
    run = max((size for size, stride in zip(site.shape, strides, strict=True) if stride == 1), default=1)
    return AccessFacts(tuple(strides), min(bits & -bits, _LARGEST_ALIGN) if bits else _LARGEST_ALIGN, run)


def _stopped(
    program: SliceProgram, option: LaunchOption, memory: VirtualMemory, out: interpreter.Output, status: int
) -> Exception:
    """Return the error that stopped the machine."""
    pc = int(out.state[interpreter.PC]) - 1
    why, address, size = (int(value) for value in memory.contents.fault)
    memory.contents.fault[:] = DONE
    place = program.locations[pc]
    touch = Touch(0, int(out.state[interpreter.PROGRAM]), address, size, is_write=False)
    site = LaunchSite(program.name, option.grid, (), memory.ranges(), {0: place}, {})
    if status == interpreter.ENDLESS:
        return UnsupportedOpError(
            f"line {place.line}: program {touch.program} of {program.name} takes more than {interpreter.FUEL} rounds "
            "of loops; a slice runs programs one after the other, so none may wait for a later one",
            {"line": place.line, "program": touch.program},
        )
    if why == UNKNOWN:
        names = [r.name for r in memory.ranges() if r.start <= address < r.start + r.size_bytes]
        return UnsupportedOpError(
            f"line {place.line}: {program.name} reads {names[0]} to decide a branch, an address or a mask, but "
            "a slice does not know what it holds. Let lengths, indices and integer masks alone decide.",
            {"line": place.line, "buffer": names[0]},
        )
    return site.bounds_fault(touch)
