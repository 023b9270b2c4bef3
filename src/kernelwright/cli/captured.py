"""Plans of a problem's public workloads, captured from shapes and integers: what profile and codesign begin with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.plan_time import contents_of
from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import KernelwrightError, UnknownNameError
from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Suite, Workload
from kernelwright.judge.timed_suite import timed_suite
from kernelwright.problems.contract import Inputs, LoadedProblem
from kernelwright.sandbox import CaptureService


class RefusedError(KernelwrightError):
    """A candidate that gives no plan; exit code 1, as from `judge`."""

    exit_code = 1


@dataclass(frozen=True)
class CapturedWorkload:
    """One workload with the plan that a candidate makes of it, and the integers that its buffers hold, by number."""

    workload: Workload
    plan: LaunchPlan
    contents: dict[int, NDArray[np.generic]]


def public_workloads(problem: LoadedProblem, suite: str, name: str | None) -> tuple[Workload, ...]:
    """Return the public workloads of a suite, or the one called `name`; raises UnknownNameError with the nearest."""
    public = problem.suite(suite, 0).public
    if name is None:
        return public
    found = tuple(workload for workload in public if workload.name == name)
    if not found:
        raise UnknownNameError("workload", name, [workload.name for workload in public])
    return found


def timing_inputs(problem: LoadedProblem, workloads: Sequence[Workload]) -> tuple[Inputs, ...]:
    """Return the very integers that the judge times public workloads with."""
    cases = timed_suite(problem, Suite("timed", tuple(workloads)), 0).cases
    return tuple(case.inputs for case in cases)


def capture_all(
    service: CaptureService, problem: LoadedProblem, source: str, inputs: Sequence[Inputs]
) -> tuple[CapturedWorkload, ...]:
    """Return one captured workload for each item of `inputs`; raises RefusedError with the fault of the candidate."""
    found = service(Candidate(source), problem.entry, [one.arguments() for one in inputs])
    if isinstance(found, Fault):
        call = found.facts.get("call", -1)
        where = f" on workload {inputs[call].workload.name}" if isinstance(call, int) and call >= 0 else ""
        raise RefusedError(f"{found.status}{where}: {found.reason}")
    return tuple(
        CapturedWorkload(one.workload, plan, contents_of(plan, one.arrays()))
        for one, plan in zip(inputs, found, strict=True)
    )
