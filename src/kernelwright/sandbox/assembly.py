"""From what a capture process said to records; nothing it said is taken on trust."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

from kernelwright.core.errors import HarnessError
from kernelwright.core.fault import Fault, Status
from kernelwright.core.ir_text import ir_sha256
from kernelwright.core.plan import (
    ELEMENT_BYTES,
    Buffer,
    BufferRole,
    KernelIR,
    Launch,
    LaunchOption,
    LaunchPlan,
    PointerArg,
    ScalarArg,
)


class ForgedLine(HarnessError):
    """A line that the capture child never writes: candidate code did, or the child is wrong."""


@dataclass(frozen=True)
class Event:
    """One message of a capture process: `kind`, and its fields."""

    kind: str
    fields: Mapping[str, Any]

    def number(self, name: str) -> int:
        """Return an integer field; raises ForgedLine if it is none."""
        value = self.fields.get(name)
        if type(value) is not int:
            raise ForgedLine(f"{name}={value!r:.80} in {self.kind}, expected an integer")
        return value

    def text(self, name: str) -> str:
        """Return a text field; raises ForgedLine if it is none."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise ForgedLine(f"{name}={value!r:.80} in {self.kind}, expected text")
        return value

    def fault(self) -> Fault:
        """Return the fault that a message of kind `fault` carries, with the index of its call."""
        status = self.text("status")
        if status not in get_args(Status) or status in ("accepted", "harness_error"):
            raise ForgedLine(f"the status {status!r:.80}")
        facts = self.fields.get("facts")
        kept = {str(k): v for k, v in facts.items()} if isinstance(facts, dict) else {}
        return Fault(status, self.text("reason"), {**kept, "call": self.number("call")})  # type: ignore[arg-type]


def plan_of(message: Any, texts: Sequence[str]) -> LaunchPlan:
    """Return the plan that a message describes; `texts` are the IR texts that came before it.

    Raises ForgedLine on anything that is not a plan.
    """
    try:
        kernels = tuple(_kernel(record, texts) for record in message["kernels"])
        buffers = tuple(_buffer(record) for record in message["buffers"])
        launches = tuple(
            Launch(tuple(_option(option, len(kernels), len(buffers)) for option in options))
            for options in message["launches"]
        )
        return LaunchPlan(kernels, buffers, launches, host_ns=_integer(message["host_ns"]))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ForgedLine(f"something that is not a plan: {error}") from error


def _kernel(record: Any, texts: Sequence[str]) -> KernelIR:
    text, name, num_warps, num_stages = record
    ttir = texts[_index(text, len(texts))]
    return KernelIR(_text(name), ttir, _sha256(ttir), _integer(num_warps), _integer(num_stages))


def _buffer(record: Mapping[str, Any]) -> Buffer:
    role: BufferRole = record["role"]
    dtype = record["dtype"]
    size_bytes = _integer(record["size_bytes"])
    if role not in get_args(BufferRole) or dtype not in ELEMENT_BYTES or size_bytes < 0:
        raise ValueError(f"buffer of role {role}, type {dtype}, {size_bytes} bytes")
    fill = record["fill"]
    return Buffer(
        _text(record["name"]), role, dtype, size_bytes,
        fill=None if fill is None else float(fill), data=tuple(_integer(value) for value in record["data"]),
        kept=record["kept"] is True,
    )  # fmt: skip


def _option(record: Mapping[str, Any], kernels: int, buffers: int) -> LaunchOption:
    x, y, z = (_integer(size) for size in record["grid"])
    args = tuple(_argument(argument, buffers) for argument in record["args"])
    return LaunchOption(_index(record["kernel"], kernels), (x, y, z), args, _text(record["label"]))


def _argument(record: Any, buffers: int) -> PointerArg | ScalarArg:
    kind, first, second = record
    if kind == "p":
        return PointerArg(_index(first, buffers), _integer(second))
    if kind != "s" or type(second) not in (int, float):
        raise ValueError(f"argument {record!r:.80}")
    return ScalarArg(_text(first), second)


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r:.80} is not an integer")
    return value


def _index(value: Any, count: int) -> int:
    if not 0 <= _integer(value) < count:
        raise IndexError(f"{value} is not below {count}")
    return int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is not text")
    return value


@lru_cache(maxsize=512)
def _sha256(ttir: str) -> str:
    return ir_sha256(ttir)
