"""Reference and tuned kernels of every problem lower to tile programs."""

from collections.abc import Iterator

import pytest

from kernelwright.chips.emulated.lowering.tiles import lowered
from kernelwright.chips.emulated.tile_program import Kind
from kernelwright.core.candidate import Candidate
from kernelwright.core.errors import UnsupportedOpError
from kernelwright.core.fault import Fault
from kernelwright.core.plan import KernelIR
from kernelwright.problems.catalogue import load_problem
from kernelwright.sandbox import CaptureService, Limits
from tests.problems.folders import SECRET

PROBLEMS = (
    "extend-attention", "flash-attention-backward", "matmul", "paged-decode-attention", "rms-norm-residual",
    "rope-kv-write", "silu-mul-quant-fp8",
)  # fmt: skip
PRODUCTS = ("extend-attention", "flash-attention-backward", "matmul", "paged-decode-attention")


@pytest.fixture(scope="module")
def capture() -> Iterator[CaptureService]:
    with CaptureService(limits=Limits(call_s=30.0)) as service:
        yield service


def _kernels(name: str, capture: CaptureService) -> list[KernelIR]:
    problem = load_problem(name)
    calls = [problem.timing_inputs(workload, 1).arguments() for workload in problem.suite("smoke", SECRET).workloads]
    sources = [problem.baselines.reference(), problem.baselines.autotuned()]
    found: dict[tuple[str, int, int], KernelIR] = {}
    for source in sources:
        plans = capture(Candidate(source), problem.entry, calls) if source is not None else ()
        assert not isinstance(plans, Fault), plans
        for kernel in (kernel for plan in plans for kernel in plan.kernels):
            found[kernel.sha256, kernel.num_warps, kernel.num_stages] = kernel
    return list(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBLEMS)
def test_reference_and_tuned_kernels_lower(name: str, capture: CaptureService) -> None:
    kernels = _kernels(name, capture)
    assert kernels
    kinds: set[Kind] = set()
    for kernel in kernels:
        made = lowered(kernel, 89)
        program = made.tile_program
        assert len(program.segments) == len(made.segments.stretches)
        assert len(program.accesses) == len(made.segments.accesses)
        assert 24 <= program.registers_per_thread <= 255
        kinds |= {op.kind for segment in program.segments for op in segment.ops}
        if "f8E4M3FN" in kernel.ttir:
            with pytest.raises(UnsupportedOpError, match="capability 80"):
                lowered(kernel, 80)
        else:
            lowered(kernel, 80)
    assert {Kind.LOAD, Kind.STORE, Kind.LANES} <= kinds
    assert name not in PRODUCTS or Kind.DOT in kinds
