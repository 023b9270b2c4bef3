"""The judge on folders of attention: references pass, wrong kernels made from them get the right status."""

from collections.abc import Iterator

import pytest

from kernelwright.chips.catalogue import load_chip
from kernelwright.core.candidate import Candidate
from kernelwright.core.verdict import Verdict
from kernelwright.judge import CandidateJudge
from kernelwright.problems.general import GeneralProblem
from kernelwright.sandbox import CaptureService, Limits
from tests.problems.folder_problems import SECRET, shipped

PROBLEMS = {name: shipped(name) for name in ("paged_decode_attention", "flash_attention_backward")}

# Problem, what stands in the reference, what instead, the status.
WRONG = {
    "decode: first slot of every page": (
        "paged_decode_attention", "* PAGE + position % PAGE)", "* PAGE)", "incorrect"),
    "decode: values of slots behind the last token read": (
        "paged_decode_attention", "mask=seen[:, None] & mask_dv[None, :]", "mask=mask_dv[None, :]", "incorrect"),
    "decode: v_scale forgotten": ("paged_decode_attention", "acc * v_scale / ", "acc / ", "incorrect"),
    "backward: delta forgotten": (
        "flash_attention_backward", "(dp - row_delta[None, :])", "(dp - 0.0 * row_delta[None, :])", "incorrect"),
    "backward: dk of one query head": (
        "flash_attention_backward", "for head in range(kv_head * group, (kv_head + 1) * group):",
        "for head in range(kv_head * group, kv_head * group + 1):", "incorrect"),
    "backward: rows behind the last read": (
        "flash_attention_backward", "delta + head * tokens + first_row + row, mask=row < M,",
        "delta + head * tokens + first_row + row, mask=row < M + 4096,", "memory_fault"),
}  # fmt: skip


@pytest.fixture(scope="module")
def capture() -> Iterator[CaptureService]:
    with CaptureService(limits=Limits(call_s=30.0)) as service:
        yield service


@pytest.fixture(scope="module")
def judges(capture: CaptureService) -> Iterator[dict[str, CandidateJudge]]:
    made = {
        name: CandidateJudge(problem, problem.suite("smoke", SECRET), load_chip("cpu"), capture, SECRET)
        for name, problem in PROBLEMS.items()
    }
    yield made
    for judge in made.values():
        judge.close()


def _verdict(judge: CandidateJudge, source: str) -> Verdict:
    return judge.check(Candidate(source), 1, lambda _line: None)


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_reference_and_tuned_reference_are_accepted(problem: GeneralProblem, judges: dict[str, CandidateJudge]) -> None:
    tuned = problem.baselines.autotuned()
    assert tuned is not None
    for source in (problem.baselines.reference(), tuned):
        verdict = _verdict(judges[problem.name.replace("-", "_")], source)
        assert verdict.is_accepted, verdict.reason


@pytest.mark.parametrize("name", WRONG)
def test_wrong_kernels_are_refused(name: str, judges: dict[str, CandidateJudge]) -> None:
    problem, right, wrong, status = WRONG[name]
    source = PROBLEMS[problem].baselines.reference()
    assert right in source
    verdict = _verdict(judges[problem], source.replace(right, wrong))
    assert verdict.status == status, verdict.reason
