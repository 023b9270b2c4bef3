"""Counters for engineers over the real rooms: the candidate's own launches, as the judge times them."""

from collections.abc import Iterator

import pytest

from kernelwright.chips.catalogue import load_chip
from kernelwright.chips.emulated.chip import EmulatedChip
from kernelwright.cli.captured import capture_all, public_workloads, timing_inputs
from kernelwright.cli.counting import PublicCounters
from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import RequestError
from kernelwright.problems import load_problem
from kernelwright.sandbox import CaptureService, choose_sandbox

MATMUL = load_problem("matmul")
REFERENCE = Candidate(MATMUL.baselines.reference())


@pytest.fixture(scope="module")
def capture() -> Iterator[CaptureService]:
    with CaptureService(choose_sandbox(False), cores=1) as service:
        yield service


def counters_of(capture: CaptureService, chip: str) -> PublicCounters:
    found = load_chip(chip)
    assert isinstance(found, EmulatedChip)
    return PublicCounters(MATMUL, "smoke", found, capture, lambda line: None)


def test_launches_take_what_the_judge_times(capture: CaptureService) -> None:
    counters = counters_of(capture, "m890")
    told = counters(REFERENCE, ["tails"])["tails"]
    launches = told["launches"]
    assert isinstance(launches, list)
    inputs = timing_inputs(MATMUL, public_workloads(MATMUL, "smoke", "tails"))
    (captured,) = capture_all(capture, MATMUL, REFERENCE.source, inputs)
    judged = counters.chip.times.time_ns(captured.plan, inputs[0].arrays())
    assert told["fills_ns"] == 0
    assert sum(launch["counters"]["ppu__time_duration.sum"] for launch in launches) == judged


def test_a_candidate_that_does_not_launch_again_is_a_refused_request(capture: CaptureService) -> None:
    with pytest.raises(RequestError, match="does not: compile_error"):
        counters_of(capture, "m890")(Candidate("def matmul(:"), ["tails"])
