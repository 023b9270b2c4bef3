"""Emulated times of stand-in launches: the engine, lowering and slice of every run."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from kernelwright.chips.emulated import clockwork
from kernelwright.chips.emulated.engine.occupancy import find_residency
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.trace import Trace
from kernelwright.chips.emulated.validation.launches import KernelLaunch
from kernelwright.core.plan import KernelIR, LaunchOption

T = TypeVar("T")
R = TypeVar("R")
_REPORT_S = 2.0


@dataclass(frozen=True)
class Prepared:
    """Launches lowered and traced for a capability: all that does not depend on the rates of a machine."""

    launches: tuple[tuple[clockwork.ChipKernel, Trace], ...]


def blocks_of(machine: Machine) -> Callable[[KernelIR], int]:
    """Return how many blocks of a kernel one unit of `machine` holds."""
    return lambda kernel: (
        find_residency(machine, clockwork.compiled(kernel, machine.capability).program).blocks_per_unit
    )


def prepare(launches: Sequence[KernelLaunch], capability: int) -> Prepared:
    """Return `launches` ready to be timed. Raises CompileError for a kernel that chips of this kind do not take."""
    pairs = []
    for launch in launches:
        kernel = clockwork.compiled(launch.kernel, capability)
        option = LaunchOption(0, launch.grid, launch.args)
        pairs.append((kernel, clockwork.traced(kernel, option, clockwork.memory_of(launch.buffers, {}))))
    return Prepared(tuple(pairs))


def event_time_us(machine: Machine, prepared: Prepared, calls: int = 1) -> float:
    """Return the emulated time, in us, of the last of `calls` calls, each all launches; the first finds cold caches."""
    state = clockwork.cold_state(machine)
    total_ns = 0
    for _ in range(calls):
        total_ns = sum(clockwork.timed(machine, kernel, trace, state).time_ns for kernel, trace in prepared.launches)
    return total_ns / 1000


def each(items: Sequence[T], work: Callable[[T], R], what: str, progress: Callable[[str], None]) -> list[R]:
    """Return `work` of each item, in order, on the processors that this process may use; tells the time left."""
    started = told = time.monotonic()
    done: list[R] = []
    workers = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(workers) as pool:
        waiting = iter(items)
        # A bounded line of futures: an error stops the work soon.
        queue = [pool.submit(work, item) for item in islice(waiting, 4 * workers)]
        while queue:
            done.append(queue.pop(0).result())
            queue.extend(pool.submit(work, item) for item in islice(waiting, 1))
            now = time.monotonic()
            if now - told >= _REPORT_S:
                told = now
                left = (now - started) / len(done) * (len(items) - len(done))
                progress(f"{what}: {len(done)} of {len(items)} points, {left:.0f} s left")
    return done
