"""Counters for engineers: a candidate of the run, launched once more on public workloads of an emulated chip."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kernelwright.chips.emulated.chip import EmulatedChip
from kernelwright.chips.emulated.insight.public_view import launches_view
from kernelwright.chips.emulated.sweeps.traced_plan import time_traced, trace_plan
from kernelwright.cli.captured import CapturedWorkload, RefusedError, capture_all, public_workloads, timing_inputs
from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import CompileError, RequestError
from kernelwright.problems.contract import LoadedProblem
from kernelwright.sandbox import CaptureService


@dataclass(frozen=True)
class PublicCounters:
    """A `workshop.workbench.Counters` over the timed suite of a run; `progress` gets a line a workload."""

    problem: LoadedProblem
    suite: str
    chip: EmulatedChip
    capture: CaptureService
    progress: Callable[[str], None]

    def __call__(self, candidate: Candidate, names: Sequence[str]) -> Mapping[str, Mapping[str, object]]:
        """Return by name of workload what a profiler shows of its launches, or the reason why it is not timed.

        Raises RequestError where the candidate, which was accepted, cannot be captured again.
        """
        workloads = [one for name in names for one in public_workloads(self.problem, self.suite, name)]
        inputs = timing_inputs(self.problem, workloads)
        try:
            captured = capture_all(self.capture, self.problem, candidate.source, inputs)
        except RefusedError as error:
            raise RequestError(f"counters need the candidate to launch once more, it does not: {error}") from None
        return {one.workload.name: self._view(one) for one in captured}

    def _view(self, one: CapturedWorkload) -> Mapping[str, object]:
        self.progress(f"counters of {one.workload.name}")
        machine = self.chip.machine
        try:
            timed = time_traced(machine, trace_plan(one.plan, one.contents, machine.capability))
        except CompileError as error:
            return {"not_timed": str(error)}
        return {"fills_ns": timed.fills_ns, **launches_view(self.chip.profile, machine, timed.launches)}
