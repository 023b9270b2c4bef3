"""The time of a whole launch plan on an emulated chip: fills and uploads, then every launch in order."""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.cpu.program import pack_integers
from kernelwright.chips.emulated import clockwork
from kernelwright.chips.emulated.kept_times import KeptTimes
from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.result import LaunchTime
from kernelwright.core.codec import to_json
from kernelwright.core.plan import Buffer, LaunchPlan

# Integers whose contents can decide what a kernel does; floats have shapes alone.
_INTEGERS = {
    "i1": np.uint8, "i8": np.int8, "u8": np.uint8, "i16": np.int16, "u16": np.uint16, "i32": np.int32,
    "u32": np.uint32, "i64": np.int64, "u64": np.uint64,
}  # fmt: skip
# Plans whose times are remembered: a run judges some thousands of (plan, inputs) pairs, most of them again and again.
_MOST_KNOWN = 1 << 16


@dataclass(frozen=True)
class PlanTime:
    """Emulated time of one call of a plan in ns: `fills_ns` for scratch and constants, and each launch."""

    fills_ns: int
    launches: tuple[LaunchTime, ...]

    @property
    def time_ns(self) -> int:
        """Return the whole, launch floors included."""
        return self.fills_ns + sum(launch.time_ns for launch in self.launches)


class PlanTimes:
    """Times of plans on one machine; equal plans on equal integers are worked out once. Safe to share by threads.

    Times stay on disk in `kept` from one process to the next; without it nothing is taken from there or left there.
    """

    def __init__(self, machine: Machine, kept: KeptTimes | None = None) -> None:
        self.machine = machine
        self._kept = kept
        self.identity = machine_sha256(machine)

    def time_ns(self, plan: LaunchPlan, arrays: Mapping[str, bytes | memoryview]) -> int:
        """Return the emulated time of `plan` in ns; `arrays` holds the contents of integer arguments by name.

        Raises CompileError for a kernel that the chip does not take or whose time the contents of floats decide.
        """
        contents = contents_of(plan, arrays)
        key = (self.identity, plan.schedule_sha256(), _contents_sha256(contents))
        known = _KNOWN.get(key)
        if known is None and self._kept is not None:
            known = self._kept.get(" ".join(key))
        if known is None:
            known = time_plan(self.machine, plan, contents).time_ns
            if self._kept is not None:
                self._kept.put(" ".join(key), known)
        _KNOWN.put(key, known)
        return known

    def wave_ns(self, plan: LaunchPlan, arrays: Mapping[str, bytes | memoryview]) -> int:
        """Return about what `plan` takes, in ns, by the wave tier; raises as `time_ns` does."""
        fills_ns = sum(fill_ns(self.machine, buffer) for buffer in plan.buffers)
        memory = clockwork.memory_of(plan.buffers, contents_of(plan, arrays))
        total = fills_ns
        for launch in plan.launches:
            option = launch.options[0]
            kernel = clockwork.compiled(plan.kernels[option.kernel], self.machine.capability)
            total += clockwork.estimated(self.machine, kernel, clockwork.traced(kernel, option, memory)).time_ns
        return total


def time_plan(
    machine: Machine, plan: LaunchPlan, contents: Mapping[int, NDArray[np.generic]], timeline: bool = False
) -> PlanTime:
    """Return the time of `plan`, one option a launch, cold caches at its start; `contents` by number of buffer.

    What one launch leaves in the caches the next one finds there.
    """
    fills_ns = sum(fill_ns(machine, buffer) for buffer in plan.buffers)
    state, memory = clockwork.cold_state(machine), clockwork.memory_of(plan.buffers, contents)
    launches = []
    for launch in plan.launches:
        option = launch.options[0]
        kernel = clockwork.compiled(plan.kernels[option.kernel], machine.capability)
        trace = clockwork.traced(kernel, option, memory)
        launches.append(clockwork.timed(machine, kernel, trace, state, timeline))
    return PlanTime(fills_ns, tuple(launches))


def fill_ns(machine: Machine, buffer: Buffer) -> int:
    """Return what zeroing scratch or uploading constants takes: a launch of its own at memory bandwidth, else 0."""
    is_filled = buffer.role == "scratch" and buffer.fill is not None
    if not is_filled and buffer.role != "constant":
        return 0
    # Integer arithmetic: no rounding differs between machines.
    rate = int(machine.memory_bytes_per_s * machine.memory_efficiency)
    return machine.launch_floor_ns + -(-buffer.size_bytes * 1_000_000_000 // rate)


def contents_of(plan: LaunchPlan, arrays: Mapping[str, bytes | memoryview]) -> dict[int, NDArray[np.generic]]:
    """Return the integers that buffers of `plan` hold before its first launch, by number of buffer."""
    found: dict[int, NDArray[np.generic]] = {}
    for number, buffer in enumerate(plan.buffers):
        kind = _INTEGERS.get(buffer.dtype)
        if kind is None:
            continue
        if buffer.role == "constant":
            found[number] = np.frombuffer(pack_integers(buffer), dtype=kind)
        elif buffer.role in ("input", "inout") and buffer.name in arrays:
            found[number] = np.frombuffer(arrays[buffer.name], dtype=kind)
    return found


def machine_sha256(machine: Machine) -> str:
    """Return the identity of every number of a machine."""
    return hashlib.sha256(json.dumps(to_json(machine), sort_keys=True).encode()).hexdigest()


def _contents_sha256(contents: Mapping[int, NDArray[np.generic]]) -> str:
    digest = hashlib.sha256()
    for number, array in sorted(contents.items()):
        digest.update(f"{number}:{array.dtype.str}:{array.size}\0".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


class _Known:
    """Times by key, the oldest forgotten first."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._times: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def get(self, key: tuple[str, ...]) -> int | None:
        with self._guard:
            found = self._times.get(key)
            if found is not None:
                self._times.move_to_end(key)
            return found

    def put(self, key: tuple[str, ...], time_ns: int) -> None:
        with self._guard:
            self._times[key] = time_ns
            while len(self._times) > _MOST_KNOWN:
                self._times.popitem(last=False)


_KNOWN = _Known()
