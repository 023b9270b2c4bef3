"""The reader gives the structure and the attributes that kernels were written with."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from kernelwright.compiler.ir import Module, Op, Pointer, TensorType, walk
from kernelwright.compiler.reader import print_module, read_module
from kernelwright.core.errors import CompileError
from tests.compiler import kernels

F32, BF16, F16, I32, I64 = torch.float32, torch.bfloat16, torch.float16, torch.int32, torch.int64


def ttir(kernel: Any, *args: object, **constants: object) -> str:
    text = kernel.warmup(*args, grid=(1,), **constants).asm["ttir"]
    assert isinstance(text, str)
    return text


def read(kernel: Any, *args: object, **constants: object) -> Module:
    return read_module(ttir(kernel, *args, **constants))


def ops(module: Module, name: str) -> list[Op]:
    return [op for f in module.functions.values() for op in walk(f.body) if op.name == name]


def test_add_has_its_arguments_types_and_masks() -> None:
    module = read(kernels.add, F32, F32, F32, 100, BLOCK=64)
    entry = module.entry
    assert [value.type for value in entry.args] == [Pointer("f32")] * 3 + ["i32"]
    assert [value.name for value in entry.args] == ["x", "y", "out", "n"]
    assert entry.arg_attrs[3] == {}
    assert entry.result_types == []
    (program,) = ops(module, "tt.get_program_id")
    assert program.attrs == {"axis": 0}
    loads = ops(module, "tt.load")
    assert [(op.attrs["mask"], op.attrs["other"]) for op in loads] == [(True, False)] * 2
    assert loads[0].result.type == TensorType((64,), "f32")
    (compare,) = ops(module, "arith.cmpi")
    assert compare.attrs["predicate"] == "slt"
    (store,) = ops(module, "tt.store")
    assert store.attrs["mask"] is True
    assert store.operands[1].op is not None and store.operands[1].op.name == "arith.addf"
    assert store in store.operands[1].uses


def test_divisible_arguments_say_so() -> None:
    x = torch.zeros(64)
    module = read(kernels.add, x, x, x, 64, BLOCK=64)
    assert module.entry.arg_attrs == [{"tt.divisibility": 16}] * 4


def test_locations_are_lines_of_the_kernel_even_inside_library_functions() -> None:
    module = read(kernels.softmax_rows, F32, F32, 100, 100, BLOCK=128)
    with open(kernels.__file__) as file:
        lines = file.read().split("\n")
    (load,) = ops(module, "tt.load")
    assert load.location.file == kernels.__file__
    assert "tl.load" in lines[load.location.line - 1]
    for reduction in ops(module, "tt.reduce"):
        assert reduction.location.file == kernels.__file__
        assert "tl.max" in lines[reduction.location.line - 1] or "tl.sum" in lines[reduction.location.line - 1]


def test_softmax_reduces_with_a_combiner_and_knows_minus_infinity() -> None:
    module = read(kernels.softmax_rows, F32, F32, 100, 100, BLOCK=128)
    reductions = ops(module, "tt.reduce")
    assert [op.attrs for op in reductions] == [{"axis": 0}] * 2
    assert [next(walk(op.regions[0])).name for op in reductions] == ["arith.maxnumf", "arith.addf"]
    assert [value.type for value in reductions[0].regions[0].block.args] == ["f32", "f32"]
    (load,) = ops(module, "tt.load")
    assert load.attrs["other"] is True
    assert load.operands[2].op is not None
    assert load.operands[2].op.attrs == {"value": float("-inf")}


def test_loops_hold_bounds_arguments_and_yields() -> None:
    module = read(kernels.matmul, F32, F32, F32, 64, 64, 64, 64, 1, 64, 1, 64, 1, BM=32, BN=16, BK=8)
    (loop,) = ops(module, "scf.for")
    low, high, step, start = loop.operands
    assert low.op is not None and low.op.attrs["value"] == 0
    assert high is module.entry.args[5]
    assert step.op is not None and step.op.attrs["value"] == 8
    body = loop.regions[0].block
    assert [value.type for value in body.args] == ["i32", TensorType((32, 16), "f32")]
    assert start.type == loop.result.type == TensorType((32, 16), "f32")
    (dot,) = ops(module, "tt.dot")
    assert dot.attrs == {"inputPrecision": "tf32", "maxNumImpreciseAcc": 0}
    assert dot.operands[2] is body.args[1]
    assert body.ops[-1].name == "scf.yield"
    assert body.ops[-1].operands == [dot.result]
    assert body.parent is loop


def test_attention_has_a_causal_branch_free_loop_with_two_dots_and_a_turned_operand() -> None:
    args = (BF16, BF16, BF16, BF16, 0.1, 100, 64)
    module = read(kernels.attention, *args, CAUSAL=True, D=64, BM=32, BN=16)
    (turn,) = ops(module, "tt.trans")
    assert turn.attrs == {"order": (1, 0)}
    assert turn.result.type == TensorType((64, 16), "bf16")
    (loop,) = ops(module, "scf.for")
    assert len(loop.results) == 3
    assert {op.attrs["axis"] for op in ops(module, "tt.reduce")} == {1}
    assert {op.attrs["axis"] for op in ops(module, "tt.expand_dims")} == {0, 1}
    assert sorted(str(op.attrs["axis"]) for op in ops(module, "tt.get_program_id")) == ["0", "1"]
    assert all(op.block is loop.regions[0].block for op in ops(module, "tt.dot"))


def test_argmax_reduces_two_operands_at_once() -> None:
    module = read(kernels.reduce_rows, F32, F32, F32, F32, I32, 100, BLOCK=128)
    (pair,) = [op for op in ops(module, "tt.reduce") if len(op.operands) == 2]
    assert [value.type for value in pair.results] == ["f32", "i32"]
    assert [value.type for value in pair.regions[0].block.args] == ["f32", "i32", "f32", "i32"]
    assert pair.regions[0].block.ops[-1].name == "tt.reduce.return"
    assert {op.attrs["predicate"] for op in walk(pair.regions[0]) if op.name == "arith.cmpf"} == {"oeq", "ogt"}


def test_scans_know_axis_and_direction() -> None:
    module = read(kernels.running_sums, F32, F32, F32, ROWS=4, COLUMNS=8)
    assert [op.attrs for op in ops(module, "tt.scan")] == [
        {"axis": 1, "reverse": False},
        {"axis": 0, "reverse": True},
    ]
    custom = read(kernels.recurrence, F32, F32, F32, BLOCK=16)
    (scan,) = ops(custom, "tt.scan")
    assert len(scan.operands) == len(scan.results) == 2
    assert sorted(op.name for op in walk(scan.regions[0])) == [
        "arith.addf", "arith.mulf", "arith.mulf", "tt.scan.return",
    ]  # fmt: skip


def test_atomics_know_kind_order_and_scope() -> None:
    module = read(kernels.count_values, I32, I32, F32, 100, BLOCK=32)
    kinds = [{k: v for k, v in op.attrs.items() if k != "mask"} for op in ops(module, "tt.atomic_rmw")]
    assert kinds == [
        {"kind": "add", "sem": "acq_rel", "scope": "gpu"},
        {"kind": "fadd", "sem": "relaxed", "scope": "cta"},
    ]
    signed = read(kernels.highest, I32, I32, 100, BLOCK=32)
    assert [op.attrs["kind"] for op in ops(signed, "tt.atomic_rmw")] == ["max"]


def test_calls_name_a_private_function_with_results() -> None:
    module = read(kernels.with_call, F32, F32)
    (call,) = ops(module, "tt.call")
    callee = module.functions[str(call.attrs["callee"])]
    assert not callee.is_public
    assert callee.result_types == ["f32"]
    assert [value.type for value in callee.args] == ["f32", "i32"]
    assert module.entry.name == "with_call"


def test_early_return_branches_between_blocks() -> None:
    module = read(kernels.early_return, F32, F32, 3, BLOCK=16)
    blocks = module.entry.body.blocks
    assert len(blocks) == 3
    (branch,) = ops(module, "cf.cond_br")
    assert branch.block is blocks[0]
    assert [target for target, _ in branch.successors] == blocks[1:]
    assert [args for _, args in branch.successors] == [[], []]


def test_branches_pass_operands_to_the_right_blocks() -> None:
    module = read_module("""
module {
  tt.func public @k(%c: i1, %a: i32, %b: f32, %p: !tt.ptr<i32>) {
    cf.cond_br %c, ^bb1(%a, %b : i32, f32), ^bb2(%a : i32)
  ^bb1(%x: i32, %y: f32):
    cf.br ^bb2(%x : i32)
  ^bb2(%z: i32):
    tt.store %p, %z : !tt.ptr<i32>
    tt.return
  }
}""")
    _, a, b, _ = module.entry.args
    _, first, second = module.entry.body.blocks
    (branch,), (jump,) = ops(module, "cf.cond_br"), ops(module, "cf.br")
    assert branch.successors == [(first, [a, b]), (second, [a])]
    assert jump.successors == [(second, [first.args[0]])]


def test_while_loops_have_a_condition_region_and_a_body_region() -> None:
    module = read(kernels.collatz, I32, I32)
    (loop,) = ops(module, "scf.while")
    before, after = loop.regions
    assert before.block.ops[-1].name == "scf.condition"
    assert after.block.ops[-1].name == "scf.yield"
    assert len(before.block.args) == len(after.block.args) == 2
    (choice,) = ops(module, "scf.if")
    assert [region.block.ops[-1].name for region in choice.regions] == ["scf.yield", "scf.yield"]


def test_three_axes_and_program_counts_are_numbered() -> None:
    module = read(kernels.grid_3d, I32, 2, 3)
    assert [op.attrs["axis"] for op in ops(module, "tt.get_program_id")] == [0, 1, 2]
    assert sorted(str(op.attrs["axis"]) for op in ops(module, "tt.get_num_programs")) == ["1", "2"]


def test_loop_attributes_stand_behind_the_body() -> None:
    module = read(kernels.stages, F32, F32, 1000, BLOCK=16, STAGES=3)
    (loop,) = ops(module, "scf.for")
    assert loop.attrs["tt.num_stages"] == 3
    assert loop.attrs["unsigned"] is False


def test_words_on_ops_are_read() -> None:
    module = read(kernels.flagged, F32, F32, BLOCK=16)
    (load,) = ops(module, "tt.load")
    assert load.attrs == {
        "cacheModifier": "cg", "evictionPolicy": "evict_last", "isVolatile": True, "mask": False, "other": False,
    }  # fmt: skip
    (store,) = ops(module, "tt.store")
    assert store.attrs == {"cacheModifier": "wt", "evictionPolicy": "normal", "mask": False}
    (clamp,) = ops(module, "tt.clampf")
    assert clamp.attrs == {"propagateNan": "none"}
    (message,) = ops(module, "tt.print")
    assert message.attrs == {"message": ' value "quoted": ', "hex": False, "isSigned": (0,)}
    (rounding,) = ops(module, "tt.fp_to_fp")
    assert rounding.attrs == {"rounding": "rtz"}
    (swap,) = ops(module, "tt.atomic_cas")
    assert swap.attrs == {"sem": "acquire", "scope": "sys"}
    (split,) = ops(module, "tt.split")
    assert len(split.results) == 2
    assert all(op.attrs["allow_reorder"] is False for op in ops(module, "tt.reshape"))


def test_eight_bit_floats_have_names() -> None:
    module = read(kernels.casts, F32, F16, BF16, I64, torch.int8, F32, BLOCK=16)
    kinds = {op.result.element for op in ops(module, "tt.fp_to_fp")}
    assert {"f8e5m2", "f8e4m3fn"} <= kinds


@pytest.mark.parametrize(
    ("literal", "kind", "value"),
    [
        ("true", "i1", True),
        ("false", "i1", False),
        ("-7", "i32", -7),
        ("255", "i8", -1),
        ("1.5", "f32", 1.5),
        ("0x7F800000", "f32", float("inf")),
        ("0xFC00", "f16", float("-inf")),
        ("0xFF80", "bf16", float("-inf")),
        ("0x7FEFFFFFFFFFFFFF", "f64", 1.7976931348623157e308),
        ("0x7E", "f8E4M3FN", 448.0),
        ("0x7C", "f8E5M2", float("inf")),
        ("dense<2.5>", "tensor<4x4xbf16>", 2.5),
        ("dense<0xFF800000>", "tensor<4xf32>", float("-inf")),
        ("dense<true>", "tensor<4xi1>", True),
        ("dense<[1, -2, 3]>", "tensor<3xi64>", (1, -2, 3)),
        ("dense<[[1.0, 2.0], [0x7F800000, -0.5]]>", "tensor<2x2xf32>", (1.0, 2.0, float("inf"), -0.5)),
        ('dense<"0x0000803F000000C0">', "tensor<2xf32>", (1.0, -2.0)),
    ],
)
def test_constants_have_their_values(literal: str, kind: str, value: object) -> None:
    spelled = literal if kind == "i1" else f"{literal} : {kind}"
    module = read_module(f"module {{ tt.func public @k() {{ %c = arith.constant {spelled}\n tt.return }} }}")
    (constant,) = ops(module, "arith.constant")
    assert constant.attrs == {"value": value}


def test_long_dense_constants_are_read_back() -> None:
    numbers = tuple(range(-150, 150))
    flags = tuple(n % 3 == 0 for n in numbers)
    words = ", ".join(map(str, numbers))
    bits = ", ".join(str(flag).lower() for flag in flags)
    module = read_module(f"""module {{ tt.func public @k() {{
      %a = arith.constant dense<[{words}]> : tensor<300xi16>
      %b = arith.constant dense<[{bits}]> : tensor<300xi1>
      tt.return }} }}""")
    assert [op.attrs["value"] for op in ops(module, "arith.constant")] == [numbers, flags]


def test_flags_of_arithmetic_are_read() -> None:
    module = read_module("""module { tt.func public @k(%a: i32, %x: f32) {
      %s = arith.addi %a, %a overflow<nsw, nuw> : i32
      %m = arith.mulf %x, %x fastmath<contract> : f32
      %p = arith.cmpf ugt, %x, %m : f32
      %z = arith.select %p, %s, %a : i32
      tt.return } }""")
    assert ops(module, "arith.addi")[0].attrs == {"overflow": ("nsw", "nuw")}
    assert ops(module, "arith.mulf")[0].attrs == {"fastmath": ("contract",)}
    assert ops(module, "arith.cmpf")[0].attrs == {"predicate": "ugt"}
    assert ops(module, "arith.addi")[0].location.line == 0


def test_text_that_is_no_module_is_a_compile_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CompileError, match="must be a Triton IR module"):
        read_module("module { tt.func public @k( }")
    capfd.readouterr()


@pytest.mark.parametrize(
    "text",
    [
        "module { tt.func private @k() { tt.return } }",
        "module { }",
    ],
)
def test_a_module_without_a_public_function_is_a_compile_error(text: str) -> None:
    with pytest.raises(CompileError, match="must have a public function"):
        read_module(text)


def test_the_dump_names_every_op_with_its_line() -> None:
    module = read(kernels.early_return, F32, F32, 3, BLOCK=16)
    text = print_module(module)
    assert text.startswith("entry early_return(%0.x: *f32, %1.out: *f32, %2.limit: i32)")
    assert "cf.cond_br" in text and "-> 1() -> 2()" in text
    assert text.count("\n") == 1 + 3 + sum(1 for _ in walk(module.entry.body))


@pytest.mark.parametrize("chosen", ["attention", "matmul"])
def test_reading_what_triton_printed_twice_gives_the_same_dump(chosen: str) -> None:
    makers: dict[str, Callable[[], str]] = {
        "attention": lambda: ttir(
            kernels.attention, BF16, BF16, BF16, BF16, 0.1, 100, 64, CAUSAL=True, D=64, BM=32, BN=16
        ),
        "matmul": lambda: ttir(kernels.matmul, F16, F16, F32, 64, 64, 64, 64, 1, 64, 1, 64, 1, BM=32, BN=16, BK=16),
    }
    text = makers[chosen]()
    assert print_module(read_module(text)) == print_module(read_module(text))
