"""Making a problem's folder, and trying it before anybody judges with it."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from kernelwright.core.errors import KernelwrightError, RequestError
from kernelwright.problems.contract import Inputs
from kernelwright.problems.draft import Draft
from kernelwright.problems.folder_code import forget_code
from kernelwright.problems.folder_texts import files_of
from kernelwright.problems.general import GeneralProblem
from kernelwright.problems.kernel_file import entry_of

Progress = Callable[[str], None]


def make_folder(root: Path, drafts: Sequence[Draft], progress: Progress) -> GeneralProblem:
    """Write the folder `root` from the first of `drafts` that works, and return the problem in it.

    That is tried: inputs are made and the oracle answers. Raises RequestError when `root` exists or the last draft does
    not work; then, and on any other end, an interrupt too, nothing is left of the folder.
    """
    try:
        root.mkdir()
    except FileExistsError:
        raise RequestError(f"folder {root.name} must not exist yet, it does. Choose another name or move it.") from None
    except OSError as error:
        raise RequestError(f"folder {root.name} must be one that can be made here: {error.strerror}") from None
    try:
        for number, draft in enumerate(drafts, 1):
            _write(root, files_of(draft))
            progress("making inputs and asking the oracle")
            try:
                return _tried(root)
            except KernelwrightError:
                if number == len(drafts):
                    raise
        raise AssertionError("there must be a draft")
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
    finally:
        forget_code(root)
        for leftover in root.rglob("__pycache__"):
            shutil.rmtree(leftover, ignore_errors=True)


def try_problem(problem: GeneralProblem) -> None:
    """Raise RequestError unless the small workloads have inputs, answers of their shapes, and a fitting entry."""
    entry = entry_of(problem.baselines.reference(), problem.entry, "reference.py")
    for suite in problem.suites:
        problem.suite(suite, 0)
    for workload in problem.suite("smoke", 0).workloads:
        inputs = problem.make_inputs(workload, 0)
        required = [parameter for parameter in entry.parameters if not parameter.has_default]
        if not len(required) <= len(inputs.values) <= len(entry.parameters):
            raise RequestError(
                f"make_inputs of {problem.name} must return the {len(entry.parameters)} arguments of {entry.name} "
                f"({', '.join(entry.names)}), it returns {', '.join(inputs.values)}"
            )
        _require_steady(problem, inputs)
        for name, answer in problem.oracle(inputs).items():
            if name in inputs.outputs and not bool(torch.isfinite(answer).all()):
                raise RequestError(
                    f"oracle.py of {problem.name} must give finite answers, {name} of workload {workload.name} has "
                    "others. Draw inputs for which it does."
                )


def _tried(root: Path) -> GeneralProblem:
    forget_code(root)
    problem = GeneralProblem(root, str(root.resolve()))
    try_problem(problem)
    return problem


def _require_steady(problem: GeneralProblem, inputs: Inputs) -> None:
    """Raise RequestError when another seed gives other shapes or plan inputs: plans would not fit."""
    again = problem.make_inputs(inputs.workload, 1)
    for first, second in zip(inputs.arguments(), again.arguments(), strict=True):
        if first != second:
            raise RequestError(
                f"make_inputs of {problem.name} must give {first.name} the same whatever the seed: shapes, scalars and "
                "plan inputs follow from the workload alone"
            )


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
