"""Checked kernels refuse accesses outside of their buffers and name the source line."""

from typing import Any

import pytest
import torch

from kernelwright.compiler import CompileOptions, MemoryFault, MemoryRange, NativeKernel, compile_ttir
from kernelwright.compiler import compile as compilation
from kernelwright.compiler.native import PassOptions
from tests.compiler import kernels
from tests.compiler.test_reader import BF16, F32, I64, ttir


def checked(kernel: Any, *args: object, **constants: object) -> NativeKernel:
    return compile_ttir(ttir(kernel, *args, **constants), CompileOptions(checked=True))


def whole(tensor: torch.Tensor, name: str, writable: bool = False) -> MemoryRange:
    return MemoryRange(tensor.data_ptr(), tensor.nbytes, writable, name)


def line_of(found: MemoryFault) -> str:
    with open(kernels.__file__) as file:
        return file.read().split("\n")[found.line - 1]


def test_masked_accesses_inside_pass_and_give_the_right_answer() -> None:
    x, y, out = torch.randn(100), torch.randn(100), torch.zeros(100)
    kernel = checked(kernels.add, F32, F32, F32, 100, BLOCK=64)
    ranges = [whole(x, "x"), whole(y, "y"), whole(out, "out", writable=True)]
    kernel.launch((2, 1, 1), (x.data_ptr(), y.data_ptr(), out.data_ptr(), 100), 2, ranges)
    assert torch.equal(out, x + y)


@pytest.mark.parametrize("beyond", [1, 5, 28])
def test_a_read_past_the_end_is_found(beyond: int) -> None:
    x, y, out = torch.randn(100), torch.randn(128), torch.zeros(128)
    kernel = checked(kernels.add, F32, F32, F32, 100, BLOCK=64)
    ranges = [whole(x, "x"), whole(y, "y"), whole(out, "out", writable=True)]
    with pytest.raises(MemoryFault) as caught:
        kernel.launch((2, 1, 1), (x.data_ptr(), y.data_ptr(), out.data_ptr(), 100 + beyond), 1, ranges)
    found = caught.value
    assert (found.buffer, found.is_write, found.program) == ("x", False, (1, 0, 0))
    assert "tl.load(x + at" in line_of(found)


def test_a_write_to_an_input_is_found() -> None:
    x, y, out = torch.randn(64), torch.randn(64), torch.zeros(64)
    kernel = checked(kernels.add, F32, F32, F32, 64, BLOCK=64)
    ranges = [whole(x, "x"), whole(y, "y"), whole(out, "out")]
    with pytest.raises(MemoryFault, match="must not write to out") as caught:
        kernel.launch((1, 1, 1), (x.data_ptr(), y.data_ptr(), out.data_ptr(), 64), 1, ranges)
    assert caught.value.is_write
    assert "tl.store" in line_of(caught.value)
    assert bool((out == 0).all())


def test_a_bad_index_in_a_gather_is_found() -> None:
    table, out = torch.randn(50, 32), torch.zeros(32, 32)
    indices = torch.zeros(32, dtype=torch.int64)
    indices[20] = 50
    kernel = checked(kernels.gather_rows, F32, I64, F32, 32, 32, BLOCK=16, WIDTH=32)
    ranges = [whole(table, "table"), whole(indices, "indices"), whole(out, "out", writable=True)]
    args = (table.data_ptr(), indices.data_ptr(), out.data_ptr(), 32, 32)
    with pytest.raises(MemoryFault) as caught:
        kernel.launch((2, 1, 1), args, 1, ranges)
    assert caught.value.buffer == "table"
    assert caught.value.offset_bytes >= 50 * 32 * 4 - 64 * 4
    assert "table" in line_of(caught.value)
    indices[20] = 49
    kernel.launch((2, 1, 1), args, 1, ranges)
    assert torch.equal(out, table[indices])


def test_checked_attention_gives_what_unchecked_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    # Checked code takes the quick instruction selection, which fuses fewer products and sums; here both take it.
    monkeypatch.setattr(compilation, "PassOptions", lambda selection: PassOptions(selection=0))
    heads, length, width = 2, 70, 32
    q, k, v = (torch.randn(heads, length, width).bfloat16() for _ in range(3))
    out, plain = torch.zeros_like(q), torch.zeros_like(q)
    arguments = (BF16, BF16, BF16, BF16, 0.1, 100, 32)
    kernel = checked(kernels.attention, *arguments, CAUSAL=True, D=32, BM=32, BN=16)
    ranges = [whole(q, "q"), whole(k, "k"), whole(v, "v"), whole(out, "out", writable=True)]
    pointers = [t.data_ptr() for t in (q, k, v, out)]
    kernel.launch((3, heads, 1), (*pointers, 0.2, length, width), 2, ranges)
    text = ttir(kernels.attention, *arguments, CAUSAL=True, D=32, BM=32, BN=16)
    unchecked = compile_ttir(text, CompileOptions(noalias=True))
    unchecked.launch((3, heads, 1), (*pointers[:3], plain.data_ptr(), 0.2, length, width), 2)
    assert torch.equal(out, plain)
