"""What a slice says is stored is what native code of the same kernel stores, byte for byte and program by program."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kernelwright.chips.emulated.slicing.launch import trace_in
from kernelwright.compiler import CompileOptions, MemoryRange, Shadow, compile_ttir
from kernelwright.compiler.faults import LaunchSite
from kernelwright.compiler.trace import Events, Trace
from kernelwright.core.plan import KernelIR, LaunchOption, PointerArg, ScalarArg
from tests.chips.emulated.gpu_kernels import kernel_ir, matmul_ir
from tests.chips.emulated.sliced_kernels import Memory, banded, last_one_adds, packed_heads, persistent_sum, sliced

WRITE = 2


class Recorder(Shadow):
    """Keeps the accesses of a native launch instead of judging them."""

    events: Events

    def check(self, trace: Trace, site: LaunchSite) -> None:
        self.events = trace.events()


def stored_natively(
    kernel: KernelIR, arrays: dict[str, NDArray[Any]], numbers: list[int], grid: tuple[int, int, int]
) -> list[set[tuple[int, int]]]:
    """Return by program the (buffer, byte) pairs that native code writes."""
    native = compile_ttir(kernel.ttir, CompileOptions(checked=True, races=True))
    starts = [array.ctypes.data for array in arrays.values()]
    ranges = [MemoryRange(s, a.nbytes, True, n) for s, (n, a) in zip(starts, arrays.items(), strict=True)]
    recorder = Recorder()
    native.launch(grid, [*starts, *numbers], 1, ranges, recorder)
    events = recorder.events
    found: list[set[tuple[int, int]]] = [set() for _ in range(grid[0] * grid[1] * grid[2])]
    for program, kind, address, size in zip(events.programs, events.kinds, events.addresses, events.sizes, strict=True):
        if kind & WRITE:
            buffer = next(
                n for n, (s, a) in enumerate(zip(starts, arrays.values(), strict=True)) if 0 <= address - s < a.nbytes
            )
            found[program] |= {(buffer, int(address) - starts[buffer] + byte) for byte in range(int(size))}
    return found


F32 = np.float32
CASES: dict[str, tuple[Any, dict[str, NDArray[Any]], list[int], tuple[int, int, int]]] = {
    "matmul": (
        lambda: matmul_ir((32, 64, 32)),
        {"A": np.zeros((70, 64), np.int16), "B": np.zeros((64, 96), np.int16), "C": np.zeros((70, 96), np.int16)},
        [70, 96, 64, 64, 96, 96],
        (6, 1, 1),
    ),
    "banded": (
        lambda: kernel_ir(
            banded, {"X": "*fp32", "OUT": "*fp32", "rows": "i32", "width": "i32", "window": "i32"},
            {"ROWS": 16, "COLUMNS": 32}, odd=("rows", "width", "window"),
        ),
        {"X": np.zeros((75, 90), F32), "OUT": np.zeros((75, 90), F32)},
        [75, 90, 13],
        (5, 1, 1),
    ),
    "packed heads": (
        lambda: kernel_ir(
            packed_heads, {"Q": "*fp32", "OUT": "*fp32", "tokens": "i32"}, {"GROUP": 3, "ROWS": 32, "WIDTH": 16}
        ),
        {"Q": np.zeros((128, 16), F32), "OUT": np.zeros((128, 16), F32)},
        [32],
        (4, 1, 1),
    ),
    "persistent": (
        lambda: kernel_ir(persistent_sum, {"X": "*fp32", "OUT": "*fp32", "tiles": "i32"}, {"BLOCK": 64}),
        {"X": np.zeros((48, 64), F32), "OUT": np.zeros(48, F32)},
        [48],
        (5, 1, 1),
    ),
    "last one": (
        lambda: kernel_ir(
            last_one_adds, {"PARTS": "*fp32", "ARRIVED": "*i32", "OUT": "*fp32", "splits": "i32"}, {"BLOCK": 64},
            odd=("splits",),
        ),
        {"PARTS": np.zeros((12, 64), F32), "ARRIVED": np.zeros(3, np.int32), "OUT": np.zeros((3, 64), F32)},
        [4],
        (4, 3, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_a_slice_stores_as_many_bytes_as_native_code_and_where_it_does(name: str) -> None:
    make, arrays, numbers, grid = CASES[name]
    kernel = make()
    program = sliced(kernel)
    plain = {n: a if a.dtype == np.int32 else ("bf16", a.nbytes) for n, a in arrays.items()}
    memory = Memory(plain)
    args: tuple[PointerArg | ScalarArg, ...] = (
        *(PointerArg(n) for n in range(len(arrays))),
        *(ScalarArg("i32", number) for number in numbers),
    )
    trace = trace_in(program, LaunchOption(0, grid, args), memory.virtual)
    native = stored_natively(kernel, {n: a.copy() for n, a in arrays.items()}, numbers, grid)
    outputs = [n for n, name in enumerate(arrays) if name in ("C", "OUT", "PARTS")]
    starts = [memory.virtual.starts[n] for n in outputs]
    sizes = {memory.start(n): a.nbytes for n, a in arrays.items()}
    for number, bytes_written in enumerate(native):
        first, last = trace.first_access[trace.first_step[number : number + 2]]
        touched: set[tuple[int, int]] = set()
        amount = 0
        for address, active in zip(trace.addresses[first:last], trace.active[first:last], strict=True):
            for buffer, start in zip(outputs, starts, strict=True):
                if active and 0 <= address - start < sizes[start]:
                    touched.add((buffer, int(address) - start))
                    amount += int(active) * list(arrays.values())[buffer].itemsize
        written = {pair for pair in bytes_written if pair[0] in outputs}
        if name == "last one":  # parts are read back by the last program of a group, from where others stored
            assert {pair for pair in touched if pair[0] == 2} <= written
        elif name == "banded":  # lane 0 of a tile on the diagonal may be masked
            assert amount == len(written)
        else:
            assert touched <= written
            assert amount == len(written)
