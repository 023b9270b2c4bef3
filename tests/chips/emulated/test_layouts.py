"""Layouts hold what Triton says they hold, and shared memory is as slow as its banks are shared."""

import itertools
import pickle
import subprocess
import sys

import pytest

from kernelwright.chips.emulated.lowering.banks import register_access
from kernelwright.chips.emulated.lowering.layouts import (
    bases,
    fastest_order,
    lanes_along,
    thread_elements,
    unique_threads,
)
from kernelwright.chips.emulated.lowering.ttgir_types import (
    Blocked,
    Distributed,
    DotOperand,
    MemDesc,
    Mma,
    Padded,
    Slice,
    Swizzled,
    TensorType,
)  # fmt: skip

ROWS = Blocked((1, 8), (2, 16), (4, 1), (1, 0))
COLUMNS = Blocked((4, 1), (8, 4), (1, 4), (0, 1))
SQUARE, TALL = Mma(2, (2, 2), (16, 8)), Mma(2, (4, 1), (16, 8))
LAYOUTS: list[Distributed] = [
    ROWS, COLUMNS, SQUARE, TALL, Slice(0, ROWS), Slice(1, ROWS), Slice(0, SQUARE), Slice(1, TALL), Slice(1, COLUMNS),
    *(DotOperand(index, parent, width) for index in (0, 1) for parent in (SQUARE, TALL) for width in (1, 2, 4)),
    DotOperand(0, ROWS, 0), DotOperand(1, COLUMNS, 0), Slice(1, DotOperand(1, TALL, 2)),
]  # fmt: skip


Bases = dict[tuple[Distributed, tuple[int, ...]], tuple[list[tuple[int, ...]], ...]]

SHAPES = [(64, 128), (16, 16), (128, 32)]


@pytest.fixture(scope="module")
def by_triton() -> Bases:
    """Return Triton's bases of every layout and shape."""
    pairs = [(layout, shape[1:] if isinstance(layout, Slice) else shape) for layout in LAYOUTS for shape in SHAPES]
    command = [sys.executable, "-m", "tests.chips.emulated.triton_bases"]
    answer = subprocess.run(command, input=pickle.dumps(pairs), capture_output=True, check=False)
    assert answer.returncode == 0, answer.stderr.decode()
    return dict(zip(pairs, pickle.loads(answer.stdout), strict=True))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_bases_are_those_of_triton(layout: Distributed, shape: tuple[int, ...], by_triton: Bases) -> None:
    shape = shape[1:] if isinstance(layout, Slice) else shape
    found, (register, lane, warp) = bases(layout, shape), by_triton[layout, shape]
    # A register that holds what another one does is none of ours.
    assert sorted(found.register) == sorted(base for base in register if any(base))
    assert list(found.lane) == lane
    assert list(found.warp) == warp


def test_elements_times_threads_cover_the_tensor_as_often_as_it_is_held() -> None:
    for layout, shape in itertools.product(LAYOUTS[:4], [(64, 128), (16, 16)]):
        kind = TensorType(shape, "f32", layout)
        linear = bases(layout, shape)
        again = 2 ** sum(not any(base) for base in (*linear.lane, *linear.warp))
        assert thread_elements(kind) * 128 == kind.size * again
        assert unique_threads(kind) * again == 128


def test_the_result_of_a_product_is_cut_over_lanes_of_four_along_its_rows() -> None:
    assert lanes_along(TensorType((64, 128), "f32", TALL), 1) == (32, 4, 1)
    assert lanes_along(TensorType((64, 128), "f32", SQUARE), 1) == (16, 4, 2)
    assert fastest_order(Slice(0, COLUMNS), 1) == (0,)


def _degree(kind: TensorType, memory: MemDesc) -> float:
    use = register_access(kind, memory, 4)
    return use.wavefront_bytes / use.bytes


@pytest.mark.parametrize("inner", [64, 128])
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("order", [(1, 0), (0, 1)])
def test_operands_of_products_come_from_swizzled_memory_without_conflicts(
    inner: int, index: int, order: tuple[int, ...]
) -> None:
    shape = (64, inner) if order == (1, 0) else (inner, 64)
    kind = TensorType(shape, "bf16", DotOperand(index, TALL, 2))
    assert _degree(kind, MemDesc(shape, "bf16", Swizzled(8, 1, 8, order))) == 1.0
    plain = _degree(kind, MemDesc(shape, "bf16", Swizzled(1, 1, 1, order)))
    assert plain == 8.0


def test_padding_helps_as_swizzling_does() -> None:
    kind = TensorType((64, 64), "bf16", DotOperand(0, TALL, 2))
    assert _degree(kind, MemDesc((64, 64), "bf16", Padded(((64, 8),), (1, 0)))) == 1.0


def test_columns_of_plain_memory_hit_one_bank() -> None:
    down = Blocked((1, 1), (32, 1), (1, 4), (0, 1))
    kind = TensorType((32, 64), "f32", down)
    assert _degree(kind, MemDesc((32, 64), "f32", Swizzled(1, 1, 1, (1, 0)))) == 32.0
    assert _degree(kind, MemDesc((32, 64), "f32", Swizzled(1, 1, 1, (0, 1)))) == 1.0


def test_lanes_that_read_the_same_word_share_a_wavefront() -> None:
    kind = TensorType((64,), "f32", Slice(1, ROWS))
    use = register_access(kind, MemDesc((64,), "f32", Swizzled(1, 1, 1, (0,))), 4)
    assert use.wavefront_bytes >= use.bytes
    assert use.bytes < thread_elements(kind) * 128 * 4


def test_a_part_of_a_larger_buffer_has_the_strides_of_the_whole() -> None:
    kind = TensorType((16, 16), "bf16", DotOperand(0, TALL, 2))
    layout = Swizzled(8, 1, 8, (1, 0))
    assert _degree(kind, MemDesc((16, 16), "bf16", layout, (16, 256))) == 1.0
