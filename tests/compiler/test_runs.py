"""Runs of offsets, results past the caches, and kernels kept on disk give what plain code gives."""

import os
from pathlib import Path

import pytest
import torch
import triton.language as tl
import triton.testing

from kernelwright.compiler import CompileOptions, compile_ttir
from kernelwright.compiler.codegen import streams
from kernelwright.compiler.codegen.axes import LARGEST, power_of_two_in
from kernelwright.compiler.compile import compile_anew, generate_llvm
from tests.compiler import language_kernels as kernels
from tests.compiler.test_reader import F32, ttir

MIB = 1 << 20


@pytest.mark.parametrize("columns", [48, 64, 80, 100, 7])
@pytest.mark.parametrize("shift", [0, 1, 3])
def test_offsets_that_wrap_read_the_right_columns(columns: int, shift: int) -> None:
    x, out = torch.randn(3, columns), torch.empty(3, 64)
    kernels.wrapped_columns[(3,)](x, out, columns, shift, N=64)
    assert torch.equal(out, x[:, (torch.arange(64) + 64 * shift) % columns])


@pytest.mark.parametrize("size", [1, 3, 16, 48, 64, 100])
@pytest.mark.parametrize("n", [128, 160, 100, 1])
def test_division_and_masks_by_blocks(size: int, n: int) -> None:
    x, out = torch.randn(128), torch.full((128,), 7.0)
    kernels.by_blocks[(2,)](x, out, size, n, N=64)
    o = torch.arange(min(n, 128))
    assert torch.equal(out[: len(o)], x[o // size])
    assert bool((out[len(o) :] == 7).all())


def test_wrapped_offsets_of_a_multiple_are_loaded_as_vectors() -> None:
    text = ttir(kernels.wrapped_columns, F32, F32, 64, 2, N=64)
    assert "masked.gather" not in generate_llvm(text, CompileOptions(noalias=True)).llvm_ir


@pytest.mark.parametrize(("number", "power"), [(0, LARGEST), (1, 1), (12, 4), (-8, 8), (1 << 40, LARGEST)])
def test_powers_of_two(number: int, power: int) -> None:
    assert power_of_two_in(number) == power


@pytest.mark.parametrize("offset", [0, 4, 16])
@pytest.mark.parametrize("cut", [0, 1, 1000])
def test_results_larger_than_caches_are_whole_wherever_they_start(offset: int, cut: int) -> None:
    n = 6 * MIB - cut
    x, memory = torch.randn(n), torch.zeros(n + 64)
    out = memory[offset : offset + n]
    kernels.doubled[(-(-n // 1024),)](x, out, n, BLOCK=1024)
    assert torch.equal(out, x * 2)
    assert bool((memory[offset + n :] == 0).all())


def test_only_what_is_written_in_lines_and_never_read_goes_past_the_caches() -> None:
    plain, past = (
        generate_llvm(ttir(kernels.doubled, F32, F32, 4096, BLOCK=1024), CompileOptions(noalias=True, streaming=flag))
        for flag in (False, True)
    )
    assert "nontemporal" not in plain.llvm_ir
    assert "nontemporal" in past.llvm_ir
    assert "sfence" in past.llvm_ir or os.uname().machine != "x86_64"


@pytest.mark.parametrize("scale", [1.0, 3.0, 1e-38, 1e-20, 1e30, 3e38])
def test_a_row_over_a_scalar_is_within_two_ulps(scale: float) -> None:
    x = torch.rand(4, 64) * scale + scale * 2.0**-20
    out = torch.empty_like(x)
    kernels.divided_rows[(4,)](x, out, N=64)
    wanted = (x.double() / x.double().amax(1, keepdim=True)).float()
    steps = (out.view(torch.int32) - wanted.view(torch.int32)).abs()
    assert int(steps.max()) <= 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("n", [32, 64, 256])
def test_pointers_that_a_loop_moves_reach_every_tile(dtype: torch.dtype, n: int) -> None:
    x, y, out = torch.randn(16, n).to(dtype), torch.randn(n, 64).to(dtype), torch.empty(16, 64)
    kernels.walked_sum[(1,)](x, y, out, n, M=16, N=64, K=32)
    assert torch.allclose(out.double(), x.double() @ y.double(), rtol=1e-4, atol=1e-4)


def test_a_kept_kernel_is_the_same_and_a_damaged_one_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path))
    text = ttir(kernels.claimed, F32, F32, N=16)
    first = compile_ttir(text, CompileOptions(heard=True))
    (entry,) = tmp_path.rglob("*.kernel")
    again = compile_ttir(text, CompileOptions(heard=True))
    facts = ("name", "arg_types", "scratch_bytes", "machine_sha256", "locations", "assertions", "arguments")
    assert all(getattr(first, name) == getattr(again, name) for name in facts)
    entry.write_bytes(entry.read_bytes()[:-1] + b"?")
    assert compile_ttir(text, CompileOptions(heard=True)).machine_sha256 == first.machine_sha256
    compile_ttir(text, CompileOptions())
    assert len(list(tmp_path.rglob("*.kernel"))) == 2


def test_a_kept_kernel_without_its_object_code_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path))
    text = ttir(kernels.doubled, F32, F32, 4096, BLOCK=1024)
    first = compile_ttir(text, CompileOptions())
    (code,) = tmp_path.rglob("*.o")
    code.unlink()
    again = compile_ttir(text, CompileOptions())
    assert again.machine_sha256 == first.machine_sha256
    assert code.exists()


def test_a_kernel_compiled_anew_follows_the_generator_and_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path))
    text, options = ttir(kernels.doubled, F32, F32, 4096, BLOCK=1024), CompileOptions(noalias=True, streaming=True)
    kept = compile_ttir(text, options)
    monkeypatch.setattr(streams, "LEAST_ROW_BYTES", 1 << 30)
    assert compile_ttir(text, options).machine_sha256 == kept.machine_sha256
    assert compile_anew(text, options).machine_sha256 != kept.machine_sha256
    assert len(list(tmp_path.rglob("*.kernel"))) == 1


def test_benchmarks_of_triton_take_real_time() -> None:
    x, out = torch.randn(4096), torch.empty(4096)
    low, high = triton.testing.do_bench(
        lambda: kernels.doubled[(4,)](x, out, 4096, BLOCK=1024), warmup=1, rep=5, quantiles=[0.1, 0.9]
    )
    assert 0 < low <= high


@pytest.mark.skipif(not hasattr(tl, "atomic_load"), reason="the language has had atomic loads and stores since 3.9")
def test_atomic_loads_stores_and_waits() -> None:
    x = torch.arange(16, dtype=torch.int32)
    x[3] = 100
    out = torch.zeros(32, dtype=torch.int32)
    kernels.atomic_moves[(1,)](x, out, N=16)
    assert torch.equal(out[:15], x[:15])
    assert int(out[15]) == int(x[0])
    assert out[16:].tolist() == [int(i != 3) for i in range(16)]
