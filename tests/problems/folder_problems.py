"""Problems that are folders, for tests: loaded by path, answered by functions of torch, judged on suite smoke."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

import kernelwright.problems
from kernelwright.core.problem import Workload
from kernelwright.problems.contract import Answers, ErrorReport, Inputs, Value
from kernelwright.problems.general import GeneralProblem

SECRET = 20260521
Answer = Callable[[Inputs], Answers]


def shipped(name: str) -> GeneralProblem:
    """Return the problem in the folder of that name among those that are shipped."""
    root = Path(next(iter(kernelwright.problems.__path__))) / name
    return GeneralProblem(root, str(root))


def smoke(problem: GeneralProblem) -> tuple[Workload, ...]:
    """Return every workload of suite smoke, hidden ones included."""
    return problem.suite("smoke", SECRET).workloads


def changed(inputs: Inputs, **values: Value) -> Inputs:
    """Return `inputs` with some values replaced."""
    return replace(inputs, values={**inputs.values, **values})


def report_on(problem: GeneralProblem, workload: Workload, seed: int, answer: Answer) -> ErrorReport:
    """Return how far what `answer` returns, rounded to the types of the outputs, is from the oracle."""
    inputs = problem.make_inputs(workload, seed)
    outputs = {name: got.to(inputs.tensor(name).dtype) for name, got in answer(inputs).items()}
    return problem.check(outputs, inputs, problem.oracle(inputs))


def zeros(inputs: Inputs) -> Answers:
    """Return zeros for every output."""
    return {name: torch.zeros(inputs.tensor(name).shape) for name in inputs.outputs}
