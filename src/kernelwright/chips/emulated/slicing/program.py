"""A lowered kernel's address-and-control slice as a register program: what decides branches, addresses and masks."""

from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.lowering.segments import Cut, cut_segments
from kernelwright.chips.emulated.lowering.ttgir import GpuModule
from kernelwright.chips.emulated.slicing.assembly import assemble
from kernelwright.chips.emulated.slicing.builder import build
from kernelwright.chips.emulated.slicing.deferral import defer_rows
from kernelwright.chips.emulated.slicing.elementwise import element_bytes
from kernelwright.chips.emulated.slicing.knowledge import learn
from kernelwright.compiler.ir import Location, Pointer


@dataclass(frozen=True)
class AccessSite:
    """An access as a trace's facts and faults tell it; `shape` in elements, () for a scalar."""

    shape: tuple[int, ...]
    element_bytes: int
    location: Location

    @property
    def elements(self) -> int:
        """Return how many elements it touches without a mask."""
        return prod(self.shape)


@dataclass(frozen=True, eq=False)
class SliceProgram:
    """`instructions` int64 [n, 6] as `slicing.opcodes` says, `lines` by instruction where it comes from.

    `integers`, `floats` and `arena` are what registers and lanes hold when a launch starts. `arguments` are (register,
    whether it is a float, whether it is a pointer) by argument of the kernel. `writes_integers`: the slice stores
    integers that a later launch may read, so launches of a plan must be traced in order.
    """

    name: str
    instructions: NDArray[np.int64]
    tables: NDArray[np.int64]
    integers: NDArray[np.int64]
    floats: NDArray[np.float64]
    arena: NDArray[np.int64]
    arguments: tuple[tuple[int, bool, bool], ...]
    ids: NDArray[np.int64]
    grid: tuple[int, ...]
    accesses: tuple[AccessSite, ...]
    locations: tuple[Location, ...]
    writes_integers: bool


def slice_module(module: GpuModule, cut: Cut | None = None) -> SliceProgram:
    """Return the slice of a kernel.

    Raises:
        UnsupportedOpError: a branch, an address or a mask depends on floats, or on an op that a slice does not cover.
    """
    cut = cut or cut_segments(module)
    built = build(module, cut, learn(module))
    instructions, ops = assemble(defer_rows(built.emitter, built.code))
    places = {op.number: op.location for stretch in cut.stretches for op in stretch.ops}
    arena = np.zeros(max(built.emitter.arena, 1), np.int64)
    for at, value in built.emitter.arena_values.items():
        arena[at] = value
    pointers = [isinstance(value.type, Pointer) for value in module.args]
    return SliceProgram(
        name=module.name,
        instructions=instructions,
        tables=np.array([*built.emitter.tables, 0], np.int64),
        integers=np.array(built.emitter.integers, np.int64),
        floats=np.array(built.emitter.floats, np.float64),
        arena=arena,
        arguments=tuple((r, is_float, p) for (r, is_float), p in zip(built.arguments, pointers, strict=True)),
        ids=np.array(built.ids, np.int64),
        grid=built.grid,
        accesses=tuple(
            AccessSite(op.operands[0].shape, element_bytes(op.operands[0]), op.location) for op in cut.accesses
        ),
        locations=tuple(places.get(int(op), Location()) for op in ops),
        writes_integers=built.writes_integers,
    )


class LoweredKernel(Protocol):
    """What a slice is made from; `tiles.Lowered` is one."""

    @property
    def module(self) -> GpuModule:
        """Return the records of the kernel."""

    @property
    def cut(self) -> Cut:
        """Return its segments."""


def slice_of(lowered: LoweredKernel) -> SliceProgram:
    """Return the slice of a lowered kernel; raises UnsupportedOpError as `slice_module` does."""
    return slice_module(lowered.module, lowered.cut)
