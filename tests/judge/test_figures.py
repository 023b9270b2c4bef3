import numpy as np
import pytest

from kernelwright.core.work import Peaks, roofline_ns
from kernelwright.judge.cases import Case
from kernelwright.judge.figures import beyond_physics, figures_of, physics_fault
from kernelwright.judge.statistics import Paired
from kernelwright.problems.contract import ErrorReport
from kernelwright.problems.extend_attention import PROBLEM

PEAKS = Peaks(30e9, {"bf16": 400e9, "f16": 200e9, "f32": 200e9}, 1e9, 1e4)
REPORT = ErrorReport(True, "", 1e-3, 1e-2, 1e-3, 8e-2)


def _cases() -> list[Case]:
    problem = PROBLEM
    return [
        Case(workload, workload.name, 0, problem.make_inputs(workload, 0), {})
        for workload in problem.suite("smoke", 1).workloads
    ]


def _pairs(cases: list[Case], over_roofline: float, speedup: float) -> list[Paired]:
    problem = PROBLEM
    pairs = []
    for case in cases:
        ours = roofline_ns(problem.work(case.workload), PEAKS) * over_roofline
        pairs.append(Paired(np.full((3, 2), ours * speedup), np.full((3, 2), ours)))
    return pairs


def test_fractions_are_roofline_over_time() -> None:
    cases = _cases()
    figures = figures_of(PROBLEM, "smoke", PEAKS, cases, _pairs(cases, 2.0, 3.0), [REPORT] * len(cases))
    assert figures.roofline_fraction == pytest.approx(0.5)
    assert figures.roofline_fraction_bound == pytest.approx(0.5)
    assert figures.summary.geomean.value == pytest.approx(3.0)
    assert figures.flags == ()
    assert beyond_physics(figures) is None


def test_a_time_under_the_roofline_is_found_and_named() -> None:
    cases = _cases()
    pairs = _pairs(cases, 2.0, 3.0)
    pairs[3] = Paired(pairs[3].base, pairs[3].ours / 2.5)
    figures = figures_of(PROBLEM, "smoke", PEAKS, cases, pairs, [REPORT] * len(cases))
    assert beyond_physics(figures) == 3
    fault = physics_fault(figures.workloads[3])
    assert fault.status == "cheating"
    assert "roofline" in fault.reason


def test_a_time_at_the_roofline_is_honest() -> None:
    cases = _cases()
    figures = figures_of(PROBLEM, "smoke", PEAKS, cases, _pairs(cases, 0.97, 2.0), [REPORT] * len(cases))
    assert beyond_physics(figures) is None


def test_more_than_ten_times_is_flagged_without_naming_hidden_workloads() -> None:
    cases = _cases()
    figures = figures_of(PROBLEM, "smoke", PEAKS, cases, _pairs(cases, 2.0, 11.0), [REPORT] * len(cases))
    (flag,) = figures.flags
    assert "review" in flag
    for case in cases:
        assert (case.workload.name in flag) != case.workload.hidden
