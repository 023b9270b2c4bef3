"""Tile programs say what a kernel does, in amounts of the whole block."""

from math import prod

import pytest

from kernelwright.chips.emulated.tile_program import Kind, TileOp, TileProgram
from kernelwright.chips.emulated.tiles import tile_program
from tests.chips.emulated.gpu_kernels import matmul_ir


def ops_of(program: TileProgram, kind: Kind, segment: str = "") -> list[TileOp]:
    return [op for part in program.segments if segment in part.name for op in part.ops if op.kind is kind]


@pytest.mark.parametrize("tile", [(128, 128, 64), (64, 32, 32), (16, 64, 128)])
@pytest.mark.parametrize("capability", [80, 89])
def test_products_of_a_pass_are_those_of_the_tile(tile, capability):
    program = tile_program(matmul_ir(tile), capability)
    dots = [op.dot for op in ops_of(program, Kind.DOT, "body")]
    assert sum(dot.m * dot.n * dot.k * dot.batch for dot in dots) == prod(tile)
    assert {dot.dtype for dot in dots} == {"bf16"}
    assert all(dot.warps_m * dot.warps_n == 4 for dot in dots)
