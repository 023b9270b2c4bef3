"""Compiled kernels against peers on this machine."""

from dataclasses import dataclass

from kernelwright.core.errors import UnknownNameError

SUITES = ("dot",)
_OURS = "compiled tl.dot"


@dataclass(frozen=True)
class Compared:
    """A rate of ours over a peer's on one piece of work; rates with their unit."""

    what: str
    ours: str
    peer: str
    ratio: float


def require_suite(suite: str) -> None:
    """Raise UnknownNameError, with the nearest name, unless the suite exists."""
    if suite not in SUITES:
        raise UnknownNameError("bench suite", suite, SUITES)


def compare(suite: str) -> tuple[Compared, ...]:
    """Return the comparisons of a suite, measured now.

    `dot`: floating-point operations per second of `tl.dot` as compiled here, against torch's matmul
    and against a hand-written micro-kernel. Raises UnknownNameError, and
    HarnessError when measuring fails.
    """
    require_suite(suite)
    from kernelwright.chips.cpu.host import load_host  # noqa: PLC0415  # lazy
    from kernelwright.chips.cpu.peaks import measured_rates  # noqa: PLC0415

    measured = measured_rates(load_host())
    return tuple(
        Compared(
            f"{what}, {code}", f"{rates[_OURS] / 1e9:.3g} GFLOP/s", f"{rate / 1e9:.3g} GFLOP/s", rates[_OURS] / rate
        )
        for what, rates in measured.items()
        if what.startswith("dot ") and _OURS in rates
        for code, rate in rates.items()
        if code != _OURS
    )
