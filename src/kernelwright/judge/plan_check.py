"""What can be refused in a launch plan before anything is compiled: plans come out of the sandbox, trust nothing."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kernelwright.core.fault import Fault, Status
from kernelwright.core.ir_text import ir_sha256
from kernelwright.core.plan import (
    ARGUMENT_ROLES,
    ELEMENT_BYTES,
    Buffer,
    KernelIR,
    LaunchOption,
    LaunchPlan,
    PointerArg,
    ScalarArg,
)
from kernelwright.core.problem import Argument

MOST_CONSTANT_BYTES = 64 << 10
# Each workload's scratch stays allocated while all are timed in turn.
MOST_SCRATCH_BYTES, ALWAYS_SCRATCH_BYTES, SCRATCH_PER_ARGUMENT_BYTE = 4 << 30, 256 << 20, 8
MOST_PROGRAMS = 1 << 24
MOST_LAUNCHES = 256
MOST_OPTIONS = 256
MOST_KERNELS = 256
MOST_IR_BYTES = 4 << 20
_ALIGNMENTS = (1, 2, 4, 8, 16, 32, 64)
_REFUSED_OPS = {
    "tt.elementwise_inline_asm": "inline assembly",
    "tt.int_to_ptr": "casts from integers to pointers",
    # Where a buffer lies is nothing that an answer depends on.
    "tt.ptr_to_int": "addresses as numbers",
    "!tt.ptr<!tt.ptr": "pointers kept in memory",
    "llvm.inline_asm": "inline assembly",
    "llvm.inttoptr": "casts from integers to pointers",
}
_LITERAL = re.compile(r'dense<(?:"0x([0-9A-Fa-f]*)"|(\[[^>]*\]))>')
_RESOURCE = re.compile(r"dense_resource<|\{-#")


@dataclass(frozen=True)
class Finding:
    """Why a plan is refused."""

    status: Status
    reason: str


def check_plan(plan: LaunchPlan, arguments: Sequence[Argument]) -> Fault | None:
    """Return the first thing in `plan` that a call with `arguments` must not have, or None.

    Buffers must be those of the problem or declared scratch, launches may point to buffers only and only
    within them, and constants are too small to hold results.
    """
    for finding in _findings(plan, arguments):
        return Fault(finding.status, finding.reason)
    return None


def _findings(plan: LaunchPlan, arguments: Sequence[Argument]) -> Iterator[Finding]:
    yield from _size_findings(plan, sum(_size_bytes(a) for a in arguments if a.tensor is not None))
    sizes = {a.name: (a.role, _size_bytes(a)) for a in arguments if a.tensor is not None}
    for buffer in plan.buffers:
        yield from _buffer_findings(buffer, sizes)
    named = [b.name for b in plan.buffers if b.role in ARGUMENT_ROLES]
    if len(named) != len(set(named)):
        yield Finding("cheating", "an argument must be one buffer of the plan, it is several")
    for kernel in plan.kernels:
        yield from _kernel_findings(kernel)
    for launch in plan.launches:
        if not launch.options:
            yield Finding("cheating", "a launch must have at least one option")
        for option in launch.options:
            yield from _option_findings(option, plan)


def _size_findings(plan: LaunchPlan, argument_bytes: int) -> Iterator[Finding]:
    options = sum(len(launch.options) for launch in plan.launches)
    scratch = sum(b.size_bytes for b in plan.buffers if b.role == "scratch")
    constants = sum(b.size_bytes for b in plan.buffers if b.role == "constant")
    most_scratch = min(max(SCRATCH_PER_ARGUMENT_BYTE * argument_bytes, ALWAYS_SCRATCH_BYTES), MOST_SCRATCH_BYTES)
    figures = (
        ("kernels", len(plan.kernels), MOST_KERNELS),
        ("launches", len(plan.launches), MOST_LAUNCHES),
        ("launch options", options, MOST_OPTIONS),
        ("bytes of scratch", scratch, most_scratch),
        ("bytes of constants", constants, MOST_CONSTANT_BYTES),
    )
    for what, came, most in figures:
        if came > most:
            yield Finding("over_limit", f"a plan may have {most} {what}, this one has {came}")


def _size_bytes(argument: Argument) -> int:
    assert argument.tensor is not None
    return argument.tensor.span * ELEMENT_BYTES[argument.tensor.dtype]


def _buffer_findings(buffer: Buffer, sizes: Mapping[str, tuple[str, int]]) -> Iterator[Finding]:
    if buffer.dtype not in ELEMENT_BYTES or buffer.align not in _ALIGNMENTS or buffer.size_bytes < 0:
        yield Finding("cheating", f"buffer '{buffer.name}' must have a known type, size and alignment")
    if buffer.role in ARGUMENT_ROLES:
        given = sizes.get(buffer.name)
        if given != (buffer.role, buffer.size_bytes):
            came = f"{buffer.role} '{buffer.name}' of {buffer.size_bytes} bytes"
            yield Finding("cheating", f"buffers must be the problem's arguments, the plan names {came}")
    if buffer.role != "constant" and buffer.data:
        yield Finding("cheating", f"only constants may hold data, {buffer.role} '{buffer.name}' does")


def _kernel_findings(kernel: KernelIR) -> Iterator[Finding]:
    size = len(kernel.ttir)
    if size > MOST_IR_BYTES:
        yield Finding("over_limit", f"kernel '{kernel.name}' may have {MOST_IR_BYTES} bytes of IR, it has {size}")
        return
    for op, what in _REFUSED_OPS.items():
        if op in kernel.ttir:
            yield Finding("cheating", f"kernel '{kernel.name}' must not use {what} ({op})")
    if _RESOURCE.search(kernel.ttir):
        yield Finding("cheating", f"kernel '{kernel.name}' must not carry data resources")
    held = sum(_literal_bytes(match) for match in _LITERAL.finditer(kernel.ttir))
    if held > MOST_CONSTANT_BYTES:
        figures = f"{MOST_CONSTANT_BYTES} bytes of literals, it holds {held}"
        yield Finding("cheating", f"kernel '{kernel.name}' may hold {figures}: results must be computed")
    if ir_sha256(kernel.ttir) != kernel.sha256:
        yield Finding("cheating", f"kernel '{kernel.name}' must carry the hash of its own IR, it carries another")


def _literal_bytes(match: re.Match[str]) -> int:
    """Return the size of one dense literal: its bytes in hexadecimal, or 8 for each number of a list."""
    if match.group(1) is not None:
        return len(match.group(1)) // 2
    return 8 * (match.group(2).count(",") + 1)


def _option_findings(option: LaunchOption, plan: LaunchPlan) -> Iterator[Finding]:
    if not 0 <= option.kernel < len(plan.kernels):
        yield Finding(
            "cheating", f"a launch must name one of {len(plan.kernels)} kernels, it names number {option.kernel}"
        )
        return
    name = plan.kernels[option.kernel].name
    if min(option.grid) < 0 or math.prod(option.grid) > MOST_PROGRAMS:
        grid = " x ".join(str(extent) for extent in option.grid)
        yield Finding(
            "over_limit", f"a launch of kernel '{name}' may have {MOST_PROGRAMS} programs, its grid is {grid}"
        )
    for arg in option.args:
        if isinstance(arg, PointerArg):
            yield from _pointer_findings(arg, plan, name)
        else:
            yield from _scalar_findings(arg, name)


def _pointer_findings(arg: PointerArg, plan: LaunchPlan, name: str) -> Iterator[Finding]:
    if not 0 <= arg.buffer < len(plan.buffers):
        yield Finding("cheating", f"kernel '{name}' must be given declared buffers, it is given number {arg.buffer}")
        return
    size = plan.buffers[arg.buffer].size_bytes
    if not 0 <= arg.offset_bytes <= size:
        place = f"byte {arg.offset_bytes} of '{plan.buffers[arg.buffer].name}' ({size} bytes)"
        yield Finding("memory_fault", f"kernel '{name}' must be given pointers into its buffers, it is given {place}")


def _scalar_findings(arg: ScalarArg, name: str) -> Iterator[Finding]:
    if arg.type.startswith(("f", "bf")):
        return
    bits = int(arg.type[1:]) if arg.type[:1] == "i" and arg.type[1:].isdigit() else 0
    whole = isinstance(arg.value, int) or float(arg.value).is_integer()
    if not bits or not whole or not -(1 << bits - 1) <= int(arg.value) < 1 << bits:
        yield Finding(
            "cheating", f"kernel '{name}' must be given numbers that fit, it is given {arg.value} as {arg.type}"
        )
