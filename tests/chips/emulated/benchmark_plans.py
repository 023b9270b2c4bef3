"""Launch plans of microbenchmarks, without the sandbox: one kernel, launched a number of times."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernelwright.compiler.triton_api import triton_ir
from kernelwright.core.ir_text import ir_sha256
from kernelwright.core.plan import (
    ELEMENT_BYTES,
    Buffer,
    KernelIR,
    Launch,
    LaunchOption,
    LaunchPlan,
    PointerArg,
    ScalarArg,
)

_TRITON_TYPES = {
    "f16": "fp16",
    "bf16": "bf16",
    "f32": "fp32",
    "f8e4m3fn": "fp8e4nv",
    "i8": "i8",
    "u8": "u8",
    "i32": "i32",
}
_TRITON_TYPES |= {"i64": "i64"}


@dataclass(frozen=True)
class Tensor:
    """An argument of a microbenchmark; `data` are the contents of integers."""

    dtype: str
    elements: int
    role: str = "input"
    data: tuple[int, ...] = ()
    align: int = 64
    offset_bytes: int = 0


Argument = Tensor | int


@dataclass(frozen=True)
class Benchmark:
    """One kernel with its arguments in order: tensors, whole numbers, and values of its constants by name."""

    kernel: Any
    grid: tuple[int, ...]
    arguments: Mapping[str, Argument]
    constants: Mapping[str, object]
    warps: int = 4
    stages: int = 3
    launches: int = 1

    def plan(self) -> LaunchPlan:
        """Return the plan that launches it."""
        buffers: list[Buffer] = []
        args: list[PointerArg | ScalarArg] = []
        for name, value in self.arguments.items():
            if isinstance(value, Tensor):
                args.append(PointerArg(len(buffers), value.offset_bytes))
                size = value.elements * ELEMENT_BYTES[value.dtype] + value.offset_bytes
                buffers.append(Buffer(name, value.role, value.dtype, size, value.align))  # type: ignore[arg-type]
            elif value != 1:
                args.append(ScalarArg("i32", value))
        x, y, z = (*self.grid, 1, 1)[:3]
        option = LaunchOption(0, (x, y, z), tuple(args))
        return LaunchPlan((self._ir(),), tuple(buffers), (Launch((option,)),) * self.launches)

    def contents(self) -> dict[str, bytes]:
        """Return the contents of integer arguments by name."""
        return {
            name: b"".join(item.to_bytes(ELEMENT_BYTES[value.dtype], "little") for item in value.data)
            for name, value in self.arguments.items()
            if isinstance(value, Tensor) and value.data
        }

    def _ir(self) -> KernelIR:
        # What Triton does with arguments that are 1, and with multiples of 16.
        ones = {name: 1 for name, value in self.arguments.items() if value == 1}
        types = {name: _type_of(value) for name, value in self.arguments.items()}
        types |= dict.fromkeys((*ones, *self.constants), "constexpr")
        names = [parameter.name for parameter in self.kernel.params]
        divisible = frozenset(name for name, value in self.arguments.items() if _is_divisible(value))
        return _ir(
            self.kernel,
            tuple((name, types[name]) for name in names),
            tuple({**self.constants, **ones}.items()),
            divisible,
            self.warps,
            self.stages,
        )


def _type_of(value: Argument) -> str:
    return f"*{_TRITON_TYPES[value.dtype]}" if isinstance(value, Tensor) else "i32"


def _is_divisible(value: Argument) -> bool:
    if isinstance(value, Tensor):
        return value.align % 16 == 0 and value.offset_bytes % 16 == 0
    return value % 16 == 0


@functools.lru_cache(maxsize=256)
def _ir(
    kernel: Any,
    types: tuple[tuple[str, str], ...],
    constants: tuple[tuple[str, object], ...],
    divisible: frozenset[str],
    warps: int,
    stages: int,
) -> KernelIR:
    options = {"num_warps": warps, "num_stages": stages}
    text = triton_ir(kernel, dict(types), dict(constants), set(divisible), options)
    return KernelIR(kernel.fn.__name__, text, ir_sha256(text), warps, stages)
