from collections.abc import Iterator

import pytest

from kernelwright.chips.catalogue import load_chip
from kernelwright.judge import CandidateJudge
from kernelwright.judge.stages import Limits
from kernelwright.problems import load_problem
from kernelwright.sandbox import CaptureService
from kernelwright.sandbox import Limits as HostLimits

SECRET = 20260521


@pytest.fixture(scope="package")
def judge() -> Iterator[CandidateJudge]:
    """Return a judge of suite smoke with limits short enough for tests."""
    problem = load_problem("extend-attention")
    with CaptureService(limits=HostLimits(call_s=3.0)) as capture:
        made = CandidateJudge(
            problem, problem.suite("smoke", SECRET), load_chip("cpu"), capture, SECRET, Limits(launch_s=4.0)
        )
        yield made
        made.close()
