"""RMS norm with residual: oracle, gates, library and the judge."""

from collections.abc import Iterator

import pytest
import torch

from kernelwright.core.problem import Workload
from kernelwright.judge import CandidateJudge
from kernelwright.problems.contract import Answers, Inputs
from kernelwright.sandbox import CaptureService
from tests.problems.folders import SEEDS, called, folder, report_on, smoke
from tests.problems.judged import edited, opened, verdict_on

PROBLEM = folder("rms_norm_residual")
WORKLOADS = smoke(PROBLEM)
IDS = [workload.name for workload in WORKLOADS]


def _normed(
    inputs: Inputs, total: torch.Tensor, squares: torch.Tensor | None = None, eps: float | None = None
) -> torch.Tensor:
    mean = (total if squares is None else squares).square().mean(dim=1, keepdim=True)
    scale = torch.rsqrt(mean + (inputs.number("eps") if eps is None else eps))
    return total * scale * inputs.tensor("weight").double()


def _total(inputs: Inputs) -> torch.Tensor:
    return inputs.tensor("x").double() + inputs.tensor("residual").double()


def _rounded_first(inputs: Inputs) -> Answers:
    total = _total(inputs).to(inputs.tensor("residual").dtype).double()
    return {"residual": total, "out": _normed(inputs, total)}


def _in_f32(inputs: Inputs) -> Answers:
    total = _total(inputs).float()
    return {"residual": total.double(), "out": _normed(inputs, total.double())}


def _shifted(inputs: Inputs) -> torch.Tensor:
    return _normed(inputs, _total(inputs)).roll(1, dims=1)


def _short(inputs: Inputs) -> Answers:
    total = _total(inputs)
    kept = total.shape[1] // 128 * 128
    return {"out": _normed(inputs, total, total[:, :kept])}


HONEST = {"sum rounded before the norm": _rounded_first, "float32": _in_f32}
FAKES = {
    "residual not added": lambda i: {"out": _normed(i, i.tensor("x").double())},
    "residual not kept": lambda i: {"residual": i.tensor("residual").double()},
    "x kept as residual": lambda i: {"residual": i.tensor("x").double()},
    "weight ignored": lambda i: {"out": _normed(i, _total(i)) / i.tensor("weight").double()},
    "norm of x alone": lambda i: {"out": _normed(i, _total(i), i.tensor("x").double())},
    "one norm for all rows": lambda i: {"out": _normed(i, _total(i), _total(i).reshape(1, -1))},
    "columns moved by one": lambda i: {"out": _shifted(i)},
    "layer norm": lambda i: {"out": _normed(i, _total(i) - _total(i).mean(dim=1, keepdim=True))},
    "zeros": lambda i: {"out": torch.zeros_like(_total(i))},
}
# With one row there is only one norm.
NEEDS_ROWS = ("one norm for all rows",)


@pytest.mark.parametrize("workload", WORKLOADS, ids=IDS)
@pytest.mark.parametrize("name", HONEST)
def test_honest_rounding_passes(name: str, workload: Workload) -> None:
    for seed in SEEDS:
        report = report_on(PROBLEM, workload, seed, HONEST[name])
        assert report.passed, report.reason


@pytest.mark.parametrize("workload", WORKLOADS, ids=IDS)
@pytest.mark.parametrize("name", FAKES)
def test_fakes_are_refused(name: str, workload: Workload) -> None:
    if name in NEEDS_ROWS and workload.params["rows"] == 1:
        pytest.skip("one row has one norm")
    report = report_on(PROBLEM, workload, 1, FAKES[name])
    assert not report.passed and "first wrong at" in report.reason


def test_a_sum_of_squares_without_its_tail_is_refused() -> None:
    report = report_on(PROBLEM, next(w for w in WORKLOADS if w.name == "one-row"), 1, _short)
    assert not report.passed


def test_an_epsilon_that_counts_is_not_ignored() -> None:
    workload = next(w for w in WORKLOADS if w.params.get("eps"))
    assert not report_on(PROBLEM, workload, 1, lambda i: {"out": _normed(i, _total(i), eps=1e-6)}).passed


@pytest.mark.parametrize("workload", WORKLOADS, ids=IDS)
def test_the_ways_to_call_the_library_are_right(workload: Workload) -> None:
    inputs = PROBLEM.make_inputs(workload, 3)
    expected = PROBLEM.oracle(inputs)
    for way in range(3):
        chosen, out, used = called(PROBLEM, inputs, way)
        report = PROBLEM.check({"out": out, "residual": used.tensor("residual")}, inputs, expected)
        assert report.passed, f"{chosen.name}: {report.reason}"


def test_the_work_is_the_traffic_of_every_argument_once() -> None:
    for workload in WORKLOADS:
        inputs = PROBLEM.make_inputs(workload, 0)
        once = sum(inputs.tensor(name).nbytes for name in ("x", "residual", "weight", "out"))
        assert PROBLEM.work(workload).moved_bytes == once + inputs.tensor("residual").nbytes


@pytest.fixture(scope="module")
def judge(capture: CaptureService) -> Iterator[CandidateJudge]:
    yield from opened(PROBLEM, capture)


def test_the_judge_accepts_the_reference_and_the_tuned_one(judge: CandidateJudge) -> None:
    tuned = PROBLEM.baselines.autotuned()
    assert tuned is not None
    for source in (PROBLEM.baselines.reference(), tuned):
        verdict = verdict_on(judge, source)
        assert verdict.is_accepted, verdict.reason


WRONG = {
    "residual left as it was": ("tl.store(residual + row + columns, total", "tl.store(out + row + columns, total"),
    "rows swapped": ("row = tl.program_id(0)", "row = (tl.num_programs(0) - 1 - tl.program_id(0))"),
    "tail of the row": ("inside = columns < width", "inside = columns < width // 256 * 256"),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_judge_refuses_wrong_kernels(judge: CandidateJudge, name: str) -> None:
    source = edited(PROBLEM.baselines.reference(), WRONG[name])
    if name == "rows swapped":
        source = source.replace("tl.store(out + row", "tl.store(out + tl.program_id(0).to(tl.int64) * width")
    verdict = verdict_on(judge, source)
    assert verdict.status == "incorrect", verdict.reason
