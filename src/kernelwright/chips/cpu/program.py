"""A launch plan compiled for this machine, and its launches bound to addresses."""

import hashlib
import math
import struct
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kernelwright.chips.cpu.memory import Bytes
from kernelwright.compiler import MemoryRange, NativeKernel, Shadow
from kernelwright.compiler.reader import read_module
from kernelwright.compiler.writes import written_arguments
from kernelwright.core.errors import CompileError
from kernelwright.core.fault import Fault
from kernelwright.core.plan import ANSWER_ROLES, ELEMENT_BYTES, Buffer, LaunchOption, LaunchPlan, PointerArg, ScalarArg

_NUMPY_TYPES = {"f16": "<f2", "f32": "<f4", "f64": "<f8"}


class PlanRefused(Exception):
    """The plan cannot run; carries the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


@dataclass(frozen=True)
class Program:
    """A plan with one native kernel per launch option, in the order of `options(plan)`."""

    plan: LaunchPlan
    kernels: tuple[NativeKernel, ...]

    @property
    def machine_sha256(self) -> str:
        """Return the hash of all machine code of the plan."""
        return hashlib.sha256(" ".join(kernel.machine_sha256 for kernel in self.kernels).encode()).hexdigest()


@dataclass(frozen=True)
class BoundLaunch:
    """A launch ready to go; `ranges` is what checked code may touch."""

    kernel_index: int
    kernel: NativeKernel
    grid: tuple[int, int, int]
    args: tuple[int | float, ...]
    ranges: tuple[MemoryRange, ...]


def is_input(buffer: Buffer) -> bool:
    """Return whether `buffer` is laid out among the inputs, apart from what the plan writes."""
    return buffer.role == "input"


def joined(plan: LaunchPlan, inputs: Mapping[str, int], own: Sequence[int]) -> tuple[int, ...]:
    """Return the address of every buffer: inputs by name, the others in order from `own`."""
    others = iter(own)
    return tuple(inputs[b.name] if is_input(b) else next(others) for b in plan.buffers)


def options(plan: LaunchPlan) -> tuple[LaunchOption, ...]:
    """Return every option of every launch, in order."""
    return tuple(option for launch in plan.launches for option in launch.options)


def uses_atomics(plan: LaunchPlan) -> bool:
    """Return whether programs of a launch may learn of each other."""
    return any("tt.atomic" in kernel.ttir for kernel in plan.kernels)


def has_disjoint_writes(option: LaunchOption, ttir: str) -> bool:
    """Return whether no buffer that a launch may write has a second pointer among its arguments."""
    buffers = Counter(arg.buffer for arg in option.args if isinstance(arg, PointerArg))
    shared = {i for i, arg in enumerate(option.args) if isinstance(arg, PointerArg) and buffers[arg.buffer] > 1}
    if not shared:
        return True
    try:
        return not shared & written_arguments(read_module(ttir))
    except CompileError:
        return False


def check_signature(kernel: NativeKernel, option: LaunchOption, name: str) -> None:
    """Raise PlanRefused unless the arguments of `option` are those of the compiled function."""
    given = tuple("ptr" if isinstance(arg, PointerArg) else arg.type for arg in option.args)
    if given != tuple(kernel.arg_types):
        raise PlanRefused(
            Fault(
                "cheating",
                f"kernel '{name}' takes ({', '.join(kernel.arg_types)}), the plan passes ({', '.join(given)})",
                {"kernel": name},
            )
        )


def bind(program: Program, addresses: Sequence[int], checked: bool) -> tuple[BoundLaunch, ...]:
    """Return the launches of `program` with buffer i at `addresses[i]`."""
    bound = []
    for option, kernel in zip(options(program.plan), program.kernels, strict=True):
        args = tuple(_argument(arg, addresses) for arg in option.args)
        ranges = _ranges(program.plan, option, addresses) if checked else ()
        bound.append(BoundLaunch(option.kernel, kernel, option.grid, args, ranges))
    return tuple(bound)


def _argument(arg: PointerArg | ScalarArg, addresses: Sequence[int]) -> int | float:
    if isinstance(arg, PointerArg):
        return addresses[arg.buffer] + arg.offset_bytes
    return float(arg.value) if arg.type.startswith(("f", "bf")) else int(arg.value)


def _ranges(plan: LaunchPlan, option: LaunchOption, addresses: Sequence[int]) -> tuple[MemoryRange, ...]:
    used = sorted({arg.buffer for arg in option.args if isinstance(arg, PointerArg)})
    return tuple(
        MemoryRange(
            addresses[i],
            plan.buffers[i].size_bytes,
            plan.buffers[i].role in (*ANSWER_ROLES, "scratch"),
            plan.buffers[i].name,
        )
        for i in used
    )


def prepare(buffer: Buffer) -> Callable[[Bytes], None] | None:
    """Return what each timed call must do to `buffer` before its launches: a fill, an upload, or None for nothing."""
    if buffer.role == "constant":
        payload = np.frombuffer(pack_integers(buffer), dtype=np.uint8)
        return lambda view: np.copyto(view, payload)
    if buffer.role != "scratch" or buffer.fill is None:
        return None
    element = element_bytes(buffer.dtype, buffer.fill)
    if len(set(element)) == 1:
        return lambda view, byte=element[0]: view.fill(byte)  # type: ignore[misc]  # mypy has no default of lambda
    kind, value = f"<u{len(element)}", int.from_bytes(element, "little")
    return lambda view: view.view(kind).fill(value)


def pack_integers(buffer: Buffer) -> bytes:
    """Return the contents of a constant buffer; raises PlanRefused when they do not fit it."""
    width = ELEMENT_BYTES[buffer.dtype]
    bits = 8 * width
    if len(buffer.data) * width != buffer.size_bytes or any(not -(1 << bits) < v < 1 << bits for v in buffer.data):
        reason = f"constant '{buffer.name}' must hold {buffer.size_bytes} bytes of {buffer.dtype}"
        raise PlanRefused(Fault("cheating", f"{reason}, the plan gives {len(buffer.data)} values"))
    return b"".join((value & ((1 << bits) - 1)).to_bytes(width, "little") for value in buffer.data)


def element_bytes(dtype: str, value: float) -> bytes:
    """Return one element of type `dtype` with that value; raises PlanRefused for a fill that has no exact code here."""
    width = ELEMENT_BYTES[dtype]
    if value == 0 and math.copysign(1, value) > 0:
        return bytes(width)
    if dtype in _NUMPY_TYPES:
        return np.array(value, dtype=_NUMPY_TYPES[dtype]).tobytes()
    if dtype == "bf16":
        bits = int.from_bytes(struct.pack("<f", value), "little")
        rounded = bits if math.isnan(value) else bits + 0x7FFF + (bits >> 16 & 1)
        return (rounded >> 16 & 0xFFFF).to_bytes(2, "little")
    if not dtype.startswith("f8") and float(value).is_integer():
        return (int(value) & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    raise PlanRefused(Fault("runtime_error", f"scratch of type {dtype} must be filled with 0, got {value:g}"))


def elapsed_ns(
    launches: Sequence[BoundLaunch],
    prepared: Sequence[tuple[Callable[[Bytes], None], Bytes]],
    threads: int,
    announce: Callable[[int], None],
    shadow: Shadow | None = None,
) -> int:
    """Run one call and return its wall time in ns: fills and uploads, then every launch in order.

    `announce` hears the kernel number before each launch, so that an endless one can be named. With `shadow` launches
    of checked code are searched for races.
    """
    start = time.perf_counter_ns()
    for make, view in prepared:
        make(view)
    for launch in launches:
        announce(launch.kernel_index)
        launch.kernel.launch(launch.grid, launch.args, threads=threads, ranges=launch.ranges, shadow=shadow)
    return time.perf_counter_ns() - start
