# mypy: ignore-errors
"""Kernels whose slices tests run, and a way to run them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import triton
import triton.language as tl
from numpy.typing import NDArray

from kernelwright.chips.emulated.lowering.ttgir import read_ttgir
from kernelwright.chips.emulated.slicing.launch import trace_in
from kernelwright.chips.emulated.slicing.program import SliceProgram, slice_module
from kernelwright.chips.emulated.slicing.virtual_memory import virtual_memory
from kernelwright.chips.emulated.trace import Trace
from kernelwright.compiler.gpu_lowering import lower_to_gpu
from kernelwright.core.plan import Buffer, KernelIR, LaunchOption, PointerArg, ScalarArg

_NAMES = {"i1": "i1", "int8": "i8", "uint8": "u8", "int16": "i16", "int32": "i32", "int64": "i64"}


def sliced(kernel: KernelIR, capability: int = 89) -> SliceProgram:
    made = lower_to_gpu(kernel.ttir, capability, kernel.num_warps, kernel.num_stages)
    return slice_module(read_ttgir(made.text))


class Memory:
    """Buffers of a plan and what they hold; `start` is the address of one by its name."""

    def __init__(self, arguments: Mapping[str, NDArray[Any] | tuple[str, int]]) -> None:
        buffers, contents = [], {}
        for number, (name, value) in enumerate(arguments.items()):
            if isinstance(value, tuple):
                buffers.append(Buffer(name, "inout", value[0], value[1]))
            else:
                buffers.append(Buffer(name, "inout", _NAMES[value.dtype.name], value.nbytes))
                contents[number] = value
        self.names = list(arguments)
        self.virtual = virtual_memory(buffers, contents)

    def start(self, name: str) -> int:
        return self.virtual.starts[self.names.index(name)]

    def run(self, program: SliceProgram, grid: tuple[int, ...], arguments: Sequence[str | int | float]) -> Trace:
        args: list[PointerArg | ScalarArg] = []
        for argument in arguments:
            if isinstance(argument, str):
                args.append(PointerArg(self.names.index(argument)))
            else:
                args.append(ScalarArg("f32" if isinstance(argument, float) else "i32", argument))
        whole = (*grid, *(1,) * (3 - len(grid)))
        return trace_in(program, LaunchOption(0, whole, tuple(args)), self.virtual)

    def integers(self, name: str, kind: type[np.integer[Any]]) -> NDArray[Any]:
        """Return what an integer buffer holds now."""
        start, size, place = self.virtual.contents.buffers[self.names.index(name)]
        assert start and place >= 0
        return self.virtual.contents.bytes1[place : place + size].view(kind)


def steps_of(trace: Trace, program: int) -> list[int]:
    """Return the segments that a program runs."""
    first, last = trace.first_step[program : program + 2]
    return [int(segment) for segment in trace.segments[first:last]]


def touches_of(trace: Trace, program: int) -> list[tuple[int, int]]:
    """Return (address, active elements) of a program's accesses in order."""
    first, last = trace.first_access[trace.first_step[program : program + 2]]
    return [(int(a), int(n)) for a, n in zip(trace.addresses[first:last], trace.active[first:last], strict=True)]


@triton.jit
def persistent_sum(X, OUT, tiles, BLOCK: tl.constexpr):
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        x = tl.load(X + tile * BLOCK + tl.arange(0, BLOCK))
        tl.store(OUT + tile, tl.sum(x, axis=0))


@triton.jit
def tiles_by_counter(X, COUNTER, OUT, tiles, BLOCK: tl.constexpr):
    tile = tl.atomic_add(COUNTER, 1)
    while tile < tiles:
        x = tl.load(X + tile * BLOCK + tl.arange(0, BLOCK))
        tl.store(OUT + tile, tl.sum(x, axis=0))
        tile = tl.atomic_add(COUNTER, 1)


@triton.jit
def last_one_adds(PARTS, ARRIVED, OUT, splits, BLOCK: tl.constexpr):
    group, split = tl.program_id(1), tl.program_id(0)
    lanes = tl.arange(0, BLOCK)
    tl.store(PARTS + (group * splits + split) * BLOCK + lanes, lanes.to(tl.float32))
    before = tl.atomic_add(ARRIVED + group, 1)
    if before == splits - 1:
        total = tl.zeros([BLOCK], tl.float32)
        for i in range(splits):
            total += tl.load(PARTS + (group * splits + i) * BLOCK + lanes)
        tl.store(OUT + group * BLOCK + lanes, total)


@triton.jit
def banded(X, OUT, rows, width, window, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    for start in range(0, width, COLUMNS):
        j = start + tl.arange(0, COLUMNS)
        mask = (i[:, None] >= j[None, :]) & (i[:, None] <= j[None, :] + window)
        mask = mask & (i < rows)[:, None] & (j < width)[None, :]
        if tl.max(tl.max(mask.to(tl.int32), 1), 0) != 0:
            x = tl.load(X + i[:, None] * width + j[None, :], mask=mask, other=0.0)
            tl.store(OUT + i[:, None] * width + j[None, :], x, mask=mask)


@triton.jit
def packed_heads(Q, OUT, tokens, GROUP: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    token, head = row // GROUP, row % GROUP
    place = (token * GROUP + head)[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :]
    mask = (token < tokens)[:, None] & (tl.arange(0, WIDTH) < WIDTH)[None, :]
    tl.store(OUT + place, tl.load(Q + place, mask=mask), mask=mask)


@triton.jit
def branch_on_value(X, OUT, BLOCK: tl.constexpr):
    x = tl.load(X + tl.arange(0, BLOCK))
    if tl.max(x, axis=0) > 0.5:
        tl.store(OUT + tl.arange(0, BLOCK), x)


@triton.jit
def order_then_use(LENGTHS, ORDER, n, BLOCK: tl.constexpr):
    lanes = tl.arange(0, BLOCK)
    lengths = tl.load(LENGTHS + lanes, mask=lanes < n, other=0)
    ends = tl.cumsum(lengths, 0)
    tl.store(ORDER + lanes, ends - lengths, mask=lanes < n)


@triton.jit
def scale_or_not(X, OUT, scale, BLOCK: tl.constexpr):
    x = tl.load(X + tl.arange(0, BLOCK))
    if scale != 1.0:
        tl.store(OUT + tl.arange(0, BLOCK), x * scale)


@triton.jit
def spin(FLAG, OUT):
    while tl.atomic_add(FLAG, 0) == 0:
        pass
    tl.store(OUT, 1.0)
