"""Problems that are folders, for tests: answers as what a candidate would leave, judged by the problem's own rules."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

import kernelwright.problems
from kernelwright.core.problem import Workload
from kernelwright.problems.contract import Answers, ErrorReport, Inputs, LibraryWay, Value
from kernelwright.problems.general import GeneralProblem
from kernelwright.problems.storage import copied

SECRET = 20260521
SEEDS = (0, 1)
Fake = Callable[[Inputs], Answers]
Params = dict[str, object]


def folder(name: str) -> GeneralProblem:
    """Return the problem in the folder of that name."""
    root = Path(next(iter(kernelwright.problems.__path__))) / name
    return GeneralProblem(root, str(root))


def smoke(problem: GeneralProblem) -> tuple[Workload, ...]:
    """Return the workloads of suite smoke, hidden ones included."""
    return problem.suite("smoke", SECRET).workloads


def changed(inputs: Inputs, **values: Value) -> Inputs:
    """Return `inputs` with other values."""
    return replace(inputs, values={**inputs.values, **values})


def left_behind(answers: Answers, inputs: Inputs) -> dict[str, torch.Tensor]:
    """Return the outputs that hold `answers`: rounded to their types, and as before where an answer is NaN."""
    outputs = {}
    for name, answer in answers.items():
        made = copied(inputs.tensor(name))
        kept = answer.isnan() if name in inputs.updated else torch.zeros_like(answer, dtype=torch.bool)
        codes = torch.where(kept, 0.0, answer).to(made.dtype)
        as_integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32}[made.element_size()]
        made.view(as_integers).copy_(torch.where(kept, made.view(as_integers), codes.view(as_integers)))
        outputs[name] = made
    return outputs


def report_on(problem: GeneralProblem, workload: Workload, seed: int, fake: Fake) -> ErrorReport:
    """Return what the check says about the answers of `fake`."""
    inputs = problem.make_inputs(workload, seed)
    outputs = left_behind({**problem.oracle(inputs), **fake(inputs)}, inputs)
    return problem.check(outputs, inputs, problem.oracle(inputs))


def called(problem: GeneralProblem, inputs: Inputs, way: int) -> tuple[LibraryWay, torch.Tensor, Inputs]:
    """Return one way to call the library, what it returned, and the inputs that it was called with."""
    values = {name: copied(v) if isinstance(v, torch.Tensor) else v for name, v in inputs.values.items()}
    own = replace(inputs, values=values)
    chosen = problem.baselines.library(own)[way]
    return chosen, chosen.call(), own


def zeros(inputs: Inputs) -> Answers:
    """Return zeros for every output."""
    return {name: torch.zeros(inputs.tensor(name).shape) for name in inputs.outputs}
