"""Compile errors of the real front end come with the candidate's line and what to change."""

import pytest

from kernelwright.core.candidate import Candidate
from kernelwright.core.fault import Fault
from kernelwright.sandbox import CaptureService
from tests.sandbox.candidates import HEAD_LINES, call, source

# body of the kernel, the line of the body that is wrong, words of the fix
MISTAKES = {
    "range": ("tl.store(o + tl.arange(0, 48), 1.0)", 1, "round the size up and mask"),
    "size": ("tl.store(o + tl.arange(0, n), 1.0)", 1, "tl.constexpr parameter"),
    "global": ("tl.store(o, WIDTH)", 1, "pass it as an argument"),
    "carried": ("total = 0\n    for k in range(n):\n        total = total + tl.load(o + k)\n    tl.store(o, total)", 2,
                "before the loop"),
    "axes": ("a = tl.zeros([16, 32], tl.float32)\n    tl.store(o, tl.sum(a + tl.zeros([32, 16], tl.float32)))", 2,
             "align axes"),
    "break": ("for k in range(n):\n        break", 2, "under an if"),
    "block": ("tl.store(o, tl.arange(0, 16))", 1, "add tl.arange offsets"),
    "element": ("a = tl.arange(0, 16)\n    tl.store(o, a[0])", 2, "reduction"),
    "pointer": ("tl.store(n, 1.0)", 1, "give a tensor"),
    "name": ("tl.store(o, nothing)", 1, "define it on every path"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_common_mistake_is_told_with_its_line_and_its_fix(service: CaptureService, name: str) -> None:
    body, wrong, words = MISTAKES[name]
    kernel = f"WIDTH = 3\n\n\n@triton.jit\ndef bad(o, n):\n    {body}\n\n\n"
    fault = service(Candidate(source("bad[(1,)](o, 7)", kernel)), "go", [call()])
    assert isinstance(fault, Fault) and fault.status == "compile_error", fault
    assert fault.facts["line"] == HEAD_LINES + 5 + wrong, fault.reason
    assert ". Fix: " in fault.reason and words in fault.reason
    assert words in str(fault.facts["fix"])


def test_a_condition_on_a_tensor_is_told_with_its_fix(service: CaptureService) -> None:
    kernel = "@triton.jit\ndef bad(o):\n    if tl.arange(0, 16) > 3:\n        tl.store(o, 1.0)\n\n\n"
    fault = service(Candidate(source("bad[(1,)](o)", kernel)), "go", [call()])
    assert isinstance(fault, Fault) and fault.status == "compile_error"
    assert "tl.where, not if" in fault.reason
