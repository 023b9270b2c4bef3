"""The worked example of docs/problems.md is a problem as it stands there."""

import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kernelwright.core.errors import RequestError
from kernelwright.problems.general import GeneralProblem
from kernelwright.problems.making import try_problem

DOCUMENT = Path(__file__).parents[2] / "docs" / "problems.md"
FILE = re.compile(r"^`(segment-sum/[\w./]+)`\n\n```\w+\n(.*?)^```$", re.M | re.S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILE.findall(DOCUMENT.read_text()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "segment-sum"


def entry_of(folder: Path, name: str) -> Callable[..., None]:
    spec = importlib.util.spec_from_file_location("documented_reference", folder / "reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    function: Callable[..., None] = getattr(module, name)
    return function


def test_the_example_is_complete_and_its_reference_agrees_with_its_oracle(folder: Path) -> None:
    problem = GeneralProblem(folder, str(folder))
    try_problem(problem)
    segment_sum = entry_of(folder, problem.entry)
    for workload in problem.suite("smoke", 3).workloads:
        inputs = problem.make_inputs(workload, 11)
        assert inputs.plan_inputs == ("starts",)
        segment_sum(*inputs.values.values())
        expected = problem.oracle(inputs)
        report = problem.check({"out": inputs.tensor("out")}, inputs, expected, None)
        assert report.passed and report.rel_l2 < 1e-5, report.reason
        cut = inputs.tensor("out").clone()
        cut[2 + 4] = 0  # a segment of four rows among five short ones
        assert not problem.check({"out": cut}, inputs, expected, None).passed


def test_work_is_that_of_the_tensors(folder: Path) -> None:
    problem = GeneralProblem(folder, str(folder))
    workload = problem.suite("smoke", 3).public[0]
    inputs = problem.make_inputs(workload, 0)
    assert problem.work(workload).moved_bytes == sum(inputs.tensor(name).nbytes for name in ("values", "out"))


def test_plan_inputs_that_depend_on_the_seed_are_told(folder: Path) -> None:
    inputs = folder / "inputs.py"
    inputs.write_text(inputs.read_text().replace('params["short"])', 'params["short"] + int(rng.integers(0, 1000)))'))
    with pytest.raises(RequestError, match="the same whatever the seed"):
        try_problem(GeneralProblem(folder, str(folder)))


def test_the_document_names_every_option_of_init() -> None:
    text = DOCUMENT.read_text()
    options = (
        "kernel oracle tensor output inout size hidden vary scalar gate flashinfer workloads entry oracle-entry title"
    )
    for option in options.split():
        assert f"--{option}" in text, option
