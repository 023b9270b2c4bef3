"""The metamorphic checks hold for the oracle and fail for runners that break the law they state."""

from dataclasses import replace

import pytest
import torch

from kernelwright.core.problem import Workload
from kernelwright.problems.contract import Inputs
from kernelwright.problems.extend_attention import metamorphic
from kernelwright.problems.extend_attention.oracle import attend
from tests.problems.workloads import PROBLEM, TINY, smoke, tiny

WORKLOADS = [*(w for w in smoke() if w.name != "hit-fp8"), *(tiny(name) for name in TINY)]
IDS = [w.name for w in WORKLOADS]


def _inputs(workload: Workload) -> Inputs:
    return PROBLEM.make_inputs(workload, 1, 1.0, 4)


@pytest.mark.parametrize("workload", WORKLOADS, ids=IDS)
def test_moving_slots_changes_nothing(workload: Workload) -> None:
    assert metamorphic.check_slots(attend, _inputs(workload), 1) < 1e-12


@pytest.mark.parametrize("workload", WORKLOADS, ids=IDS)
def test_reordering_heads_reorders_the_output(workload: Workload) -> None:
    assert metamorphic.check_heads(attend, _inputs(workload), 1) < 1e-12


@pytest.mark.parametrize("workload", WORKLOADS, ids=IDS)
def test_reordering_requests_reorders_the_output(workload: Workload) -> None:
    assert metamorphic.check_requests(attend, _inputs(workload), 2) < 1e-12


@pytest.mark.parametrize("workload", WORKLOADS, ids=IDS)
def test_two_chunks_equal_one(workload: Workload) -> None:
    inputs = _inputs(workload)
    if metamorphic.can_split(inputs):
        assert metamorphic.check_chunks(attend, inputs) < 1e-12
    else:
        shape = workload.params
        reasons = ("causal", "tree", "k_scale", "pool_dtype")
        assert any(reason in shape for reason in reasons) or max(shape["extend"]) < 2  # type: ignore[call-overload]


def test_most_smoke_workloads_can_be_split() -> None:
    assert sum(metamorphic.can_split(_inputs(w)) for w in smoke()) >= 5


def _slot_zero_first(inputs: Inputs) -> torch.Tensor:
    """Return attention by a runner that believes that indices are sorted."""
    slots = inputs.tensor("kv_indices").sort().values
    return attend(replace(inputs, values={**inputs.values, "kv_indices": slots}))


def _head_zero_keys(inputs: Inputs) -> torch.Tensor:
    """Return attention by a runner that reads KV head 0 for all."""
    names = ("k_extend", "k_buffer")
    wrong = {n: inputs.tensor(n)[:, :1].expand_as(inputs.tensor(n)).contiguous() for n in names}
    return attend(replace(inputs, values={**inputs.values, **wrong}))


def _first_request_only(inputs: Inputs) -> torch.Tensor:
    out = attend(inputs)
    out[int(inputs.tensor("qo_indptr")[1]) :] = 0
    return out


def test_broken_runners_are_noticed() -> None:
    inputs = PROBLEM.make_inputs(tiny("plain", prefix=[30, 40], extend=[9, 5]), 1, 3.0, 0)
    assert metamorphic.check_slots(_slot_zero_first, inputs, 1) > 0.1
    assert metamorphic.check_heads(_head_zero_keys, inputs, 0) > 0.1
    assert metamorphic.check_requests(_first_request_only, inputs, 2) > 0.1
    assert metamorphic.distance(torch.tensor([float("nan")]), torch.tensor([1.0])) == float("inf")
