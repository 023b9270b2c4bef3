"""TritonGPU IR text becomes records, and is cut into segments by one rule."""

from kernelwright.chips.emulated.lowering.segments import ACCESS_OPS, cut_segments
from kernelwright.chips.emulated.lowering.tiles import lowered
from kernelwright.chips.emulated.lowering.ttgir import read_ttgir, walk
from kernelwright.chips.emulated.lowering.ttgir_types import (
    Blocked,
    DotOperand,
    MemDesc,
    Mma,
    Slice,
    Swizzled,
    TensorType,
    TypeReader,
)  # fmt: skip
from tests.chips.emulated.gpu_kernels import kernel_ir, matmul_ir, take_rows

TEXT = """
#blocked = #ttg.blocked<{sizePerThread = [1, 8], threadsPerWarp = [2, 16], warpsPerCTA = [4, 1], order = [1, 0]}>
#loc = loc("kernel.py":3:1)
#loc1 = loc(unknown)
#shared = #ttg.swizzled_shared<{vec = 8, perPhase = 1, maxPhase = 8, order = [1, 0]}>
module attributes {"ttg.num-warps" = 4 : i32, ttg.target = "cuda:89"} {
  tt.func public @f(%X: !tt.ptr<bf16> {tt.divisibility = 16 : i32} loc("X"(#loc)), %n: i32 loc("n"(#loc))) attributes {noinline = false} {
    %c0 = arith.constant 0 : i32 loc(#loc1)
    %cst = arith.constant dense<1.500000e+00> : tensor<16x128xf32, #blocked> loc(#loc1)
    %true = arith.constant true loc(#loc1)
    %0:2 = scf.for %i = %c0 to %n step %n iter_args(%a = %cst, %b = %c0) -> (tensor<16x128xf32, #blocked>, i32)  : i32 {
      %m = ttg.local_alloc : () -> !ttg.memdesc<2x16x128xbf16, #shared, #ttg.shared_memory, mutable> loc(#loc)
      %r = "tt.reduce"(%a) <{axis = 1 : i32}> ({
      ^bb0(%x: f32 loc("kernel.py":7:2), %y: f32 loc(#loc)):
        %z = arith.addf %x, %y : f32 loc(#loc)
        tt.reduce.return %z : f32 loc(#loc)
      }) : (tensor<16x128xf32, #blocked>) -> tensor<16xf32, #ttg.slice<{dim = 1, parent = #blocked}>> loc(#loc)
      scf.yield %a, %b : tensor<16x128xf32, #blocked>, i32 loc(#loc)
    } {tt.num_stages = 2 : i32} loc(#loc)
    scf.if %true {
      tt.assert %true, "no %n here" : i1 loc(#loc)
    } loc(#loc)
    cf.cond_br %true, ^bb1(%0#1 : i32), ^bb2 loc(#loc)
  ^bb1(%p: i32 loc(#loc)):  // pred: ^bb0
    cf.br ^bb2 loc(#loc)
  ^bb2:  // 2 preds: ^bb0, ^bb1
    tt.return loc(#loc)
  } loc(#loc)
} loc(#loc)
"""  # noqa: E501


def test_operands_results_and_lines_are_those_of_the_text() -> None:
    module = read_ttgir(TEXT)
    ops = {op.name: op for op in walk(module.body)}
    loop = ops["scf.for"]
    assert [value.name for value in loop.operands] == ["c0", "n", "n", "cst", "c0"]
    assert [value.name for value in loop.regions[0].block.args] == ["i", "a", "b"]
    assert loop.attrs["tt.num_stages"] == 2
    assert [value.name for value in loop.results] == ["0#0", "0#1"]
    assert loop.line == 3
    assert isinstance(ops["tt.reduce"].results[0].type, TensorType)
    assert isinstance(ops["tt.reduce"].results[0].type.layout, Slice)
    assert ops["tt.assert"].operands == ops["cf.cond_br"].operands
    kind = ops["ttg.local_alloc"].results[0].type
    assert kind == MemDesc((2, 16, 128), "bf16", Swizzled(8, 1, 8, (1, 0)))
    assert module.warps == 4
    assert module.arg_attrs[0] == {"tt.divisibility": 16}


def test_a_branch_names_the_blocks_it_goes_to_with_their_arguments() -> None:
    module = read_ttgir(TEXT)
    branch = module.body.blocks[0].ops[-1]
    (first, given), (second, nothing) = branch.successors
    assert first is module.body.blocks[1] and second is module.body.blocks[2]
    assert [value.name for value in given] == ["0#1"] and nothing == ()
    assert first.args[0].type == "i32"


def test_constants_carry_their_numbers() -> None:
    values = [op.attrs["value"] for op in walk(read_ttgir(TEXT).body) if op.name == "arith.constant"]
    assert values == [0, 1.5, True]


def test_layouts_nest_and_aliases_are_resolved() -> None:
    reader = TypeReader()
    reader.add_alias(
        "#mma = #ttg.nvidia_mma<{versionMajor = 2, versionMinor = 0, warpsPerCTA = [8, 1], instrShape = [16, 8]}>"
    )
    mma = Mma(2, (8, 1), (16, 8))
    assert reader.layout("#ttg.slice<{dim = 0, parent = #ttg.slice<{dim = 1, parent = #mma}>}>") == Slice(
        0, Slice(1, mma)
    )
    assert reader.layout("#ttg.dot_op<{opIdx = 1, parent = #mma, kWidth = 4}>") == DotOperand(1, mma, 4)
    assert reader.type("tensor<8xi32>") == TensorType((8,), "i32", Blocked((1,), (1,), (1,), (0,)))


def test_a_block_is_cut_behind_every_loop_and_branch() -> None:
    cut = cut_segments(read_ttgir(TEXT))
    assert [stretch.name for stretch in cut.stretches] == [
        "entry", "for 3 body", "entry, after for 3", "if 3 then", "entry, after if 3", "block 1", "block 2",
    ]  # fmt: skip
    assert [stretch.number for stretch in cut.stretches] == list(range(7))


def test_accesses_are_numbered_in_the_order_of_the_text() -> None:
    made = lowered(matmul_ir(), 89)
    names = [op.name for op in made.segments.accesses]
    assert names == [op.name for op in walk(made.module.body) if op.name in ACCESS_OPS]
    used = [op.access for segment in made.tile_program.segments for op in segment.ops if op.access >= 0]
    assert used == list(range(len(names)))


def test_early_returns_and_while_loops_become_segments() -> None:
    types = {"X": "*fp32", "INDEX": "*i32", "OUT": "*fp32", "LENGTHS": "*i32", "width": "i32"}
    made = lowered(kernel_ir(take_rows, types, {"ROWS": 16, "BLOCK": 64}), 89)
    names = [segment.name.split(" ")[0] for segment in made.tile_program.segments]
    assert {"entry", "while", "if", "block"} <= set(names)
