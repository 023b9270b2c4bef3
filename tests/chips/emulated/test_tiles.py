"""Tile programs say what a kernel does, in amounts of the whole block."""

from math import prod

import pytest

from kernelwright.chips.emulated.lowering.tiles import lowered, tile_program
from kernelwright.chips.emulated.tile_program import DotShape, Kind, TileOp, TileProgram
from kernelwright.core.errors import UnsupportedOpError
from tests.chips.emulated.gpu_kernels import (
    attention_ir,
    kernel_ir,
    matmul_ir,
    printing,
    scaled_ir,
    softmax_rows,
    sorted_rows,
    split_product,
    take_rows,
)  # fmt: skip


def ops_of(program: TileProgram, kind: Kind, segment: str = "") -> list[TileOp]:
    return [op for part in program.segments if segment in part.name for op in part.ops if op.kind is kind]


def total(program: TileProgram, kind: Kind, amount: str, segment: str = "") -> float:
    return sum(op.amounts.get(amount, 0.0) for op in ops_of(program, kind, segment))


def dots_of(program: TileProgram, segment: str = "") -> list[DotShape]:
    return [op.dot for op in ops_of(program, Kind.DOT, segment) if op.dot is not None]


@pytest.mark.parametrize("tile", [(128, 128, 64), (64, 32, 32), (16, 64, 128)])
@pytest.mark.parametrize("capability", [80, 89])
def test_products_of_a_pass_are_those_of_the_tile(tile: tuple[int, int, int], capability: int) -> None:
    program = tile_program(matmul_ir(tile), capability)
    dots = dots_of(program, "body")
    assert sum(dot.m * dot.n * dot.k * dot.batch for dot in dots) == prod(tile)
    assert {dot.dtype for dot in dots} == {"bf16"}
    assert all(dot.warps_m * dot.warps_n == 4 for dot in dots)


@pytest.mark.parametrize(("element", "dtype"), [("fp32", "tf32"), ("fp16", "f16"), ("fp8e5", "f8"), ("fp8e4nv", "f8")])
def test_a_product_has_the_type_of_its_operands(element: str, dtype: str) -> None:
    program = tile_program(matmul_ir((64, 64, 64), element, "fp32"), 89)
    assert {dot.dtype for dot in dots_of(program)} == {dtype}


@pytest.mark.parametrize(("kind", "dtype"), [("e2m1", "f4"), ("e4m3", "f8"), ("e5m2", "f8")])
def test_scaled_products_multiply_narrow_operands_and_widen_nothing(kind: str, dtype: str) -> None:
    program = tile_program(scaled_ir(kind), 89)
    (dot,) = dots_of(program, "body")
    assert (dot.dtype, dot.k) == (dtype, 128)
    assert total(program, Kind.LANES, "convert", "body") == 0


def test_capability_80_widens_scaled_operands_as_it_must() -> None:
    program = tile_program(scaled_ir("e5m2"), 80)
    assert {dot.dtype for dot in dots_of(program, "body")} == {"bf16"}
    assert total(program, Kind.LANES, "convert", "body") > 0


def test_each_stage_is_a_copy_ahead_and_takes_its_shared_memory() -> None:
    made = {stages: tile_program(matmul_ir(stages=stages), 89) for stages in (2, 3, 4)}
    assert [made[stages].shared_bytes for stages in (2, 3, 4)] == [32768, 65536, 98304]
    for stages, program in made.items():
        body = next(part for part in program.segments if "body" in part.name)
        assert body.ops[-1].kind is not Kind.WAIT
        waits = [op.count for op in body.ops if op.kind is Kind.WAIT]
        assert max(waits) == 2 * (stages - 2)
        copies = [op for part in program.segments for op in part.ops if op.kind is Kind.COPY]
        assert len(copies) == 2 * stages


def test_what_cannot_be_copied_ahead_is_loaded_and_written_to_shared_memory() -> None:
    program = tile_program(matmul_ir(odd=("n",)), 89)
    body = next(part for part in program.segments if "body" in part.name)
    kinds = [op.kind for op in body.ops]
    load, write = kinds.index(Kind.LOAD), kinds.index(Kind.SHARED_WRITE)
    read = next(n for n in range(write, len(kinds)) if kinds[n] is Kind.SHARED_READ)
    assert load < write < kinds.index(Kind.BARRIER, write) < read < kinds.index(Kind.DOT)
    assert set(body.ops[load].writes) <= set(body.ops[write].reads)
    assert set(body.ops[write].writes) <= set(body.ops[read].reads)


def test_the_loop_of_attention_is_few_ops_in_the_order_of_their_needs() -> None:
    program = tile_program(attention_ir(), 89)
    body = next(part for part in program.segments if "body" in part.name)
    assert len(body.ops) <= 18
    busy = [op for op in body.ops if op.kind in (Kind.DOT, Kind.LANES, Kind.SPECIAL, Kind.SHARED_READ)]
    first, second = (n for n, op in enumerate(busy) if op.kind is Kind.DOT)
    between = busy[first + 1 : second]
    assert [op.kind for op in between if op.kind is not Kind.SHARED_READ] == [Kind.LANES, Kind.SPECIAL, Kind.LANES]
    assert set(busy[first].writes) & set(between[0].reads)
    assert set(between[-1].writes) & set(busy[second].reads)


def test_softmax_of_attention_takes_one_exponential_a_score_and_one_a_row_and_thread() -> None:
    program = tile_program(attention_ir(), 89)
    rows_held = 2 * 32 * 8
    assert total(program, Kind.SPECIAL, "exp", "body") == 128 * 64 + rows_held


def test_a_carried_slot_is_written_by_the_op_that_makes_the_next_value() -> None:
    program = tile_program(matmul_ir(), 89)
    body = next(part for part in program.segments if "body" in part.name)
    dots = [op for op in body.ops if op.kind is Kind.DOT]
    assert set(dots[0].reads) & set(dots[-1].writes)
    after = program.segments[-1]
    assert any(set(dots[-1].writes) & set(op.reads) for op in after.ops)


def test_slots_that_are_read_are_written_somewhere() -> None:
    for ir in (matmul_ir(), attention_ir(), matmul_ir(odd=("n",))):
        program = tile_program(ir, 89)
        ops = [op for part in program.segments for op in part.ops]
        read, written = {slot for op in ops for slot in op.reads}, {slot for op in ops for slot in op.writes}
        assert read <= written and max(written) < program.slots


def test_addresses_are_worked_out_once_for_each_vector() -> None:
    aligned = total(tile_program(matmul_ir(), 89), Kind.LANES, "wide", "body")
    narrow = total(tile_program(matmul_ir(odd=("n", "sa", "sb")), 89), Kind.LANES, "wide", "body")
    assert narrow >= 4 * aligned


def test_reductions_over_warps_go_through_shared_memory() -> None:
    types = {"X": "*fp32", "Y": "*fp32", "n": "i32"}
    one, many = (tile_program(kernel_ir(softmax_rows, types, {"BLOCK": 1024}, warps=warps), 89) for warps in (1, 8))
    assert not ops_of(one, Kind.BARRIER)
    assert len(ops_of(many, Kind.SHARED_WRITE)) == len(ops_of(many, Kind.SHARED_READ)) == 2
    assert len(ops_of(many, Kind.BARRIER)) >= 2


def test_atomics_count_their_elements() -> None:
    types = {"A": "*fp32", "B": "*fp32", "C": "*fp32", "LOCKS": "*i32", "k": "i32"}
    program = tile_program(kernel_ir(split_product, types, {"BM": 32, "BN": 64, "BK": 32}), 89)
    assert [op.amounts["operations"] for op in ops_of(program, Kind.ATOMIC)] == [32 * 64, 1]
    assert [access.shape for access in program.accesses if access.is_write] == [(32, 64), ()]


def test_every_segment_of_a_kernel_with_branches_is_there_and_early_returns_cost_a_branch() -> None:
    types = {"X": "*fp32", "INDEX": "*i32", "OUT": "*fp32", "LENGTHS": "*i32", "width": "i32"}
    made = lowered(kernel_ir(take_rows, types, {"ROWS": 16, "BLOCK": 64}), 89)
    assert len(made.tile_program.segments) == len(made.segments.stretches)
    entry = made.tile_program.segments[0]
    load = next(op for op in entry.ops if op.kind is Kind.LOAD)
    # Compare and jump: every warp waits for the length.
    assert entry.ops[-1].kind is Kind.LANES
    assert set(load.writes) & set(entry.ops[-1].reads)


def test_sorts_and_scans_have_a_cost() -> None:
    program = tile_program(kernel_ir(sorted_rows, {"X": "*i32", "Y": "*i32"}, {"BLOCK": 256}), 89)
    assert total(program, Kind.LANES, "select") > 0 and total(program, Kind.LANES, "int") > 0


def test_larger_tiles_take_more_registers_and_a_bare_kernel_few() -> None:
    small, large = (tile_program(matmul_ir(tile), 89).registers_per_thread for tile in ((64, 64, 32), (128, 128, 32)))
    assert 40 < small < large <= 255
    types = {"X": "*fp32", "Y": "*fp32", "n": "i32"}
    assert tile_program(kernel_ir(softmax_rows, types, {"BLOCK": 128}), 89).registers_per_thread < 40


def test_an_op_without_a_cost_is_an_error_that_names_its_line() -> None:
    with pytest.raises(UnsupportedOpError, match=r"^line \d+: op tt.print has no cost on an emulated chip$"):
        tile_program(kernel_ir(printing, {"X": "*fp32"}), 89)


def test_equal_kernels_give_equal_programs() -> None:
    assert tile_program(attention_ir(), 89) == tile_program(attention_ir(), 89)
