"""The address-and-control slice runs every loop as often, and reaches for the same bytes, as the kernel does."""

import numpy as np
import pytest

from kernelwright.compiler.faults import MemoryFault
from kernelwright.core.errors import UnsupportedOpError
from tests.chips.emulated.gpu_kernels import kernel_ir, matmul_ir, take_rows
from tests.chips.emulated.sliced_kernels import (
    Memory,
    banded,
    branch_on_value,
    last_one_adds,
    order_then_use,
    packed_heads,
    persistent_sum,
    scale_or_not,
    sliced,
    spin,
    steps_of,
    tiles_by_counter,
    touches_of,
)


def test_a_matmul_reads_its_tiles_in_steps_and_masks_what_is_beyond_its_edges() -> None:
    memory = Memory({"A": ("bf16", 300 * 256 * 2), "B": ("bf16", 256 * 200 * 2), "C": ("bf16", 300 * 200 * 2)})
    trace = memory.run(sliced(matmul_ir((128, 64, 64))), (12,), ["A", "B", "C", 300, 200, 256, 256, 200, 200])
    assert trace.programs == 12
    for program in range(12):
        row, column = program // 4 * 128, program % 4 * 64
        rows, columns = min(128, 300 - row), min(64, 200 - column)
        touches = [touch for touch in touches_of(trace, program) if touch[1]]
        lefts = [(memory.start("A") + (row * 256 + k) * 2, rows * 64) for k in range(0, 256, 64)]
        rights = [(memory.start("B") + (k * 200 + column) * 2, 64 * columns) for k in range(0, 256, 64)]
        stores = [(memory.start("C") + (row * 200 + column) * 2, rows * columns)]
        assert sorted(touches) == sorted(lefts + rights + stores)


def test_strides_alignment_and_runs_are_those_of_the_addresses() -> None:
    memory = Memory({"A": ("bf16", 300 * 256 * 2), "B": ("bf16", 256 * 200 * 2), "C": ("bf16", 300 * 200 * 2)})
    trace = memory.run(sliced(matmul_ir((128, 64, 64))), (12,), ["A", "B", "C", 300, 200, 256, 256, 200, 200])
    facts = trace.facts[-1]
    assert facts.strides == (200, 1)
    assert facts.run_elements == 64
    assert facts.align_bytes == 16  # rows of 400 bytes
    assert {fact.strides for fact in trace.facts[:-1]} == {(256, 1), (200, 1)}


def test_a_while_loop_gathers_by_index_and_returns_early() -> None:
    width, block = 64, 32
    lengths = np.array([0, 5, 16, 33], np.int32)
    index = np.random.default_rng(1).integers(0, 1000, (4, width)).astype(np.int32)
    types = {"X": "*fp32", "INDEX": "*i32", "OUT": "*fp32", "LENGTHS": "*i32", "width": "i32"}
    program = sliced(kernel_ir(take_rows, types, {"ROWS": 8, "BLOCK": block}))
    memory = Memory({"X": ("f32", 1000 * block * 4), "INDEX": index, "OUT": ("f32", block * 4), "LENGTHS": lengths})
    trace = memory.run(program, (4,), ["X", "INDEX", "OUT", "LENGTHS", width])
    x = memory.start("X")
    for number, length in enumerate(lengths):
        starts = [s for s in range(0, length, 8) if s > 4]
        rows = [address for address, _ in touches_of(trace, number) if x <= address < x + 1000 * block * 4]
        assert rows == [x + int(index[number, s]) * block * 4 for s in starts]
        slots = [n for a, n in touches_of(trace, number) if 0 <= a - memory.start("INDEX") < index.nbytes]
        assert slots == [min(8, length - s) for s in range(0, length, 8)]
    assert len(steps_of(trace, 0)) < len(steps_of(trace, 1))


def test_a_gather_has_a_stride_along_its_rows_and_none_between_them() -> None:
    types = {"X": "*fp32", "INDEX": "*i32", "OUT": "*fp32", "LENGTHS": "*i32", "width": "i32"}
    program = sliced(kernel_ir(take_rows, types, {"ROWS": 8, "BLOCK": 32}))
    index = np.arange(64, dtype=np.int32).reshape(1, 64)
    memory = Memory({"X": ("f32", 64 * 128), "INDEX": index, "OUT": ("f32", 128), "LENGTHS": np.array([64], np.int32)})
    facts = memory.run(program, (1,), ["X", "INDEX", "OUT", "LENGTHS", 64]).facts
    gathered = next(fact for fact in facts if len(fact.strides) == 2)
    assert gathered.strides == (None, 1)
    assert gathered.align_bytes == 128
    assert gathered.run_elements == 32


def test_a_persistent_kernel_takes_every_tile_once() -> None:
    program = sliced(kernel_ir(persistent_sum, {"X": "*fp32", "OUT": "*fp32", "tiles": "i32"}, {"BLOCK": 64}))
    memory = Memory({"X": ("f32", 100 * 256), "OUT": ("f32", 400)})
    trace = memory.run(program, (7,), ["X", "OUT", 100])
    out = memory.start("OUT")
    for number in range(7):
        stored = [(address - out) // 4 for address, _ in touches_of(trace, number) if address >= out]
        assert stored == list(range(number, 100, 7))


def test_a_counter_hands_out_tiles_in_program_order() -> None:
    types = {"X": "*fp32", "COUNTER": "*i32", "OUT": "*fp32", "tiles": "i32"}
    program = sliced(kernel_ir(tiles_by_counter, types, {"BLOCK": 64}))
    memory = Memory({"X": ("f32", 10 * 256), "COUNTER": np.zeros(1, np.int32), "OUT": ("f32", 40)})
    trace = memory.run(program, (3,), ["X", "COUNTER", "OUT", 10])
    out = memory.start("OUT")
    stored = [(int(a) - out) // 4 for a in trace.addresses if a >= out]
    assert stored == list(range(10))
    assert memory.integers("COUNTER", np.int32)[0] == 13
    assert program.writes_integers


def test_only_the_last_of_the_splits_adds_up() -> None:
    types = {"PARTS": "*fp32", "ARRIVED": "*i32", "OUT": "*fp32", "splits": "i32"}
    program = sliced(kernel_ir(last_one_adds, types, {"BLOCK": 64}))
    memory = Memory({"PARTS": ("f32", 4 * 3 * 256), "ARRIVED": np.zeros(3, np.int32), "OUT": ("f32", 3 * 256)})
    trace = memory.run(program, (4, 3), ["PARTS", "ARRIVED", "OUT", 4])
    out = memory.start("OUT")
    stores = [any(a >= out for a, _ in touches_of(trace, number)) for number in range(12)]
    assert stores == [False, False, False, True] * 3


@pytest.mark.parametrize(("rows", "width", "window"), [(100, 90, 20), (64, 128, 5), (33, 40, 100), (70, 200, 0)])
def test_tiles_outside_of_a_band_are_skipped_and_those_inside_count_their_elements(
    rows: int, width: int, window: int
) -> None:
    types = {"X": "*fp32", "OUT": "*fp32", "rows": "i32", "width": "i32", "window": "i32"}
    program = sliced(kernel_ir(banded, types, {"ROWS": 16, "COLUMNS": 32}, odd=("rows", "width", "window")))
    memory = Memory({"X": ("f32", rows * width * 4), "OUT": ("f32", rows * width * 4)})
    trace = memory.run(program, (-(-rows // 16),), ["X", "OUT", rows, width, window])
    i, j = np.arange(rows)[:, None], np.arange(width)[None, :]
    mask = (i >= j) & (i <= j + window)
    for number in range(trace.programs):
        tiles = [mask[16 * number : 16 * number + 16, start : start + 32] for start in range(0, width, 32)]
        counts = [n for a, n in touches_of(trace, number) if a < memory.start("OUT")]
        assert counts == [int(tile.sum()) for tile in tiles if tile.any()]


@pytest.mark.parametrize(("tokens", "group"), [(30, 4), (5, 3), (16, 8), (7, 1)])
def test_rows_cut_by_division_are_counted_lane_by_lane(tokens: int, group: int) -> None:
    program = sliced(
        kernel_ir(
            packed_heads, {"Q": "*fp32", "OUT": "*fp32", "tokens": "i32"}, {"GROUP": group, "ROWS": 32, "WIDTH": 16}
        )
    )
    memory = Memory({"Q": ("f32", 1 << 16), "OUT": ("f32", 1 << 16)})
    trace = memory.run(program, (4,), ["Q", "OUT", tokens])
    for number in range(4):
        rows = np.arange(32 * number, 32 * number + 32)
        left = int((rows // group < tokens).sum())
        assert [n for _, n in touches_of(trace, number)] == [left * 16, left * 16]
        assert touches_of(trace, number)[0][0] == memory.start("Q") + 32 * number * 64
    # Rows pass multiples of the group, so they lie at no fixed distance; the elements of each lie side by side.
    rows_stride = None if group > 1 else 16
    assert [(fact.strides, fact.run_elements) for fact in trace.facts] == [((rows_stride, 1), 16)] * 2


def test_integers_that_one_launch_stores_are_read_by_the_next() -> None:
    program = sliced(kernel_ir(order_then_use, {"LENGTHS": "*i32", "ORDER": "*i32", "n": "i32"}, {"BLOCK": 16}))
    lengths = np.array([3, 0, 7, 1, 9, 2, 2, 5, 6, 1], np.int32)
    memory = Memory({"LENGTHS": lengths, "ORDER": np.zeros(16, np.int32)})
    memory.run(program, (1,), ["LENGTHS", "ORDER", 10])
    assert memory.integers("ORDER", np.int32)[:10].tolist() == (np.cumsum(lengths) - lengths).tolist()


@pytest.mark.parametrize(("scale", "stores"), [(1.0, 0), (0.5, 1)])
def test_float_arguments_may_decide_a_branch(scale: float, stores: int) -> None:
    program = sliced(kernel_ir(scale_or_not, {"X": "*fp32", "OUT": "*fp32", "scale": "fp32"}, {"BLOCK": 64}))
    memory = Memory({"X": ("f32", 256), "OUT": ("f32", 256)})
    trace = memory.run(program, (1,), ["X", "OUT", scale])
    assert sum(int(a >= memory.start("OUT")) for a in trace.addresses) == stores


def test_a_branch_on_floats_is_refused_with_op_and_line() -> None:
    with pytest.raises(UnsupportedOpError, match=r"line \d+: op tt.load reads floats, and scf.if at line \d+ decides"):
        sliced(kernel_ir(branch_on_value, {"X": "*fp32", "OUT": "*fp32"}, {"BLOCK": 64}))


def test_indices_without_contents_are_refused() -> None:
    types = {"X": "*fp32", "INDEX": "*i32", "OUT": "*fp32", "LENGTHS": "*i32", "width": "i32"}
    program = sliced(kernel_ir(take_rows, types, {"ROWS": 8, "BLOCK": 32}))
    memory = Memory({"X": ("f32", 128), "INDEX": ("i32", 64), "OUT": ("f32", 128), "LENGTHS": np.ones(1, np.int32)})
    with pytest.raises(UnsupportedOpError, match=r"line \d+: take_rows reads INDEX to decide"):
        memory.run(program, (1,), ["X", "INDEX", "OUT", "LENGTHS", 16])


def test_reading_lengths_outside_of_their_buffer_is_a_fault() -> None:
    types = {"X": "*fp32", "INDEX": "*i32", "OUT": "*fp32", "LENGTHS": "*i32", "width": "i32"}
    program = sliced(kernel_ir(take_rows, types, {"ROWS": 8, "BLOCK": 32}))
    index = np.zeros(16, np.int32)
    memory = Memory({"X": ("f32", 128), "INDEX": index, "OUT": ("f32", 128), "LENGTHS": np.ones(1, np.int32)})
    with pytest.raises(MemoryFault, match=r"program \(1, 0, 0\) reads 4 bytes at byte 4 of LENGTHS") as caught:
        memory.run(program, (2,), ["X", "INDEX", "OUT", "LENGTHS", 16])
    assert caught.value.line > 0


def test_waiting_for_a_program_that_comes_later_is_refused() -> None:
    program = sliced(kernel_ir(spin, {"FLAG": "*i32", "OUT": "*fp32"}))
    memory = Memory({"FLAG": np.zeros(1, np.int32), "OUT": ("f32", 4)})
    with pytest.raises(UnsupportedOpError, match="rounds of loops"):
        memory.run(program, (1,), ["FLAG", "OUT"])


def test_two_runs_give_the_same_trace() -> None:
    program = sliced(kernel_ir(persistent_sum, {"X": "*fp32", "OUT": "*fp32", "tiles": "i32"}, {"BLOCK": 64}))
    traces = [Memory({"X": ("f32", 1 << 20), "OUT": ("f32", 4000)}).run(program, (9,), ["X", "OUT", 999]) for _ in "ab"]
    for name in ("first_step", "segments", "first_access", "addresses", "active"):
        assert np.array_equal(getattr(traces[0], name), getattr(traces[1], name))
    assert traces[0].facts == traces[1].facts
