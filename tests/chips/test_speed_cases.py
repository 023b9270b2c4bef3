"""The kernels that speed is measured with give what torch gives."""

import pytest
import torch

from kernelwright.chips.cpu.speed.cases import CASES, Case, difference, gate, interpreted_cases


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_kernel_equals_its_peer_on_a_small_shape(case: Case) -> None:
    given = case.kernel.make(case.kernel.small, case.dtype, torch.Generator().manual_seed(1))
    wanted = case.kernel.theirs(*given).clone()
    assert difference(case.kernel.ours(*given), wanted) <= gate(wanted)


def test_every_kernel_is_compared_with_the_interpreter_once() -> None:
    names = [case.kernel.name for case in interpreted_cases()]
    assert sorted(names) == sorted({case.kernel.name for case in CASES})


def test_a_wrong_result_is_told_from_a_right_one() -> None:
    wanted = torch.randn(100)
    assert difference(wanted * 1.001, wanted) > gate(wanted)
    assert difference(wanted + 0, wanted) <= gate(wanted)
    counts = torch.arange(5)
    assert difference(counts + (counts == 2), counts) > gate(counts)
    assert not difference(torch.full((3,), float("nan")), torch.ones(3)) <= gate(torch.ones(3))
