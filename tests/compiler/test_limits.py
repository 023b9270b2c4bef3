"""Kernels that are too much end as a refusal with figure and limit, and never exhaust memory."""

import subprocess
import sys
from typing import Any

import pytest
import torch

from kernelwright.compiler import CompileOptions, limits
from kernelwright.compiler.compile import generate_llvm
from kernelwright.core.errors import OverLimitError
from tests.compiler import bomb_kernels, bombs

MEMORY_BYTES = 512 << 20


def refused(ttir: str) -> OverLimitError:
    with pytest.raises(OverLimitError) as caught:
        generate_llvm(ttir, CompileOptions())
    assert len(str(caught.value).splitlines()) == 1
    figure, limit = caught.value.facts["figure"], caught.value.facts["limit"]
    assert isinstance(figure, int)
    assert isinstance(limit, int)
    assert figure > limit
    assert str(figure) in str(caught.value)
    assert str(limit) in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("ttir", "told"),
    [
        (lambda: bombs.unrolled(40_000), "bytes of IR"),
        (lambda: bombs.unrolled(4_000), "10000 ops, this one has"),
        (lambda: bombs.chain(limits.MAX_CHAIN), "ops that need each other"),
        (lambda: bombs.nested(limits.MAX_NESTING + 1), "loops and branches in each other"),
        (lambda: bombs.nested(10_000), "brackets in brackets"),
        (lambda: bombs.dots(limits.MAX_DOTS + 1), "dots"),
        (lambda: bombs.tensor("2048x1024"), "elements in a tensor"),
        (lambda: bombs.tensor("x".join(["1"] * 30)), "dimensions of a tensor"),
        (lambda: bombs.calls(20, 2), "calls replaced by what they call"),
        (lambda: bombs.calls(limits.MAX_CALL_DEPTH + 1, 1), "calls within calls"),
        (lambda: bombs.wide(5), "values in LLVM IR"),
    ],
    ids=lambda value: value.split(",")[0] if isinstance(value, str) else "",
)
def test_what_is_too_much_is_refused_with_figure_and_limit(ttir: Any, told: str) -> None:
    assert told in str(refused(ttir()))


@pytest.mark.parametrize(
    "ttir",
    [
        lambda: bombs.unrolled(100),
        lambda: bombs.chain(limits.MAX_CHAIN - 10),
        lambda: bombs.nested(limits.MAX_NESTING),
        lambda: bombs.dots(40),
        lambda: bombs.calls(limits.MAX_CALL_DEPTH - 1, 1),
        lambda: bombs.calls(8, 2),
    ],
)
def test_what_is_large_but_within_limits_gives_code(ttir: Any) -> None:
    assert "kw_body" in generate_llvm(ttir(), CompileOptions()).llvm_ir


def test_a_refusal_names_the_source_line_when_there_is_one() -> None:
    text = bombs.tensor("2048x1024").replace("tensor<2048x1024xf32>", 'tensor<2048x1024xf32> loc("mine.py":17:0)', 1)
    assert refused(text).facts["line"] == 17


def test_generated_code_that_is_too_long_is_refused_before_llvm_starts() -> None:
    with pytest.raises(OverLimitError, match="bytes of LLVM IR"):
        limits.check_llvm(limits.MAX_LLVM_BYTES + 1)


def test_the_recursion_limit_is_given_back() -> None:
    before = sys.getrecursionlimit()
    generate_llvm(bombs.chain(50), CompileOptions())
    refused(bombs.wide(5))
    assert sys.getrecursionlimit() == before


def test_a_chain_that_reads_each_value_twice_is_compiled_in_no_time_and_right() -> None:
    x = torch.arange(64, dtype=torch.float32)
    kernel: Any = bomb_kernels.doubled_often
    kernel[(1,)](x)
    assert torch.equal(x, torch.arange(64) * 2.0**60)


def test_a_launch_with_a_giant_unroll_is_refused_in_plain_triton() -> None:
    kernel: Any = bomb_kernels.unrolled_often
    with pytest.raises(OverLimitError, match="ops"):
        kernel[(1,)](torch.zeros(64), ROUNDS=3_000)


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_is_refused_within_bounded_memory(name: str) -> None:
    command = [sys.executable, "-m", "tests.compiler.bombs", name, str(MEMORY_BYTES)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-500:]
    assert "a kernel may have" in ran.stdout
