"""Launches take tensors, choose threads, and notice arguments that share memory."""

import os

import pytest
import torch

from kernelwright.compiler import MemoryFault
from kernelwright.compiler.launcher import LazyKernel, thread_count
from kernelwright.core.errors import RequestError
from tests.compiler import kernels
from tests.compiler.test_reader import F32, ttir


@pytest.fixture(scope="module")
def add() -> LazyKernel:
    return LazyKernel(ttir(kernels.add, F32, F32, F32, 100, BLOCK=64))


def variants(kernel: LazyKernel) -> set[bool]:
    return {way.noalias for way in kernel._kernels}


def test_tensors_and_numbers_are_passed(add: LazyKernel) -> None:
    x, y, out = torch.randn(100), torch.randn(100), torch.zeros(100)
    add.launch((2, 1, 1), (x, y, out, 100))
    assert torch.equal(out, x + y)


def test_a_written_view_of_a_shared_storage_counts_as_overlapping() -> None:
    kernel = LazyKernel(ttir(kernels.add, F32, F32, F32, 100, BLOCK=64))
    memory = torch.randn(300)
    kernel.launch((2, 1, 1), (memory[:100], torch.randn(100), memory[200:], 100))
    assert variants(kernel) == {False}
    kernel.launch((2, 1, 1), (torch.randn(100), torch.randn(100), torch.zeros(100), 100))
    assert variants(kernel) == {False, True}


def test_memory_that_is_only_read_may_be_passed_twice() -> None:
    kernel = LazyKernel(ttir(kernels.add, F32, F32, F32, 100, BLOCK=64))
    memory, out = torch.randn(200), torch.zeros(100)
    kernel.launch((2, 1, 1), (memory[:100], memory[100:], out, 100))
    assert variants(kernel) == {True}
    assert torch.equal(out, memory[:100] + memory[100:])


def test_a_pointer_that_does_not_tell_its_memory_may_overlap() -> None:
    class Bare:
        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor = tensor

        def data_ptr(self) -> int:
            return self.tensor.data_ptr()

    kernel = LazyKernel(ttir(kernels.add, F32, F32, F32, 100, BLOCK=64))
    out = torch.zeros(100)
    kernel.launch((2, 1, 1), (torch.ones(100), torch.ones(100), Bare(out), 100))
    assert variants(kernel) == {False}
    assert bool((out == 2).all())


def test_a_tensor_that_is_not_on_the_cpu_is_refused(add: LazyKernel) -> None:
    x = torch.empty(100, device="meta")
    with pytest.raises(RequestError, match="argument 1 must be a CPU tensor, got one on meta"):
        add.launch((1, 1, 1), (torch.empty(100), x, x, 100))


def test_threads_come_from_the_variable_then_from_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERNELWRIGHT_NUM_THREADS", raising=False)
    assert thread_count() == torch.get_num_threads()
    monkeypatch.setenv("KERNELWRIGHT_NUM_THREADS", "3")
    assert thread_count() == 3
    monkeypatch.setenv("KERNELWRIGHT_NUM_THREADS", "none")
    with pytest.raises(RequestError, match="must be a positive number, got 'none'"):
        thread_count()


def test_a_kernel_compiled_before_a_fork_runs_in_the_child(add: LazyKernel) -> None:
    x, out = torch.ones(100), torch.zeros(100)
    add.launch((2, 1, 1), (x, x, out, 100))
    child = os.fork()
    if child == 0:
        fresh = torch.zeros(100)
        add.launch((2, 1, 1), (x, x, fresh, 100))
        os._exit(0 if bool((fresh == 2).all()) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_launches_are_checked_when_asked(add: LazyKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    x, out = torch.randn(100), torch.zeros(64)
    monkeypatch.setenv("KERNELWRIGHT_CHECKED", "1")
    add.launch((1, 1, 1), (x, x, out, 64))
    assert torch.equal(out, x[:64] * 2)
    with pytest.raises(MemoryFault, match=r"line \d+ of add .* argument 2"):
        add.launch((2, 1, 1), (x, x, out, 100))
    monkeypatch.setenv("KERNELWRIGHT_CHECKED", "yes")
    with pytest.raises(RequestError, match="KERNELWRIGHT_CHECKED must be 0 or 1, got 'yes'"):
        add.launch((1, 1, 1), (x, x, out, 64))
