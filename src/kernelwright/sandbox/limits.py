"""What one candidate may use on the host."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of one capture.

    `call_s`: wall-clock seconds of host code between two signs of life on one workload; a compiled
    kernel is one. `workload_s`: seconds of one workload in all, Triton's front end included.
    `memory_bytes`: address space on top of what the interpreter with torch and triton has mapped.
    """

    call_s: float = 10.0
    workload_s: float = 60.0
    memory_bytes: int = 8 << 30
