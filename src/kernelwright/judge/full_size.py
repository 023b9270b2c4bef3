"""Executing workloads as served: at full size, with sampled rows compared with float64."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from kernelwright.core.fault import Fault
from kernelwright.core.plan import ELEMENT_BYTES, LaunchPlan
from kernelwright.judge.seeds import derive_seed
from kernelwright.judge.stages import NAN_POISON, FirstFailure, Station, require
from kernelwright.judge.timed_suite import TimedCase, kernels_of
from kernelwright.problems.contract import LoadedProblem

# What a machine with two cores executes in some seconds, and holds in memory twice; confirmations choose among
# cheaper ones where a regime has any.
MOST_FLOPS, MOST_BYTES, USUAL_FLOPS = 400_000_000_000, 2 << 30, 220_000_000_000
# An honest kernel of the largest workload takes a few seconds, one without any care ten times that.
_LAUNCH_S = 90.0


@dataclass(frozen=True)
class FullSize:
    """Executes timed workloads with fresh floats on `station`, whose session runs plain code."""

    problem: LoadedProblem
    station: Station

    def execute(self, plan: LaunchPlan, case: TimedCase, seed: int) -> None:
        """Raise FirstFailure unless `plan` runs on the workload of `case` and sampled rows are right."""
        session, workload = self.station.session, case.workload
        key = f"full size/{workload.name}"
        require(session.load(plan, False, self.station.limits.compile_s), workload)
        inputs = self.problem.make_inputs(workload, seed)
        session.put(key, inputs.arrays())
        try:
            done = require(session.run(plan, key, False, NAN_POISON, _LAUNCH_S), workload)
        finally:
            session.drop(key)
        missing = [name for name in inputs.answers if name not in done.outputs]
        if missing and inputs.tensor(missing[0]).numel():
            reason = f"output '{missing[0]}' must be written, no launch has it as an argument"
            raise FirstFailure(Fault("incorrect", reason), workload)
        outputs = {name: done.outputs.get(name, b"") for name in inputs.answers}
        report = self.problem.check_sample(outputs, inputs, seed, None)
        if not report.passed:
            raise FirstFailure(Fault("incorrect", f"at full size {report.reason}"), workload)

    def is_affordable(self, case: TimedCase) -> bool:
        """Return whether this machine executes the workload in seconds."""
        return self.problem.work(case.workload).dot_flops <= MOST_FLOPS and _argument_bytes(case) <= MOST_BYTES

    def cost(self, case: TimedCase) -> tuple[int, int]:
        """Return what orders workloads by the time that executing them takes."""
        return self.problem.work(case.workload).dot_flops, _argument_bytes(case)

    def cover(
        self,
        plans: Sequence[LaunchPlan],
        cases: Sequence[TimedCase],
        executed: set[str],
        seed: int,
        progress: Callable[[str], None],
    ) -> None:
        """Execute the cheapest workload of each kernel that is timed and not in `executed`.

        Hashes are added to `executed` one by one. Raises FirstFailure: a kernel whose workloads are all too
        large to execute here cannot be timed, and the reason says what to change.
        """
        while left := {sha: name for sha, name in kernels_of(plans).items() if sha not in executed}:
            sha, name = min(left.items(), key=lambda item: (item[1], item[0]))
            having = [number for number, plan in enumerate(plans) if sha in kernels_of([plan])]
            number = min(having, key=lambda number: (self.cost(cases[number]), number))
            plan, case = plans[number], cases[number]
            if not self.is_affordable(case):
                raise FirstFailure(_not_executed(name, case), case.workload)
            progress(f"executing kernel '{name}', which suite cpu does not launch, at full size")
            self.execute(plan, case, derive_seed(seed, "cover", case.workload.name))
            executed |= set(kernels_of([plan]))

    def confirm(
        self, plans: Sequence[LaunchPlan], cases: Sequence[TimedCase], confirmed: set[tuple[str, str]], seed: int
    ) -> None:
        """Execute one workload of each regime, chosen by `seed`; raises FirstFailure.

        Regimes whose plans are all those of kernels confirmed earlier, by workload and plan, are passed over, and
        so are workloads that this machine cannot execute in seconds.
        """
        found = {(case.workload.name, plan.sha256()) for plan, case in zip(plans, cases, strict=True)}
        for regime, numbers in _by_regime(cases).items():
            known = all((cases[n].workload.name, plans[n].sha256()) in confirmed for n in numbers)
            payable = [n for n in numbers if self.is_affordable(cases[n])]
            if known or not payable:
                continue
            cheap = [n for n in payable if self.problem.work(cases[n].workload).dot_flops <= USUAL_FLOPS]
            cheapest = min(payable, key=lambda n: (self.cost(cases[n]), n))
            number = random.Random(derive_seed(seed, "confirm", regime)).choice(cheap or [cheapest])
            self.execute(plans[number], cases[number], derive_seed(seed, "confirmed", cases[number].workload.name))
        confirmed |= found


def hidden_choice(failure: FirstFailure) -> FirstFailure:
    """Return a failure of a secretly chosen workload without its name: which one was chosen stays secret."""
    if failure.workload is None:
        return failure
    return FirstFailure(failure.fault, replace(failure.workload, hidden=True))


def _by_regime(cases: Sequence[TimedCase]) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, case in enumerate(cases):
        found.setdefault(case.workload.regime, []).append(number)
    return found


def _argument_bytes(case: TimedCase) -> int:
    return sum(
        argument.tensor.span * ELEMENT_BYTES[argument.tensor.dtype]
        for argument in case.inputs.arguments()
        if argument.tensor is not None
    )


def _not_executed(kernel: str, case: TimedCase) -> Fault:
    reason = (
        f"every kernel that is timed must be executed too: kernel '{kernel}' of workload '{case.workload.name}' is "
        "launched by no workload of suite cpu, and its own workloads are too large to execute here. "
        "Choose tiles and constants that a workload of suite cpu has too"
    )
    return Fault("over_limit", reason, {"kernel": kernel, "workload": case.workload.name})
