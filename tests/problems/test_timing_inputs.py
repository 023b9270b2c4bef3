"""What emulated chips time from: integers, and shapes of floats; and rows that stand for outputs too large to check."""

from dataclasses import replace

import pytest
import torch

from kernelwright.core.problem import Argument
from kernelwright.problems import load_problem, problem_names

EXTEND = load_problem("extend-attention")


def _told(argument: Argument) -> Argument:
    """Return the argument; strides of a tensor without elements say nothing, numpy and torch differ in them."""
    if argument.tensor is None or 0 not in argument.tensor.shape:
        return argument
    return replace(argument, tensor=replace(argument.tensor, strides=()))


@pytest.mark.parametrize("name", problem_names())
def test_host_code_cannot_tell_timing_inputs_from_others(name: str) -> None:
    problem = load_problem(name)
    for workload in problem.suite("smoke", 3).workloads:
        timing, others = problem.timing_inputs(workload, 5), problem.make_inputs(workload, 7)
        assert [_told(a) for a in timing.arguments()] == [_told(a) for a in others.arguments()]


@pytest.mark.parametrize("name", problem_names())
def test_timing_inputs_hold_integers_alone(name: str) -> None:
    problem = load_problem(name)
    for workload in problem.suite("smoke", 3).public:
        inputs = problem.timing_inputs(workload, 5)
        tensors = {key: value for key, value in inputs.values.items() if isinstance(value, torch.Tensor)}
        assert all(value.is_meta == value.is_floating_point() for value in tensors.values())
        assert set(inputs.arrays()) == {key for key, value in tensors.items() if not value.is_floating_point()}


def test_workloads_as_served_are_made_without_their_floats() -> None:
    workloads = EXTEND.suite("full", 3).workloads
    for workload in workloads:
        inputs = EXTEND.timing_inputs(workload, 5)
        assert sum(array.nbytes for array in inputs.arrays().values()) < 4 << 20
        slots = inputs.tensor("kv_indices")
        assert slots.numel() == sum(workload.params["prefix"])  # type: ignore[call-overload]
        assert not slots.numel() or int(slots.max()) < inputs.tensor("k_buffer").shape[0]


def test_equal_seeds_give_equal_integers() -> None:
    workload = EXTEND.suite("full", 3).public[0]
    tree = next(w for w in EXTEND.suite("full", 3).public if w.params.get("tree"))
    for one in (workload, tree):
        first, again, other = (EXTEND.timing_inputs(one, seed).arrays() for seed in (1, 1, 2))
        assert all(first[name] == again[name] for name in first)
        assert one is workload or any(first[name] != other[name] for name in first)


@pytest.mark.parametrize("name", ["ragged", "verify-tree", "hit-fp8", "single"])
def test_sampled_rows_of_the_oracle_are_right(name: str) -> None:
    workload = next(w for w in EXTEND.suite("smoke", 3).public if w.name == name)
    inputs = EXTEND.make_inputs(workload, 1)
    expected = EXTEND.oracle(inputs)["o_extend"]
    assert EXTEND.check_sample({"o_extend": expected}, inputs, 2, None).passed


def test_a_wrong_last_row_is_found_among_sampled_ones_and_named() -> None:
    workload = next(w for w in EXTEND.suite("smoke", 3).public if w.name == "single")
    inputs = EXTEND.make_inputs(workload, 1)
    wrong = EXTEND.oracle(inputs)["o_extend"].clone()
    wrong[-1] = 0
    report = EXTEND.check_sample({"o_extend": wrong}, inputs, 2, None)
    assert not report.passed
    assert report.wrong is not None and dict(report.wrong.place)["row"] == len(wrong) - 1
    assert "sampled rows must agree with float64" in report.reason


def test_nan_in_a_sampled_row_never_passes() -> None:
    workload = next(w for w in EXTEND.suite("smoke", 3).public if w.name == "single")
    inputs = EXTEND.make_inputs(workload, 1)
    assert not EXTEND.check_sample({"o_extend": inputs.tensor("o_extend")}, inputs, 2, None).passed
