"""From a kernel's IR to the time of a launch: the four steps, each kernel lowered once in a process."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.result import LaunchTime
from kernelwright.chips.emulated.tile_program import TileProgram
from kernelwright.chips.emulated.trace import Trace
from kernelwright.core.errors import CompileError
from kernelwright.core.plan import Buffer, KernelIR, LaunchOption

# Kernels kept lowered: those of a few candidates on all workloads, and of the baselines.
_MOST_KERNELS = 512


@dataclass(frozen=True)
class ChipKernel:
    """A kernel lowered for a capability: what its blocks do, and the slice that says where and how often."""

    program: TileProgram
    slice: Any


class _Kernels:
    """Lowered kernels by text and schedule; a refusal is kept as well.

    One thread lowers at a time, for Triton's sake; others find what is there already and go on emulating.
    """

    def __init__(self) -> None:
        self._guard, self._lowering = threading.Lock(), threading.Lock()
        self._found: OrderedDict[tuple[object, ...], ChipKernel | CompileError] = OrderedDict()

    def get(self, kernel: KernelIR, capability: int) -> ChipKernel:
        key = (kernel.ttir, kernel.num_warps, kernel.num_stages, capability)
        found = self._known(key)
        if found is None:
            with self._lowering:
                found = self._known(key)
                if found is None:
                    found = _lowered(kernel, capability)
                    self._keep(key, found)
        if isinstance(found, CompileError):
            raise found
        return found

    def _known(self, key: tuple[object, ...]) -> ChipKernel | CompileError | None:
        with self._guard:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def _keep(self, key: tuple[object, ...], found: ChipKernel | CompileError) -> None:
        with self._guard:
            self._found[key] = found
            if len(self._found) > _MOST_KERNELS:
                self._found.popitem(last=False)


_KERNELS = _Kernels()


def compiled(kernel: KernelIR, capability: int) -> ChipKernel:
    """Return the kernel lowered for `capability`; raises CompileError for what a chip of that kind does not take."""
    return _KERNELS.get(kernel, capability)


def memory_of(buffers: Sequence[Buffer], contents: Mapping[int, NDArray[np.generic]]) -> Any:
    """Return the memory of a call: integers that one launch stores, launches after it find."""
    from kernelwright.chips.emulated.slicing.virtual_memory import virtual_memory  # noqa: PLC0415  # Numba, slow to import

    return virtual_memory(buffers, contents)


def traced(kernel: ChipKernel, option: LaunchOption, memory: Any) -> Trace:
    """Return what each program of a launch does; raises CompileError where contents of floats decide that."""
    from kernelwright.chips.emulated.slicing.launch import trace_in  # noqa: PLC0415  # Numba, slow to import

    return trace_in(kernel.slice, option, memory)


def cold_state(machine: Machine) -> Any:
    """Return what caches hold before the first launch of a call: nothing."""
    from kernelwright.chips.emulated.engine.events import CacheState  # noqa: PLC0415  # Numba, slow to import

    return CacheState.cold(machine)


def timed(machine: Machine, kernel: ChipKernel, trace: Trace, state: Any, timeline: bool = False) -> LaunchTime:
    """Return the emulated time of one launch, launch floor included; `state` is what caches held, and is updated."""
    from kernelwright.chips.emulated.engine.events import time_launch  # noqa: PLC0415  # Numba, slow to import

    return time_launch(machine, kernel.program, trace, state=state, timeline=timeline)


def estimated(machine: Machine, kernel: ChipKernel, trace: Trace) -> LaunchTime:
    """Return about what one launch takes with cold caches, by the wave tier: many times as fast, for sweeps."""
    from kernelwright.chips.emulated.engine.summary import summarise_trace  # noqa: PLC0415  # Numba, slow to import
    from kernelwright.chips.emulated.engine.wave import wave_launch  # noqa: PLC0415

    return wave_launch(machine, kernel.program, summarise_trace(kernel.program, trace))


def _lowered(kernel: KernelIR, capability: int) -> ChipKernel | CompileError:
    from kernelwright.chips.emulated.lowering.tiles import lowered  # noqa: PLC0415
    from kernelwright.chips.emulated.slicing.program import slice_module  # noqa: PLC0415  # Triton, slow to import

    try:
        found = lowered(kernel, capability)
        return ChipKernel(found.tile_program, slice_module(found.module, found.segments))
    except CompileError as error:
        return error
