"""Accesses are as wide as alignment, masks and layout allow, and no wider."""

import pytest

from kernelwright.chips.emulated.lowering.tiles import tile_program
from tests.chips.emulated.gpu_kernels import attention_ir, kernel_ir, matmul_ir, softmax_rows


def test_aligned_rows_are_read_sixteen_bytes_at_a_time() -> None:
    assert {access.vector_bytes for access in tile_program(matmul_ir(), 89).accesses} == {16}


def test_an_unaligned_mask_narrows_accesses_to_single_elements() -> None:
    program = tile_program(matmul_ir(odd=("n",)), 89)
    right = [access for access in program.accesses if access.shape == (64, 128)]
    left = [access for access in program.accesses if access.shape == (128, 64)]
    store = [access for access in program.accesses if access.is_write]
    assert {access.vector_bytes for access in right} == {2}
    assert {access.vector_bytes for access in left} == {16}
    assert {access.vector_bytes for access in store} == {2}


def test_unaligned_strides_narrow_accesses() -> None:
    left = [a for a in tile_program(matmul_ir(odd=("sa",)), 89).accesses if a.shape == (128, 64)]
    assert {access.vector_bytes for access in left} == {2}


@pytest.mark.parametrize(("element", "size"), [("bf16", 2), ("fp8e5", 1)])
def test_the_transposed_operand_is_read_along_its_rows_too(element: str, size: int) -> None:
    program = tile_program(attention_ir(element=element), 89)
    keys = [access for access in program.accesses if access.shape == (128, 64)]
    assert keys and all(access.order == (0, 1) and access.vector_bytes == 16 for access in keys)
    assert {access.element_bytes for access in program.accesses} == {size}


def test_rows_that_start_anywhere_are_read_element_by_element() -> None:
    types = {"X": "*fp32", "Y": "*fp32", "n": "i32"}
    wide = tile_program(kernel_ir(softmax_rows, types, {"BLOCK": 1024}), 89)
    narrow = tile_program(kernel_ir(softmax_rows, types, {"BLOCK": 1024}, odd=("n",)), 89)
    assert {access.vector_bytes for access in wide.accesses} == {16}
    assert {access.vector_bytes for access in narrow.accesses} == {4}
