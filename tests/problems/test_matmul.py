"""The matrix product: oracle, inputs, gates, baselines and the judge."""

import itertools
import math
from collections.abc import Callable, Iterator

import pytest
import torch

from kernelwright.core.problem import Workload
from kernelwright.judge import CandidateJudge
from kernelwright.problems.contract import Answers, Inputs
from kernelwright.problems.storage import has_gaps, stored
from kernelwright.sandbox import CaptureService
from tests.problems.folders import SEEDS, Fake, Params, called, changed, folder, report_on, smoke
from tests.problems.judged import edited, opened, verdict_on

PROBLEM = folder("matmul")
SMOKE = smoke(PROBLEM)
FULL = [workload for workload in SMOKE if workload.params["m"]]
BY_NAME = {workload.name: workload for workload in SMOKE}
_STEP = 32


def _operands(inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
    return inputs.tensor("a"), inputs.tensor("b")


def _answer(inputs: Inputs, a: torch.Tensor, b: torch.Tensor) -> Answers:
    return PROBLEM.oracle(changed(inputs, a=a, b=b))


def _in_steps(inputs: Inputs, kept: torch.dtype) -> Answers:
    """Return the product with the sum kept in `kept` between steps of 32 products."""
    a, b = (x.float() for x in _operands(inputs))
    total = torch.zeros(a.shape[0], b.shape[1], dtype=kept)
    for first in range(0, a.shape[1], _STEP):
        total = (total.float() + a[:, first : first + _STEP] @ b[first : first + _STEP]).to(kept)
    bias = inputs.values["bias"]
    return {"c": total.double() + (bias.double() if isinstance(bias, torch.Tensor) else 0.0)}


def _without_last(count: int) -> Fake:
    def run(inputs: Inputs) -> Answers:
        a, b = _operands(inputs)
        return _answer(inputs, a[:, : a.shape[1] - count], b[: a.shape[1] - count])

    return run


def tail_dropped(inputs: Inputs) -> Answers:
    return _without_last(inputs.tensor("a").shape[1] % _STEP)(inputs)


def bias_ignored(inputs: Inputs) -> Answers:
    return PROBLEM.oracle(changed(inputs, bias=None))


def bias_twice(inputs: Inputs) -> Answers:
    return PROBLEM.oracle(changed(inputs, bias=inputs.tensor("bias") * 2))


def strides_of_b_ignored(inputs: Inputs) -> Answers:
    b = inputs.tensor("b")
    return _answer(inputs, inputs.tensor("a"), stored(b).view(b.shape))


def strides_of_a_ignored(inputs: Inputs) -> Answers:
    a = inputs.tensor("a")
    packed = stored(a)[: a.numel()].view(a.shape).nan_to_num(0.0)
    return _answer(inputs, packed, inputs.tensor("b"))


def rows_shifted(inputs: Inputs) -> Answers:
    return {"c": PROBLEM.oracle(inputs)["c"].roll(1, 0)}


def last_column_left_out(inputs: Inputs) -> Answers:
    c = PROBLEM.oracle(inputs)["c"].clone()
    c[:, -1] = 0
    return {"c": c}


def last_row_left_out(inputs: Inputs) -> Answers:
    c = PROBLEM.oracle(inputs)["c"].clone()
    c[-1] = 0
    return {"c": c}


def _operands_in(dtype: torch.dtype) -> Fake:
    def run(inputs: Inputs) -> Answers:
        a, b = _operands(inputs)
        return _answer(inputs, a.to(dtype), b.to(dtype))

    return run


Applies = Callable[[Params], bool]
ALWAYS: Applies = lambda _params: True  # noqa: E731
FAKES: dict[str, tuple[Fake, Applies]] = {
    "tail-dropped": (tail_dropped, lambda p: int(str(p["k"])) % _STEP != 0),
    "one-product-left-out": (_without_last(1), lambda p: int(str(p["k"])) % 2 == 0),
    "sum-in-bf16": (lambda i: _in_steps(i, torch.bfloat16), ALWAYS),
    "sum-in-f16": (lambda i: _in_steps(i, torch.float16), lambda p: int(str(p["k"])) > 300),
    "bias-ignored": (bias_ignored, lambda p: bool(p.get("bias"))),
    "bias-twice": (bias_twice, lambda p: bool(p.get("bias"))),
    "strides-of-b-ignored": (strides_of_b_ignored, lambda p: p.get("weights") != "kn"),
    "strides-of-a-ignored": (strides_of_a_ignored, lambda p: bool(p.get("a_rows_apart"))),
    "rows-shifted": (rows_shifted, lambda p: p["m"] != 1),
    "last-column-left-out": (last_column_left_out, ALWAYS),
    "last-row-left-out": (last_row_left_out, ALWAYS),
    "operands-in-bf16": (_operands_in(torch.bfloat16), lambda p: p.get("dtype") == "f16"),
    "operands-in-fp8": (_operands_in(torch.float8_e4m3fn), ALWAYS),
}


@pytest.mark.parametrize("name", FAKES)
def test_a_fake_fails_on_every_smoke_workload_that_has_what_it_ignores(name: str) -> None:
    fake, applies = FAKES[name]
    caught = [w for w in FULL if applies(dict(w.params))]
    assert caught
    for workload in caught:
        for seed in SEEDS:
            report = report_on(PROBLEM, workload, seed, fake)
            assert not report.passed, (
                f"{name} passed on {workload.name}: {report.rel_l2:.1e}, row {report.row_error:.1e}"
            )


def in_four_parts(inputs: Inputs) -> Answers:
    a, b = (x.float() for x in _operands(inputs))
    cuts = torch.linspace(0, a.shape[1], 5).long().tolist()
    total = torch.stack([a[:, low:high] @ b[low:high] for low, high in itertools.pairwise(cuts)]).sum(0)
    bias = inputs.values["bias"]
    return {"c": (total + bias if isinstance(bias, torch.Tensor) else total).double()}


HONEST: dict[str, Fake] = {
    "exact": PROBLEM.oracle,
    "sum-in-f32": lambda i: _in_steps(i, torch.float32),
    "split-along-k": in_four_parts,
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_sums_in_float32_pass_with_room(name: str) -> None:
    for workload in FULL:
        for seed in SEEDS:
            report = report_on(PROBLEM, workload, seed, HONEST[name])
            assert report.passed, report.reason
            assert report.rel_l2 < 0.75 * report.rel_l2_gate and report.row_error < 0.6 * report.row_gate


@pytest.mark.parametrize("workload", FULL, ids=lambda w: w.name)
def test_the_oracle_agrees_with_sums_that_round_once(workload: Workload) -> None:
    inputs = PROBLEM.make_inputs(workload, 3)
    a, b = (x.double().tolist() for x in _operands(inputs))
    bias = inputs.values["bias"]
    c = PROBLEM.oracle(inputs)["c"]
    for row, column in {(0, 0), (len(a) - 1, len(b[0]) - 1), (len(a) // 2, len(b[0]) // 3)}:
        added = float(bias[column]) if isinstance(bias, torch.Tensor) else 0.0
        exact = math.fsum([x * y[column] for x, y in zip(a[row], b, strict=True)] + [added])
        assert float(c[row, column]) == pytest.approx(exact, rel=1e-9, abs=1e-9)


def test_sums_grow_far_beyond_what_is_left_of_them() -> None:
    inputs = PROBLEM.make_inputs(BY_NAME["decode-one"], 1)
    a, b = (x.double() for x in _operands(inputs))
    largest = (a[0, :, None] * b).cumsum(0).abs().amax(0)
    assert float((largest / (a @ b)[0].square().mean().sqrt()).min()) > 20


def test_layouts_are_what_the_workload_says() -> None:
    layer = PROBLEM.make_inputs(BY_NAME["decode-one"], 1)
    assert layer.tensor("b").stride() == (1, 520)
    other = PROBLEM.make_inputs(BY_NAME["f16-kn"], 1)
    assert other.tensor("b").stride() == (80, 1) and other.tensor("a").stride() == (280, 1)
    assert has_gaps(other.tensor("a"))
    assert {a.name: a.tensor.strides for a in other.arguments() if a.tensor}["a"] == (280, 1)


def test_permuted_rows_and_columns_permute_the_answer() -> None:
    inputs = PROBLEM.make_inputs(BY_NAME["f16-kn"], 1)
    a, b = _operands(inputs)
    rows, columns = torch.randperm(a.shape[0]), torch.randperm(b.shape[1])
    assert torch.allclose(_answer(inputs, a[rows], b[:, columns])["c"], PROBLEM.oracle(inputs)["c"][rows][:, columns])


def test_the_work_is_two_operations_a_product_and_each_operand_once() -> None:
    work = PROBLEM.work(BY_NAME["router"])
    assert (work.dot_flops, work.dot_dtype) == (2 * 13 * 32 * 720, "bf16")
    assert work.moved_bytes == 2 * (13 * 720 + 720 * 32) + 4 * 13 * 32 + 4 * 32
    assert PROBLEM.work(BY_NAME["no-rows"]).moved_bytes == 0


@pytest.mark.parametrize("workload", SMOKE, ids=lambda w: w.name)
def test_every_way_to_call_the_library_passes(workload: Workload) -> None:
    inputs = PROBLEM.make_inputs(workload, 2)
    for number in range(len(PROBLEM.baselines.library(inputs))):
        way, answer, _ = called(PROBLEM, inputs, number)
        report = PROBLEM.check({"c": answer}, inputs, PROBLEM.oracle(inputs))
        assert report.passed, f"{way.name}: {report.reason}"


@pytest.fixture(scope="module")
def judge(capture: CaptureService) -> Iterator[CandidateJudge]:
    yield from opened(PROBLEM, capture)


WRONG = {
    "sum-in-bf16": (
        "incorrect",
        [
            ("dtype=tl.float32", "dtype=tl.bfloat16"),
            ("tl.dot(left, right, total)", "(total + tl.dot(left, right)).to(tl.bfloat16)"),
        ],
    ),
    "no-mask-along-k": ("memory_fault", [("inside[:, None] & ", ""), ("[:, None] & inside[None, :]", "[:, None]")]),
    "weights-as-rows": ("incorrect", [("b.stride(0), b.stride(1)", "n, 1")]),
    "bias-ignored": ("incorrect", [("if HAS_BIAS:", "if False:")]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_the_judge_refuses_wrong_kernels(judge: CandidateJudge, name: str) -> None:
    status, edits = WRONG[name]
    verdict = verdict_on(judge, edited(PROBLEM.baselines.reference(), *edits))
    assert verdict.status == status, verdict.reason


@pytest.mark.parametrize("file", ["reference", "autotuned"])
def test_the_judge_accepts_the_reference_and_the_tuned_one(judge: CandidateJudge, file: str) -> None:
    source = getattr(PROBLEM.baselines, file)()
    verdict = verdict_on(judge, source)
    assert verdict.is_accepted, verdict.reason
