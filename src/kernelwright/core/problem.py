"""What is asked: problems, their workloads and suites."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

ArgumentRole = Literal["input", "output", "inout", "scalar"]


@dataclass(frozen=True)
class Workload:
    """One set of shapes and options of a problem.

    `regime` groups workloads that stress the same thing; `params` holds what the problem's
    inputs module needs, JSON values only. Hidden workloads are scored and never shown.
    """

    name: str
    regime: str
    hidden: bool
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """A fixed list of workloads; `name` is smoke, cpu or full."""

    name: str
    workloads: tuple[Workload, ...]

    @property
    def public(self) -> tuple[Workload, ...]:
        """Return the workloads that an engineer may see."""
        return tuple(w for w in self.workloads if not w.hidden)


@dataclass(frozen=True)
class TensorShape:
    """What host code may know of a tensor argument.

    `strides` in elements. `values` holds the contents, flat, of a plan input, else None.
    `dtype` is a type name of `core.plan.ELEMENT_BYTES`.
    """

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    values: tuple[int, ...] | None = None

    @property
    def span(self) -> int:
        """Return how many elements its memory holds: more than the tensor has where rows lie apart."""
        return span(self.shape, self.strides)


@dataclass(frozen=True)
class Argument:
    """One argument of the entry function, in order; exactly one of `tensor` and `value` counts.

    `role` is input, output, inout (an output with contents) or scalar; a scalar's `value` is int, float, bool or None.
    """

    name: str
    role: ArgumentRole
    tensor: TensorShape | None = None
    value: float | int | bool | None = None


@dataclass(frozen=True)
class Brief:
    """What an engineer is told: the task in words, the entry, the reference, public workloads."""

    problem: str
    text: str
    entry: str
    reference: str
    workloads: tuple[Workload, ...]


def span(shape: Sequence[int], strides: Sequence[int]) -> int:
    """Return how many elements lie from the first to the last element of a tensor, both included."""
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
