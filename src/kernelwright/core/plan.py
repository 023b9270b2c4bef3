"""The launch plan: all that crosses from a candidate to the judge."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Literal

BufferRole = Literal["input", "output", "inout", "scratch", "constant"]
# Roles of the problem's own arguments, and of those whose contents are an answer after a call.
ARGUMENT_ROLES = ("input", "output", "inout")
ANSWER_ROLES = ("output", "inout")

# Bytes of one element, by the type names used in Triton IR and in plans.
ELEMENT_BYTES = {
    "i1": 1, "i8": 1, "u8": 1, "i16": 2, "u16": 2, "i32": 4, "u32": 4, "i64": 8, "u64": 8,
    "f8e4m3fn": 1, "f8e5m2": 1, "f8e4m3fnuz": 1, "f8e5m2fnuz": 1, "f16": 2, "bf16": 2, "f32": 4, "f64": 8,
}  # fmt: skip


@dataclass(frozen=True)
class KernelIR:
    """One compiled-to-Triton-IR kernel.

    `ttir` is MLIR text after Triton's own target-independent passes, with locations. `sha256` is
    over the text without locations and with values renumbered, so it does not change with names.
    """

    name: str
    ttir: str
    sha256: str
    num_warps: int = 4
    num_stages: int = 3


@dataclass(frozen=True)
class Buffer:
    """A block of memory that launches refer to by its index in the plan.

    `role` input, output or inout: the problem's argument called `name`; inout is an output that has contents before the
    call. scratch: allocated by host code, `fill` None means uninitialised, a number is the value of every element, and
    filling it is part of each timed call; `kept` scratch was made in an earlier call. constant: integers that host code
    derived from plan inputs, `data` holds them. `align` is the largest power of two, up to 64, that divides the
    captured address.
    """

    name: str
    role: BufferRole
    dtype: str
    size_bytes: int
    align: int = 64
    fill: float | None = None
    data: tuple[int, ...] = ()
    kept: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class PointerArg:
    """A pointer into buffer number `buffer`, `offset_bytes` behind its start."""

    buffer: int
    offset_bytes: int = 0


@dataclass(frozen=True)
class ScalarArg:
    """A number passed by value; `type` is a Triton IR scalar type such as i32, i64, f32 or i1."""

    type: str
    value: float | int


@dataclass(frozen=True)
class LaunchOption:
    """One way to do a launch: a kernel of the plan, its grid and the arguments of its IR function."""

    kernel: int
    grid: tuple[int, int, int]
    args: tuple[PointerArg | ScalarArg, ...]
    label: str = ""


@dataclass(frozen=True)
class Launch:
    """One kernel launch; several options only for an autotuned kernel, then the judge picks one."""

    options: tuple[LaunchOption, ...]


@dataclass(frozen=True)
class LaunchPlan:
    """What host code asked for on one workload: launches in order over declared buffers."""

    kernels: tuple[KernelIR, ...]
    buffers: tuple[Buffer, ...]
    launches: tuple[Launch, ...]
    host_ns: int = field(default=0, compare=False)

    def sha256(self) -> str:
        """Return the identity of the plan: equal for equal normalised IR, buffers and launches."""
        shape = {
            "kernels": [kernel.sha256 for kernel in self.kernels],
            "buffers": [
                [b.name if b.role in ARGUMENT_ROLES else "", b.role, b.dtype, b.size_bytes, b.fill, list(b.data)]
                for b in self.buffers
            ],
            "launches": [
                [[o.kernel, list(o.grid), [_arg_key(a) for a in o.args]] for o in launch.options]
                for launch in self.launches
            ],
        }
        text = json.dumps(shape, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def schedule_sha256(self) -> str:
        """Return the identity of the plan on a chip with warps: warps, pipeline stages and alignments count too."""
        schedules = [[kernel.num_warps, kernel.num_stages] for kernel in self.kernels]
        text = json.dumps([self.sha256(), schedules, [buffer.align for buffer in self.buffers]])
        return hashlib.sha256(text.encode()).hexdigest()

    def choose(self, options: tuple[int, ...]) -> "LaunchPlan":
        """Return the plan with one option left per launch: option `options[i]` of launch i."""
        launches = tuple(Launch((launch.options[pick],)) for launch, pick in zip(self.launches, options, strict=True))
        return replace(self, launches=launches)


def _arg_key(arg: PointerArg | ScalarArg) -> list[object]:
    if isinstance(arg, PointerArg):
        return ["p", arg.buffer, arg.offset_bytes]
    return ["s", arg.type, arg.value]
