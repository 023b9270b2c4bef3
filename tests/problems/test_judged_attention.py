"""The judge on folders of attention: references pass, wrong kernels made from them get the right status."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from kernelwright.judge import CandidateJudge
from kernelwright.problems.general import GeneralProblem
from kernelwright.sandbox import CaptureService
from tests.problems.folders import folder
from tests.problems.judged import edited, opened, verdict_on

PROBLEMS = {name: folder(name) for name in ("paged_decode_attention", "flash_attention_backward")}

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
def judges(capture: CaptureService) -> Iterator[dict[str, CandidateJudge]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(contextmanager(opened)(p, capture)) for name, p in PROBLEMS.items()}


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_reference_and_tuned_reference_are_accepted(problem: GeneralProblem, judges: dict[str, CandidateJudge]) -> None:
    tuned = problem.baselines.autotuned()
    assert tuned is not None
    for source in (problem.baselines.reference(), tuned):
        verdict = verdict_on(judges[problem.name.replace("-", "_")], source)
        assert verdict.is_accepted, verdict.reason


@pytest.mark.parametrize("name", WRONG)
def test_wrong_kernels_are_refused(name: str, judges: dict[str, CandidateJudge]) -> None:
    problem, right, wrong, status = WRONG[name]
    verdict = verdict_on(judges[problem], edited(PROBLEMS[problem].baselines.reference(), (right, wrong)))
    assert verdict.status == status, verdict.reason
