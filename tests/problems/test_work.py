"""Useful work equals brute force counting of what the masks leave and what must be read."""

import dataclasses

import pytest
import torch

from kernelwright.core.problem import Workload
from kernelwright.problems.contract import Inputs
from tests.problems.naive import visible
from tests.problems.workloads import PROBLEM, TINY, tiny

NAMES = [*TINY, "tree, one row over a prefix", "short window, shared start"]
EXTRA: dict[str, dict[str, object]] = {
    "tree, one row over a prefix": {"tree": True, "skip_prefix_mask": False, "extend": [1, 4], "prefix": [16, 17]},
    "short window, shared start": {"prefix": [9, 6, 2], "extend": [2, 3, 4], "shared_prefix": 5, "window": 3},
}


def _workload(name: str) -> Workload:
    return tiny(name, **EXTRA.get(name, {}))


def _seen(inputs: Inputs) -> list[tuple[int, int, int]]:
    """Return every visible (request, row, position)."""
    qo, kv = inputs.tensor("qo_indptr").tolist(), inputs.tensor("kv_indptr").tolist()
    found = []
    for i in range(len(qo) - 1):
        extend, prefix = qo[i + 1] - qo[i], kv[i + 1] - kv[i]
        for row in range(extend):
            found += [(i, row, k) for k in range(prefix + extend) if visible(inputs, i, row, k, prefix, extend)]
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_flops_and_exponentials_are_those_of_visible_pairs(name: str, seed: int) -> None:
    workload = _workload(name)
    inputs = PROBLEM.make_inputs(workload, seed, None, 2)
    pairs = len(_seen(inputs)) * inputs.tensor("q_extend").shape[1]
    widths = inputs.tensor("q_extend").shape[2] + inputs.tensor("v_extend").shape[2]
    work = PROBLEM.work(workload)
    assert work.dot_flops == 2 * pairs * widths
    assert work.exp_count == pairs
    assert work.dot_dtype == workload.params["dtype"]


@pytest.mark.parametrize("name", NAMES)
def test_bytes_are_those_that_visible_pairs_need_each_once(name: str) -> None:
    workload = _workload(name)
    inputs = PROBLEM.make_inputs(workload, 1, None, 2)
    slots, named = set(), set()
    kv = inputs.tensor("kv_indptr").tolist()
    for request, _, position in _seen(inputs):
        at = kv[request] + position
        if at < kv[request + 1]:
            named.add(at)
            slots.add(int(inputs.tensor("kv_indices")[at]))
    expected = 8 * len(named)
    for name_of, rows in (("q_extend", None), ("k_extend", None), ("v_extend", None), ("o_extend", None)):
        assert rows is None
        expected += _size(inputs.tensor(name_of))
    for buffer in ("k_buffer", "v_buffer"):
        expected += len(slots) * _size(inputs.tensor(buffer)[0])
    expected += _size(inputs.tensor("qo_indptr")) + _size(inputs.tensor("kv_indptr"))
    if inputs.values["sinks"] is not None:
        expected += _size(inputs.tensor("sinks"))
    if inputs.values["custom_mask"] is not None:
        expected += _size(inputs.tensor("mask_indptr")) + _mask_entries(inputs)
    assert PROBLEM.work(workload).moved_bytes == expected


def test_work_does_not_depend_on_the_workloads_name() -> None:
    workload = tiny("tree over prefix")
    assert PROBLEM.work(dataclasses.replace(workload, name="x")) == PROBLEM.work(workload)


def _size(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _mask_entries(inputs: Inputs) -> int:
    qo, kv = inputs.tensor("qo_indptr").tolist(), inputs.tensor("kv_indptr").tolist()
    entries = 0
    for i in range(len(qo) - 1):
        extend = qo[i + 1] - qo[i]
        covered = extend if inputs.values["skip_prefix_custom_mask"] else extend + kv[i + 1] - kv[i]
        entries += extend * covered
    return entries
