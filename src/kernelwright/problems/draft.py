"""What is known of a problem before its folder is written, and reading it from short texts."""

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.problems.draws import TORCH_DTYPES
from kernelwright.problems.sizes import Number, names_in, plain_text

TensorRole = Literal["input", "output", "inout"]
Scalar = int | float | bool | None

OTHER_NAMES = {
    "float32": "f32", "float": "f32", "fp32": "f32", "float16": "f16", "half": "f16", "fp16": "f16",
    "bfloat16": "bf16", "float64": "f64", "double": "f64", "fp64": "f64", "float8_e4m3fn": "f8e4m3fn",
    "float8_e4m3": "f8e4m3fn", "float8_e5m2": "f8e5m2", "int8": "i8", "uint8": "u8", "int16": "i16", "int32": "i32",
    "int64": "i64", "bool": "i1",
}  # fmt: skip
_TENSOR = re.compile(r"\s*([A-Za-z_]\w*)\s*:\s*(\w+)\s*\[(.*)\]\s*(?:<\s*(\S.*))?")
_FIGURE = re.compile(r"([A-Za-z_]\w*)\s*=\s*(\S+)")


@dataclass(frozen=True)
class TensorLine:
    """One tensor argument: `shape` in sizes, and for integers the size that all of them are below."""

    name: str
    dtype: str
    shape: tuple[str, ...]
    role: TensorRole = "input"
    below: str | None = None

    @property
    def is_float(self) -> bool:
        """Return whether the elements are floating-point numbers."""
        return TORCH_DTYPES[self.dtype].is_floating_point

    def __str__(self) -> str:
        bound = f" < {self.below}" if self.below else ""
        return f"{self.name}: {self.dtype}[{', '.join(self.shape)}]{bound}"


@dataclass(frozen=True)
class SizedWorkload:
    """One workload: a value for each size, and for each scalar that differs from workload to workload."""

    name: str
    values: Mapping[str, Number]


@dataclass(frozen=True)
class DraftOracle:
    """The oracle: `source` as it is if `function` is empty, else a plain function to be called.

    `wide` gives it float64, else it gets what the kernel gets.
    """

    source: str
    function: str = ""
    wide: bool = True


@dataclass(frozen=True)
class Draft:
    """A whole problem; `arguments` in the order of the entry, `scalars` those that are the same everywhere.

    `constants` are sizes that no workload changes. `vary` names the sizes in which hidden workloads differ.
    `gates` holds gates by output where the type's own does not do. `remarks` go into the README.
    """

    name: str
    title: str
    entry: str
    arguments: tuple[str, ...]
    tensors: Mapping[str, TensorLine]
    scalars: Mapping[str, Scalar]
    workloads: tuple[SizedWorkload, ...]
    hidden: tuple[SizedWorkload, ...]
    vary: tuple[str, ...]
    reference: str
    oracle: DraftOracle
    constants: Mapping[str, int] = field(default_factory=dict)
    gates: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[TensorLine, ...]:
        """Return what a call leaves answers in: what it writes, then what it changes in place."""
        return tuple(line for role in ("output", "inout") for line in self.tensors.values() if line.role == role)

    @property
    def sizes(self) -> tuple[str, ...]:
        """Return the names of sizes that shapes and bounds use, in order."""
        return tuple(dict.fromkeys(name for line in self.tensors.values() for name in sizes_of(line)))


def sizes_of(line: TensorLine) -> tuple[str, ...]:
    """Return the names of the sizes that a tensor's shape and bound use."""
    return tuple(name for text in (*line.shape, *([line.below] if line.below else [])) for name in names_in(text))


def parse_tensor(text: str, role: TensorRole) -> TensorLine:
    """Return what a line such as `x: bf16[M, K]` or `idx: i64[T] < S` describes; raises RequestError."""
    found = _TENSOR.fullmatch(text)
    if found is None:
        raise RequestError(f'a tensor must be written like "x: bf16[M, K]" or "idx: i64[T] < S", got "{text}"')
    name, dtype, shape, below = found.groups()
    sizes = tuple(plain_text(part) for part in shape.split(",")) if shape.strip() else ()
    line = TensorLine(name, parse_dtype(dtype), sizes, role, plain_text(below) if below else None)
    sizes_of(line)
    if line.is_float and line.below:
        raise RequestError(f'only integers can be below a size, {name} is {dtype}; write "{name}: {dtype}[{shape}]"')
    return line


def parse_dtype(text: str) -> str:
    """Return the type name used in workloads; raises UnknownNameError with the nearest."""
    name = OTHER_NAMES.get(text, text)
    if name not in TORCH_DTYPES:
        raise UnknownNameError("dtype", text, TORCH_DTYPES)
    return name


def parse_workload(text: str) -> SizedWorkload:
    """Return the workload of a text such as `M=512 K=256` or `prefill: M=512 K=256`; raises RequestError."""
    head, colon, rest = text.partition(":")
    name = re.sub(r"[^\w.-]+", "-", head.strip()) if colon else ""
    figures = _figures((rest if colon else text).split(), text)
    return SizedWorkload(name or "-".join(f"{key}{value}" for key, value in figures.items()), figures)


def parse_scalar(text: str) -> tuple[str, Scalar]:
    """Return name and value of a text such as `eps=1e-6`; raises RequestError."""
    found = _FIGURE.fullmatch(text.strip())
    if found is None:
        raise RequestError(f"a scalar must be written like eps=1e-6, got '{text}'")
    return found[1], _literal(found[2], text)


def unique_names(workloads: Iterable[SizedWorkload]) -> None:
    """Raise RequestError when two workloads have the same name."""
    seen: set[str] = set()
    for workload in workloads:
        if workload.name in seen:
            raise RequestError(f"workloads must differ, '{workload.name}' is there twice; name them: --size \"a: M=1\"")
        seen.add(workload.name)


def _figures(parts: list[str], text: str) -> dict[str, Number]:
    figures: dict[str, Number] = {}
    for part in parts:
        found = _FIGURE.fullmatch(part)
        value = None if found is None else _literal(found[2], text)
        if found is None or value is None or (type(value) is int and value < 0):
            raise RequestError(f'sizes must be written like "M=512 K=256", got "{text}"')
        figures[found[1]] = value
    if not figures:
        raise RequestError(f'sizes must be written like "M=512 K=256", got "{text}"')
    return figures


def _literal(text: str, where: str) -> Scalar:
    try:
        value = ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(text, text))
    except (ValueError, SyntaxError):
        value = text
    if value is not None and not isinstance(value, int | float):
        raise RequestError(f"a value must be a number, True, False or None, got '{text}' in '{where}'")
    return value
