"""Every way to call torch computes the whole workload, features included."""

import pytest

from kernelwright.core.problem import Workload
from kernelwright.problems.extend_attention.gates import check_output
from kernelwright.problems.extend_attention.oracle import attend
from tests.problems.workloads import PROBLEM, TINY, smoke, tiny


@pytest.mark.parametrize("workload", [*smoke(), *(tiny(name) for name in TINY)], ids=lambda w: w.name)
def test_every_way_agrees_with_float64(workload: Workload) -> None:
    inputs = PROBLEM.make_inputs(workload, 2, 1.0, 6)
    expected = attend(inputs)
    ways = PROBLEM.baselines.library(inputs)
    assert len(ways) >= 3 and len({way.name for way in ways}) == len(ways)
    for way in ways:
        report = check_output({"o_extend": way.call()}, inputs, expected)
        assert report.passed, f"{way.name}: {report.reason}"
        # A pool that is scaled loses a rounding when the scale is applied before the product.
        assert report.rel_l2 < 6e-3


def test_a_window_makes_blocks_and_drops_the_far_prefix() -> None:
    workload = tiny("window", extend=[600], prefix=[40])
    inputs = PROBLEM.make_inputs(workload, 2, 1.0, 6)
    expected = attend(inputs)
    for way in PROBLEM.baselines.library(inputs):
        assert check_output({"o_extend": way.call()}, inputs, expected).passed, way.name


def test_ways_say_where_no_sdpa_can_do_the_work() -> None:
    capped = PROBLEM.baselines.library(PROBLEM.make_inputs(tiny("cap"), 0, None, 0))
    plain = PROBLEM.baselines.library(PROBLEM.make_inputs(tiny("plain"), 0, None, 0))
    assert all("logit cap" in way.note for way in capped)
    assert not any("logit cap" in way.note for way in plain)
