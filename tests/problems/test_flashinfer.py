"""FlashInfer-Bench definitions as problems; those here are written for the tests, in that project's format."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kernelwright.core.errors import RequestError
from kernelwright.problems.flashinfer import MOST_WORKLOADS, import_definition
from kernelwright.problems.general import GeneralProblem
from kernelwright.problems.making import make_folder
from kernelwright.problems.wishes import Wish
from tests.problems.kernel_files import NORM_KERNEL, NORM_REFERENCE, definition, solution, workloads

WISH = Wish("norm", solution(), "")


def imported(
    folder: Path, text: str = definition(), lines: str = workloads(3, 70, 17), wish: Wish = WISH
) -> tuple[GeneralProblem, tuple[str, ...]]:
    drafts, notes = import_definition(wish, text, lines)
    return make_folder(folder / wish.name, drafts, lambda line: None), notes


def test_a_definition_becomes_a_problem_whose_oracle_is_its_reference_in_float64(tmp_path: Path) -> None:
    problem, notes = imported(tmp_path)
    assert notes == ()
    assert (problem.entry, problem.title) == ("run", "A norm that also gives the inverse size of each row.")
    suite = problem.suite("cpu", 5)
    assert [workload.params["rows"] for workload in suite.public] == [3, 70, 17]
    assert suite.workloads[-1].hidden and suite.workloads[-1].params["rows"] != 16
    inputs = problem.make_inputs(suite.public[0], 2)
    assert list(inputs.values) == ["x", "scale", "eps", "out", "inv_rms"]
    assert (inputs.tensor("x").shape, inputs.number("eps")) == ((3, 96), 1e-6)
    x = inputs.tensor("x").double()
    expected = torch.rsqrt(x.square().mean(-1) + 1e-6)
    answers = problem.oracle(inputs)
    assert torch.equal(answers["inv_rms"], expected)
    assert torch.equal(answers["out"], x * expected[:, None] * inputs.tensor("scale").double())


def test_a_returned_output_becomes_an_argument(tmp_path: Path) -> None:
    problem, _ = imported(tmp_path)
    source = problem.baselines.reference()
    assert "def run(x, scale, eps, out, inv_rms):\n" in source
    assert "return" not in source
    assert "    y = out\n    inverse = inv_rms\n" in source


def test_a_kernel_that_takes_its_outputs_under_other_names_is_called_by_place(tmp_path: Path) -> None:
    body = NORM_KERNEL.replace("def run(x, scale, eps):", "def run(x, scale, eps, y, inverse):")
    body = "".join(line for line in body.splitlines(True) if "torch.empty" not in line and "    return" not in line)
    problem, _ = imported(tmp_path, wish=replace(WISH, kernel=body))
    assert problem.baselines.reference() == body
    assert list(problem.make_inputs(problem.suite("cpu", 0).public[0], 0).values)[-2:] == ["out", "inv_rms"]


def test_a_reference_that_does_not_take_float64_gets_what_the_kernel_gets(tmp_path: Path) -> None:
    reference = NORM_REFERENCE.replace("    inverse", "    assert x.dtype == torch.bfloat16\n    inverse", 1)
    problem, notes = imported(tmp_path, definition(reference=reference))
    assert notes == ()
    inputs = problem.make_inputs(problem.suite("cpu", 0).public[0], 2)
    expected = torch.rsqrt(inputs.tensor("x").square().mean(-1) + 1e-6)
    assert torch.equal(problem.oracle(inputs)["inv_rms"], expected.double())
    assert "wide=False" in (tmp_path / "norm" / "oracle.py").read_text()


def test_a_reference_that_rounds_itself_is_told_and_not_held_to_more_than_it_keeps(tmp_path: Path) -> None:
    reference = NORM_REFERENCE.replace("x.square()", "x.to(torch.float32).square()")
    _, notes = imported(tmp_path, definition(reference=reference.replace(", inverse\n", ", inverse.half()\n")))
    assert notes == ("the reference rounds to float32, half itself; its answers are taken as they are",)
    assert '[outputs.inv_rms]\naxes = ["rows"]\ngate = 0.01\n' in (tmp_path / "norm" / "problem.toml").read_text()


def test_without_workloads_sizes_and_numbers_come_from_the_command_line(tmp_path: Path) -> None:
    wish = replace(WISH, sizes=("rows=5", "rows=31"), scalars=("eps=0.5",))
    problem, _ = imported(tmp_path, lines="", wish=wish)
    inputs = problem.make_inputs(problem.suite("cpu", 0).public[1], 0)
    assert (inputs.tensor("out").shape, inputs.values["eps"]) == ((31, 96), 0.5)


def test_a_number_from_the_command_line_stands_in_for_that_of_workloads(tmp_path: Path) -> None:
    problem, _ = imported(tmp_path, wish=replace(WISH, scalars=("eps=0.25",)))
    workload = problem.suite("cpu", 0).public[0]
    assert (dict(workload.params), problem.make_inputs(workload, 0).values["eps"]) == ({"rows": 3}, 0.25)


def test_an_axis_that_no_tensor_has_is_checked_and_then_dropped(tmp_path: Path) -> None:
    axes = {"rows": {"type": "var"}, "batch": {"type": "var"}, "width": {"type": "const", "value": 96}}
    line = json.loads(workloads(6))
    line["workload"]["axes"]["batch"] = 2
    problem, _ = imported(tmp_path, definition(axes=axes, constraints=["rows == 3 * batch"]), json.dumps(line))
    assert dict(problem.suite("cpu", 0).public[0].params) == {"rows": 6, "eps": 1e-6}


def test_of_many_workloads_some_are_taken_from_small_to_large(tmp_path: Path) -> None:
    problem, notes = imported(tmp_path, lines=workloads(*range(40, 0, -1)))
    rows = [int(str(workload.params["rows"])) for workload in problem.suite("cpu", 0).public]
    assert rows == sorted(rows) and (len(rows), rows[0], rows[-1]) == (MOST_WORKLOADS, 1, 40)
    assert notes == (f"32 of 40 workloads are left out: {MOST_WORKLOADS} are taken, small to large",)


def test_workloads_with_stored_inputs_are_left_out_and_told(tmp_path: Path) -> None:
    lines = workloads(3) + workloads(4, 5, kind="safetensors")
    problem, notes = imported(tmp_path, lines=lines)
    assert len(problem.suite("cpu", 0).public) == 1
    assert notes == (
        "2 of 3 workloads cannot be imported: input x lies in a safetensors file, which is not read",
    )  # fmt: skip


def test_sizes_that_a_constraint_ties_are_not_varied(tmp_path: Path) -> None:
    axes = {"rows": {"type": "var"}, "double": {"type": "var"}, "width": {"type": "const", "value": 96}}
    outputs = {"out": {"shape": ["rows", "width"], "dtype": "bfloat16"}, "inv_rms": {"shape": ["rows"], "dtype": "f32"}}
    text = definition(axes=axes, outputs=outputs, constraints=["double == 2 * rows", "x[0] > 0"])
    line = json.loads(workloads(7))
    line["workload"]["axes"] = {"rows": 7, "double": 14}
    reference = json.loads(text)
    reference["inputs"]["scale"]["shape"] = ["width"]
    reference["inputs"]["pad"] = {"shape": ["double"], "dtype": "float32"}
    reference["reference"] = NORM_REFERENCE.replace("scale, eps", "scale, eps, pad")
    line["workload"]["inputs"]["pad"] = {"type": "random"}
    wish = replace(WISH, kernel=solution(content=NORM_KERNEL.replace("scale, eps):", "scale, eps, pad):")))
    problem, _ = imported(tmp_path, json.dumps(reference), json.dumps(line), wish)
    assert {workload.params["rows"] for workload in problem.suite("cpu", 9).workloads} == {7}
    assert "`double == 2 * rows`" in problem.brief("cpu").text
    line["workload"]["axes"]["double"] = 15
    with pytest.raises(RequestError, match="must meet the definition's constraint double == 2"):
        import_definition(wish, json.dumps(reference), json.dumps(line))


@pytest.mark.parametrize(
    ("text", "lines", "kernel", "says"),
    [
        ("[]", workloads(3), solution(), "must be a JSON object"),
        ("{", workloads(3), solution(), "must be JSON"),
        (definition(reference="def go(x):\n    pass\n"), workloads(3), solution(), "function .* 'run' is not known"),
        (definition(reference="def run(x):\n    pass\n"), workloads(3), solution(), "take the inputs x, scale, eps"),
        (definition(custom_inputs_entrypoint="make"), workloads(3), solution(), "inputs of a custom generator"),
        (definition(axes={"rows": {"type": "expr"}}), workloads(3), solution(), "must be const with a value, or var"),
        (definition(outputs={"out": {"shape": None, "dtype": "float32"}}), workloads(3), solution(), "output out"),
        (definition(outputs={"o": {"shape": ["rows"], "dtype": "float4_e2m1"}}), workloads(3), solution(), "dtype"),
        (definition(), "", solution(), 'axis rows of the definition must have a value: add --size "rows=...'),
        (definition(name="other"), workloads(3), solution(), "holds none of other"),
        (definition(), workloads(3, kind="safetensors"), solution(), "1 of 1 workloads cannot .*: input x lies"),
        (definition(), workloads(3, kind="custom"), solution(), "input x comes from a custom generator"),
        (definition(), workloads(3, kind="strange"), solution(), "line 1 of the workloads file: input x must be"),
        (definition(), workloads(3), solution("cuda"), "must be in Triton to be imported, this one is in cuda"),
        (definition(), workloads(3), solution(extra="other.py"), "must be one Python file .* has other.py too"),
        (definition(), workloads(3), "def run(x):\n    return x\n", "run must take out, inv_rms as arguments"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_said_in_one_line(text: str, lines: str, kernel: str, says: str) -> None:
    with pytest.raises(RequestError, match=says) as refused:
        import_definition(replace(WISH, kernel=kernel), text, lines)
    assert len(str(refused.value).splitlines()) == 1


def test_integers_of_unknown_range_are_asked_for() -> None:
    value = json.loads(definition())
    value["inputs"]["scale"] = {"shape": ["rows"], "dtype": "int32"}
    with pytest.raises(RequestError, match=r'integers need a bound .*--tensor "scale: i32\[rows\] < SIZE"'):
        import_definition(WISH, json.dumps(value), workloads(3))
    drafts, _ = import_definition(replace(WISH, tensors=("scale: i32[rows] < width",)), json.dumps(value), workloads(3))
    assert drafts[0].tensors["scale"].below == "width"
