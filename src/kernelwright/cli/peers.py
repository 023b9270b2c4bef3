"""Compiled kernels against peers on this machine."""

from collections.abc import Callable
from dataclasses import dataclass

from kernelwright.core.errors import RequestError, UnknownNameError

SUITES = ("compiler", "dot")
DURATIONS = {"compiler": "about 3 minutes", "dot": "about 10 s"}
_OURS = "compiled tl.dot"


@dataclass(frozen=True)
class Compared:
    """Ours over a peer on one piece of work, as a ratio of rates: above 1 ours is faster. Texts carry their units.

    `ci95` is the 95 % interval over repeats taken in turn, `target` the least ratio to reach, and `met` whether it
    was; None where there is none. `failure` says why there is no ratio.
    """

    what: str
    ours: str
    peer: str
    ratio: float | None
    ci95: tuple[float, float] | None = None
    target: float | None = None
    met: bool | None = None
    failure: str = ""


def require_suite(suite: str, only: str | None = None) -> None:
    """Raise UnknownNameError, with the nearest name, unless the suite exists and can be narrowed to `only`."""
    if suite not in SUITES:
        raise UnknownNameError("bench suite", suite, SUITES)
    if only is not None and suite != "compiler":
        raise RequestError(f"--only must come with suite compiler, got suite {suite}")


def compare(suite: str, only: str | None, progress: Callable[[str], None]) -> tuple[Compared, ...]:
    """Return the comparisons of a suite, measured now.

    `dot`: floating-point operations per second of `tl.dot` as compiled here, against torch's matmul
    and against a hand-written micro-kernel. `compiler`: ordinary Triton kernels against torch, against Triton's
    interpreter and against limits on compile and launch times; `only` is a part of the rows' names.
    Raises UnknownNameError, and HarnessError when measuring fails.
    """
    require_suite(suite, only)
    if suite == "compiler":
        from kernelwright.cli.compiler_speed import compare_compiler  # noqa: PLC0415  # lazy: needs torch

        return compare_compiler(only, progress)
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
