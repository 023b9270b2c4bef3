"""Barriers stand where Triton's own pass puts them."""

import tempfile
from collections.abc import Callable

import pytest
from triton._C.libtriton import ir, nvidia

from kernelwright.chips.emulated.lowering.barriers import find_barriers
from kernelwright.chips.emulated.lowering.segments import cut_segments
from kernelwright.chips.emulated.lowering.ttgir import read_ttgir, walk
from kernelwright.compiler.gpu_lowering import lower_to_gpu
from kernelwright.core.plan import KernelIR
from tests.chips.emulated.gpu_kernels import attention_ir, kernel_ir, matmul_ir, softmax_rows, take_rows

KERNELS: dict[str, Callable[[], KernelIR]] = {
    "matmul": matmul_ir,
    "matmul, one stage": lambda: matmul_ir(stages=1),
    "matmul, unaligned": lambda: matmul_ir(odd=("n", "sb")),
    "attention": attention_ir,
    "attention, four warps": lambda: attention_ir(warps=4, stages=2),
    "softmax": lambda: kernel_ir(softmax_rows, {"X": "*fp32", "Y": "*fp32", "n": "i32"}, {"BLOCK": 1024}),
    "while": lambda: kernel_ir(
        take_rows,
        {"X": "*fp32", "INDEX": "*i32", "OUT": "*fp32", "LENGTHS": "*i32", "width": "i32"},
        {"ROWS": 16, "BLOCK": 64},
    ),
}


def _by_triton(text: str) -> list[int]:
    """Return the numbers, without barriers, of the ops that Triton puts a barrier before."""
    context = ir.context()
    ir.load_dialects(context)
    nvidia.load_dialects(context)
    with tempfile.NamedTemporaryFile("w", suffix=".mlir") as file:
        file.write(text)
        file.flush()
        module = ir.parse_mlir_module(file.name, context)
    manager = ir.pass_manager(context)
    nvidia.passes.ttgpuir.add_membar(manager, 89, 80)
    manager.run(module, "membar")
    found: list[int] = []
    for op in walk(read_ttgir(str(module)).body):
        if op.name == "ttg.barrier":
            found.append(op.number - len(found))
    return found


@pytest.mark.skipif(not hasattr(nvidia.passes.ttgpuir, "add_membar"), reason="Triton before 3.9 has no such pass alone")
@pytest.mark.parametrize("name", KERNELS)
def test_barriers_are_those_of_triton(name: str) -> None:
    kernel = KERNELS[name]()
    text = lower_to_gpu(kernel.ttir, 89, kernel.num_warps, kernel.num_stages).text
    module = read_ttgir(text)
    found = {op.number for op in find_barriers(module, cut_segments(module))}
    # A wait for copies is a barrier for us; Triton writes one behind it.
    waits = {op.number + 1 for op in walk(module.body) if op.name == "ttg.async_wait"}
    assert sorted(found | waits) == sorted(set(_by_triton(text)) | waits)
    assert found | waits
