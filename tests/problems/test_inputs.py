"""Inputs are determined by their seed and hostile where they should be."""

import itertools

import pytest
import torch

from kernelwright.core.problem import Workload
from kernelwright.problems.contract import Inputs
from kernelwright.problems.extend_attention.oracle import attend
from kernelwright.problems.extend_attention.shape import tree_level
from tests.problems.naive import visible
from tests.problems.workloads import PROBLEM, TINY, smoke, tiny

SMOKE = smoke()


def _bytes(inputs: Inputs) -> dict[str, bytes]:
    return {name: bytes(data) for name, data in inputs.arrays().items()}


@pytest.mark.parametrize("workload", SMOKE, ids=lambda w: w.name)
def test_equal_seeds_give_equal_inputs_and_others_differ(workload: Workload) -> None:
    first, again = PROBLEM.make_inputs(workload, 3, None, 8), PROBLEM.make_inputs(workload, 3, None, 8)
    other = PROBLEM.make_inputs(workload, 4, None, 8)
    assert _bytes(first) == _bytes(again)
    for name in ("q_extend", "k_extend", "v_extend", "k_buffer", "v_buffer"):
        assert _bytes(first)[name] != _bytes(other)[name]


def test_values_have_mean_zero_and_the_size_that_spreads_assume() -> None:
    inputs = PROBLEM.make_inputs(SMOKE[4], 1, 1.0, 0)
    for name in ("k_extend", "v_extend", "k_buffer", "v_buffer"):
        tensor = inputs.tensor(name).float()
        tensor = tensor[torch.isfinite(tensor) & (tensor.abs() < 3)]
        assert abs(float(tensor.mean())) < 5 / tensor.numel() ** 0.5
        # Three bits of mantissa round the mean square down.
        size = 0.848 if inputs.tensor(name).element_size() == 1 else 0.88
        assert float(tensor.square().mean().sqrt()) == pytest.approx(size, rel=0.02)


@pytest.mark.parametrize("spread", [0.2, 1.0, 3.0, 8.0])
def test_logits_have_the_asked_spread(spread: float) -> None:
    inputs = PROBLEM.make_inputs(tiny("plain", qk_width=64, v_width=64, extend=[200], prefix=[0]), 2, spread, 0)
    q, k = inputs.tensor("q_extend").double(), inputs.tensor("k_extend").double()
    logits = q[:, 0] @ k[:, 0].T / 8
    assert float(logits.std()) == pytest.approx(spread, rel=0.05)


def test_mixed_spreads_give_each_head_one_of_the_four() -> None:
    inputs = PROBLEM.make_inputs(tiny("plain", qk_width=64, v_width=64, extend=[100], prefix=[0]), 1, None, 0)
    sizes = inputs.tensor("q_extend").double().square().mean(dim=(0, 2)).sqrt()
    ratios = sizes / sizes.min()
    assert [round(float(r)) for r in ratios] == [5, 15, 40, 1]


@pytest.mark.parametrize("workload", SMOKE, ids=lambda w: w.name)
def test_slots_are_scrambled_and_every_other_slot_is_hostile(workload: Workload) -> None:
    inputs = PROBLEM.make_inputs(workload, 9, None, 8)
    named = set(inputs.tensor("kv_indices").tolist())
    for name in ("k_buffer", "v_buffer"):
        buffer = inputs.tensor(name).float()
        free = sorted(set(range(buffer.shape[0])) - named)
        assert len(free) >= 30
        rest = buffer[free]
        assert bool((rest.isnan() | (rest.abs() > 400)).all())
        assert bool(rest.isnan().any()) and bool((rest.abs() > 400).any())
        assert bool(torch.isfinite(buffer[sorted(named)]).all())
    slots = inputs.tensor("kv_indices")
    if slots.numel() > 40:
        assert float((slots[1:] > slots[:-1]).float().mean()) == pytest.approx(0.5, abs=0.25)


def test_a_shared_start_names_the_same_slots_for_every_request_that_has_it() -> None:
    inputs = PROBLEM.make_inputs(tiny("shared start"), 1, None, 0)
    slots, starts = inputs.tensor("kv_indices").tolist(), inputs.tensor("kv_indptr").tolist()
    first, second, short = (slots[a:b] for a, b in itertools.pairwise(starts))
    assert first[:5] == second[:5]
    assert len(set(first) | set(second) | set(short)) == 2 + 5 + 1 + 2


@pytest.mark.parametrize("workload", SMOKE, ids=lambda w: w.name)
def test_needles_dominate_their_rows(workload: Workload) -> None:
    with_needles = PROBLEM.make_inputs(workload, 6, 0.2, 14)
    without = PROBLEM.make_inputs(workload, 6, 0.2, 0)
    changed = (with_needles.tensor("q_extend") != without.tensor("q_extend")).any(dim=2).sum()
    assert 6 <= int(changed) <= 14
    # At spread 0.2 a row averages all keys, so a row that returns one key's value is far longer.
    length = attend(with_needles).norm(dim=2)
    usual = attend(without).norm(dim=2)
    assert int((length > 1.5 * usual).sum()) >= 3


@pytest.mark.parametrize("name", [name for name in TINY if "tree" in name])
def test_each_row_of_a_tree_sees_itself_and_as_many_more_as_its_depth_later_ones_too(name: str) -> None:
    inputs = PROBLEM.make_inputs(tiny(name, extend=[8, 5], prefix=[17, 9]), 1, None, 0)
    sees_later = False
    for request, (extend, prefix) in enumerate(((8, 17), (5, 9))):
        rows = [
            [visible(inputs, request, row, prefix + k, prefix, extend) for k in range(extend)] for row in range(extend)
        ]
        assert all(seen[row] for row, seen in enumerate(rows))
        assert sorted(map(sum, rows)) == sorted(tree_level(node) + 1 for node in range(extend))
        sees_later = sees_later or any(any(seen[row + 1 :]) for row, seen in enumerate(rows))
    assert sees_later


def test_host_code_may_read_lengths_and_nothing_else() -> None:
    arguments = PROBLEM.make_inputs(tiny("tree"), 1, None, 0).arguments()
    readable = {a.name for a in arguments if a.tensor is not None and a.tensor.values is not None}
    assert readable == {"qo_indptr", "kv_indptr", "mask_indptr"}
    assert [a.name for a in arguments if a.role == "output"] == ["o_extend"]
    assert next(a for a in arguments if a.name == "qo_indptr").tensor.values == (0, 5, 8)  # type: ignore[union-attr]
    plain = PROBLEM.make_inputs(tiny("plain"), 1, None, 0).arguments()
    absent = {a.name for a in plain if a.tensor is None and a.value is None}
    assert absent == {"custom_mask", "mask_indptr", "sinks", "sm_scale"}


def test_the_output_holds_nothing_before_the_call() -> None:
    assert bool(PROBLEM.make_inputs(tiny("plain"), 1, None, 0).tensor("o_extend").isnan().all())
