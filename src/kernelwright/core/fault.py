"""What went wrong with a candidate, as a value that travels to the verdict."""

from dataclasses import dataclass, field
from typing import Literal

Status = Literal[
    "accepted",
    "incorrect",
    "compile_error",
    "runtime_error",
    "memory_fault",
    "timeout",
    "over_limit",
    "cheating",
    "harness_error",
]


@dataclass(frozen=True)
class Fault:
    """The first failure of a judgement.

    `reason` is one line for people: what was expected, what came, where, what to change. It holds
    no addresses, temporary paths or times, so equal failures have equal text. `facts` repeats its
    numbers. `hidden` is true when the fault arose on a hidden workload: then only the regime and
    the kind of failure may be shown to an engineer.
    """

    status: Status
    reason: str
    facts: dict[str, object] = field(default_factory=dict)
