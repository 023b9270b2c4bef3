"""What a problem must provide, and the records that pass through it.

Most problems are a folder that `general.GeneralProblem` reads; a package that exports `PROBLEM`, an object
that meets `LoadedProblem`, and is registered in the entry point group `kernelwright.problems`, may do all by itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from kernelwright.core.problem import Argument, ArgumentRole, Brief, Suite, TensorShape, Workload
from kernelwright.core.work import Bound, Peaks, Work
from kernelwright.problems.storage import tensor_bytes

Value = torch.Tensor | int | float | bool | None
# Answers in float64 by output.
Answers = Mapping[str, torch.Tensor]

DTYPE_NAMES: dict[torch.dtype, str] = {
    torch.bfloat16: "bf16", torch.float16: "f16", torch.float32: "f32", torch.float64: "f64",
    torch.float8_e4m3fn: "f8e4m3fn", torch.float8_e5m2: "f8e5m2", torch.uint8: "u8", torch.int8: "i8",
    torch.int16: "i16", torch.int32: "i32", torch.int64: "i64", torch.bool: "i1",
}  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """Arguments of one call of the entry function, in its order.

    `outputs` are written by the call and hold NaN before it; `updated` ones are outputs too, but the call
    finds contents in them and changes those in place; `plan_inputs` are the tensors whose contents host code may
    read. `spreads` says, for reports, how widely the logits of each row were drawn.
    """

    workload: Workload
    values: Mapping[str, Value]
    outputs: tuple[str, ...]
    plan_inputs: tuple[str, ...]
    updated: tuple[str, ...] = ()
    spreads: torch.Tensor | None = None

    @property
    def answers(self) -> tuple[str, ...]:
        """Return the names of everything that a call leaves an answer in."""
        return self.outputs + self.updated

    def tensor(self, name: str) -> torch.Tensor:
        """Return the tensor argument `name`; raises TypeError when it is absent or a scalar."""
        return tensor(self.values, name)

    def number(self, name: str) -> float:
        """Return the scalar argument `name` as a float; raises TypeError when it is no number."""
        return number(self.values, name)

    def arguments(self) -> tuple[Argument, ...]:
        """Return what host code may know: shapes of all tensors, contents of plan inputs only."""
        return tuple(self._argument(name, value) for name, value in self.values.items())

    def arrays(self) -> dict[str, memoryview]:
        """Return the memory of every tensor argument that has contents without copying, outputs included."""
        return {n: tensor_bytes(v) for n, v in self.values.items() if isinstance(v, torch.Tensor) and not v.is_meta}

    def _argument(self, name: str, value: Value) -> Argument:
        if not isinstance(value, torch.Tensor):
            return Argument(name, "scalar", value=value)
        contents = tuple(int(x) for x in value.flatten().tolist()) if name in self.plan_inputs else None
        shape = TensorShape(DTYPE_NAMES[value.dtype], tuple(value.shape), tuple(value.stride()), contents)
        role: ArgumentRole = "output" if name in self.outputs else "inout" if name in self.updated else "input"
        return Argument(name, role, shape)


@dataclass(frozen=True)
class WrongPlace:
    """The first element that an answer gets wrong; `place` holds (axis, index), outermost axis first."""

    output: str
    place: tuple[tuple[str, int], ...]
    expected: float
    got: float

    def __str__(self) -> str:
        where = ", ".join(f"{axis} {index}" for axis, index in self.place)
        return f"first wrong at {where} of '{self.output}': expected {self.expected:.5g}, got {self.got:.5g}"


@dataclass(frozen=True)
class ErrorReport:
    """How far an answer is from float64.

    `rel_l2` is the largest relative L2 error of any group of rows that the problem names, of the output that
    is nearest to its gate or furthest over it; `row_error` the largest error of any of its rows over that row's
    root mean square; each with its gate. `by_output` holds the relative L2 of each output, `by_spread` the same by
    the spread of the inputs where a problem draws several. `reason` is one line, empty when `passed`.
    """

    passed: bool
    reason: str
    rel_l2: float
    rel_l2_gate: float
    row_error: float
    row_gate: float
    by_output: Mapping[str, float] = field(default_factory=dict)
    by_spread: Mapping[str, float] = field(default_factory=dict)
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


class Tuning(Protocol):
    """How tiles of a reference are tuned, one configuration for each key."""

    def source(self, configs: Mapping[str, TileConfig]) -> str:
        """Return the reference with its known weakness removed and tiles taken from `configs` by key."""

    def key(self, workload: Workload) -> str:
        """Return the key of `configs` that the tuned reference uses on `workload`."""

    def space(self, workload: Workload, has_warps: bool) -> tuple[TileConfig, ...]:
        """Return every configuration to try; `has_warps` adds warps and pipeline stages."""


class Baselines(Protocol):
    """What a candidate is compared with. Sources are candidate files."""

    @property
    def tuning(self) -> Tuning | None:
        """Return how the reference is tuned by the run, None where `autotuned` stands in or nothing does."""

    @property
    def has_library(self) -> bool:
        """Return whether there are ways to call the library."""

    def reference(self) -> str:
        """Return the source of the reference."""

    def autotuned(self) -> str | None:
        """Return the source of the reference with autotuned kernels, whose configurations the judge picks; or None."""

    def library(self, inputs: Inputs) -> tuple[LibraryWay, ...]:
        """Return the ways to call the library on `inputs`, at least three where there are any."""


class LoadedProblem(Protocol):
    """A problem at work."""

    @property
    def name(self) -> str:
        """Return the public name."""

    @property
    def address(self) -> str:
        """Return what `load_problem` takes to load the same problem in another process: its name, or its folder."""

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

    def make_inputs(self, workload: Workload, seed: int) -> Inputs:
        """Return arguments drawn from `seed`, 0 or more; shapes and plan inputs do not depend on it."""

    def timing_inputs(self, workload: Workload, seed: int) -> Inputs:
        """Return what the time of a call depends on: integers as `make_inputs` draws them, of floats shapes alone.

        Tensors without contents are on torch's meta device: workloads as served are timed from integers on machines
        that could not hold their floats.
        """

    def oracle(self, inputs: Inputs) -> Answers:
        """Return the answers in float64."""

    def check_sample(
        self, outputs: Mapping[str, torch.Tensor | bytes], inputs: Inputs, seed: int, baseline: ErrorReport | None
    ) -> ErrorReport:
        """Return how far some rows of `outputs`, drawn from `seed`, are from float64; all rows where that is cheap."""

    def check(
        self,
        outputs: Mapping[str, torch.Tensor | bytes],
        inputs: Inputs,
        expected: Answers,
        baseline: ErrorReport | None,
    ) -> ErrorReport:
        """Return how far `outputs` are from `expected`, judged by the gates.

        `baseline` is what was found for the reference on the workload, None while unknown.
        """

    def work(self, workload: Workload) -> Work:
        """Return the useful work: masked work not counted, compulsory traffic."""

    def bound(self, workload: Workload, suite: str, peaks: Peaks) -> Bound:
        """Return what limits the workload on a chip, by the rule fixed with the suite."""


def tensor(values: Mapping[str, Value], name: str) -> torch.Tensor:
    """Return the tensor argument `name`; raises TypeError when it is absent or a scalar."""
    value = values.get(name)
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"argument {name} must be a tensor, got {value!r}")
    return value


def number(values: Mapping[str, Value], name: str) -> float:
    """Return the scalar argument `name` as a float; raises TypeError when it is no number."""
    value = values.get(name)
    if value is None or isinstance(value, torch.Tensor):
        raise TypeError(f"argument {name} must be a number, got {type(value).__name__}")
    return float(value)
