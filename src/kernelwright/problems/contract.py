"""What a folder of a problem must provide, and the records that pass through it.

A folder holds `problem.toml`, `README.md`, `reference.py`, `inputs.py`, `oracle.py` and suites as
TOML; its package exports `PROBLEM`, an object that meets `LoadedProblem`, and is registered in the
entry point group `kernelwright.problems`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from kernelwright.core.problem import Argument, Brief, Suite, TensorShape, Workload
from kernelwright.core.work import Bound, Peaks, Work

Value = torch.Tensor | int | float | bool | None

DTYPE_NAMES: dict[torch.dtype, str] = {
    torch.bfloat16: "bf16", torch.float16: "f16", torch.float32: "f32", torch.float64: "f64",
    torch.float8_e4m3fn: "f8e4m3fn", torch.float8_e5m2: "f8e5m2", torch.uint8: "u8", torch.int8: "i8",
    torch.int16: "i16", torch.int32: "i32", torch.int64: "i64", torch.bool: "i1",
}  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """Arguments of one call of the entry function, in its order.

    `outputs` are written by the call and hold NaN before it; `plan_inputs` are the tensors whose
    contents host code may read.
    """

    workload: Workload
    values: Mapping[str, Value]
    outputs: tuple[str, ...]
    plan_inputs: tuple[str, ...]

    def tensor(self, name: str) -> torch.Tensor:
        """Return the tensor argument `name`; raises TypeError when it is absent or a scalar."""
        value = self.values[name]
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"argument {name} must be a tensor, got {value!r}")
        return value

    def number(self, name: str) -> float:
        """Return the scalar argument `name` as a float; raises TypeError when it is no number."""
        value = self.values[name]
        if value is None or isinstance(value, torch.Tensor):
            raise TypeError(f"argument {name} must be a number, got {type(value).__name__}")
        return float(value)

    def arguments(self) -> tuple[Argument, ...]:
        """Return what host code may know: shapes of all tensors, contents of plan inputs only."""
        return tuple(self._argument(name, value) for name, value in self.values.items())

    def arrays(self) -> dict[str, memoryview]:
        """Return the bytes of every tensor argument without copying, outputs included."""
        return {name: tensor_bytes(v) for name, v in self.values.items() if isinstance(v, torch.Tensor)}

    def _argument(self, name: str, value: Value) -> Argument:
        if not isinstance(value, torch.Tensor):
            return Argument(name, "scalar", value=value)
        contents = tuple(int(x) for x in value.flatten().tolist()) if name in self.plan_inputs else None
        shape = TensorShape(DTYPE_NAMES[value.dtype], tuple(value.shape), tuple(value.stride()), contents)
        return Argument(name, "output" if name in self.outputs else "input", shape)


@dataclass(frozen=True)
class WrongPlace:
    """The first element, in order of request, head and row, that an answer gets wrong."""

    request: int
    head: int
    row: int
    column: int
    expected: float
    got: float


@dataclass(frozen=True)
class ErrorReport:
    """How far an answer is from float64.

    `rel_l2` is the largest relative L2 error of any (request, head), `row_error` the largest
    error of any row over that row's root mean square; each with its gate. `by_group` holds the
    relative L2 of every (request, head), NaN where a request has no rows. `reason` is one line,
    empty when `passed`.
    """

    passed: bool
    reason: str
    rel_l2: float
    rel_l2_gate: float
    row_error: float
    row_gate: float
    by_group: tuple[tuple[float, ...], ...]
    wrong: WrongPlace | None = None


@dataclass(frozen=True)
class TileConfig:
    """The knobs of the tuned reference."""

    block_m: int
    block_n: int
    num_warps: int = 4
    num_stages: int = 1


@dataclass(frozen=True)
class LibraryWay:
    """One competent way to call the library; `call` computes the whole workload and returns the output."""

    name: str
    note: str
    call: Callable[[], torch.Tensor]


class Baselines(Protocol):
    """What a candidate is compared with. Sources are candidate files."""

    def reference(self) -> str:
        """Return the source of the reference."""

    def tuned_reference(self, configs: Mapping[str, TileConfig]) -> str:
        """Return the reference with its known weakness removed and tiles taken from `configs` by key."""

    def tuning_key(self, workload: Workload) -> str:
        """Return the key of `configs` that the tuned reference uses on `workload`."""

    def tuning_space(self, workload: Workload, has_warps: bool) -> tuple[TileConfig, ...]:
        """Return every configuration to try; `has_warps` adds warps and pipeline stages."""

    def library(self, inputs: Inputs) -> tuple[LibraryWay, ...]:
        """Return at least three ways to call the library on `inputs`."""


class LoadedProblem(Protocol):
    """A problem at work."""

    @property
    def name(self) -> str:
        """Return the public name."""

    @property
    def title(self) -> str:
        """Return one line for lists."""

    @property
    def entry(self) -> str:
        """Return the name of the function that a candidate defines."""

    @property
    def suites(self) -> tuple[str, ...]:
        """Return the names of the suites."""

    @property
    def baselines(self) -> Baselines:
        """Return what candidates are compared with."""

    def brief(self, suite: str) -> Brief:
        """Return what an engineer is told; no hidden workload is in it."""

    def suite(self, name: str, secret: int) -> Suite:
        """Return the fixed public workloads and the hidden ones, whose lengths come from `secret`."""

    def make_inputs(self, workload: Workload, seed: int, spread: float | None, needles: int) -> Inputs:
        """Return arguments drawn from `seed`; `spread` scales logits, None mixes several over the heads."""

    def oracle(self, inputs: Inputs) -> torch.Tensor:
        """Return the answer in float64."""

    def check(
        self,
        outputs: Mapping[str, torch.Tensor | bytes],
        inputs: Inputs,
        expected: torch.Tensor,
        baseline_error: float | None,
    ) -> ErrorReport:
        """Return how far `outputs` are from `expected`, judged by the gates.

        `baseline_error` is the relative L2 error of the reference on the workload, None while unknown.
        """

    def work(self, workload: Workload) -> Work:
        """Return the useful work: masked work not counted, compulsory traffic."""

    def bound(self, workload: Workload, suite: str, peaks: Peaks) -> Bound:
        """Return what limits the workload on a chip, by the rule fixed with the suite."""


def tensor_bytes(tensor: torch.Tensor) -> memoryview:
    """Return the memory of a contiguous CPU tensor as bytes, not copied."""
    if not tensor.is_contiguous():
        raise ValueError(f"tensor must be contiguous, strides are {tuple(tensor.stride())}")
    octets = tensor.reshape(-1).view(torch.uint8).numpy()
    return octets.data.cast("B") if octets.size else memoryview(b"")


def tensor_of_bytes(data: bytes, like: torch.Tensor) -> torch.Tensor:
    """Return `data` as a tensor of the dtype and shape of `like`; raises ValueError on another size."""
    if len(data) != like.numel() * like.element_size():
        raise ValueError(f"output must hold {like.numel() * like.element_size()} bytes, got {len(data)}")
    if not data:
        return torch.empty_like(like)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(like.dtype).reshape(like.shape)
