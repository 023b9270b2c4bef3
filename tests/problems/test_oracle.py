"""The float64 oracle against attention written from its definition."""

import pytest
import torch

from kernelwright.problems.extend_attention import oracle
from kernelwright.problems.extend_attention.oracle import attend
from tests.problems.naive import naive_attention
from tests.problems.workloads import PROBLEM, TINY, tiny


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("seed", [0, 1])
def test_oracle_equals_the_definition(name: str, seed: int) -> None:
    inputs = PROBLEM.make_inputs(tiny(name), seed, 1.0 if seed else None, 6)
    torch.testing.assert_close(attend(inputs), naive_attention(inputs), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["plain", "window", "tree over prefix", "bidirectional", "all at once"])
def test_blocks_of_rows_and_keys_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = PROBLEM.make_inputs(tiny(name, extend=[13, 7], prefix=[21, 0]), 5, 1.0, 4)
    whole = attend(inputs)
    monkeypatch.setattr(oracle, "_ROWS", 6)
    monkeypatch.setattr(oracle, "_KEYS", 4)
    torch.testing.assert_close(attend(inputs), whole, rtol=1e-12, atol=1e-13)
