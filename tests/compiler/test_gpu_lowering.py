"""Triton IR is lowered for GPUs without one, and kept."""

from pathlib import Path

import pytest

from kernelwright.compiler.gpu_lowering import lower_to_gpu
from kernelwright.core.errors import CompileError, UnsupportedOpError
from tests.chips.emulated.gpu_kernels import matmul_ir

TEXT = """
module {
  tt.func public @f(%p: !tt.ptr<f32>) {
    %c = arith.constant 1.0 : f32
    tt.store %p, %c : !tt.ptr<f32>
    tt.return
  }
}
"""


def test_the_text_states_layouts_and_where_shared_memory_lies() -> None:
    made = lower_to_gpu(matmul_ir().ttir, 89, 4, 3)
    assert "#ttg.nvidia_mma" in made.text and "ttg.async_wait" in made.text
    assert "allocation.offset" in made.text
    assert made.shared_bytes == 65536


def test_a_second_lowering_comes_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path))
    first = lower_to_gpu(TEXT, 89, 4, 3)
    (kept,) = (tmp_path / "cache").glob("*/*.gpu")
    written = kept.stat().st_mtime_ns
    assert lower_to_gpu(TEXT, 89, 4, 3) == first
    assert kept.stat().st_mtime_ns == written
    lower_to_gpu(TEXT, 80, 4, 3)
    assert len(list((tmp_path / "cache").glob("*/*.gpu"))) == 2


def test_nothing_is_printed_when_lowering_fails(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        CompileError, match=r"^Triton cannot lower the kernel for capability 89: .*tt\.unheard"
    ) as raised:
        lower_to_gpu(TEXT.replace("tt.store", "tt.unheard"), 89, 4, 3)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_capability_80_refuses_e4m3_by_line() -> None:
    kernel = matmul_ir((64, 64, 64), "fp8e4nv", "fp32")
    with pytest.raises(UnsupportedOpError, match=r"^line \d+: op tt\.\w+ must not use f8e4m3fn on capability 80"):
        lower_to_gpu(kernel.ttir, 80, 4, 3)
    assert lower_to_gpu(kernel.ttir, 89, 4, 3).shared_bytes > 0


@pytest.mark.parametrize(("capability", "warps"), [(90, 4), (89, 3), (89, 0)])
def test_what_cannot_be_is_refused(capability: int, warps: int) -> None:
    with pytest.raises(CompileError, match="must"):
        lower_to_gpu(TEXT, capability, warps, 3)
