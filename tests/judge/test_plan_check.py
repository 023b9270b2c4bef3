from dataclasses import replace

import pytest

from kernelwright.core.ir_text import ir_sha256
from kernelwright.core.plan import Buffer, KernelIR, Launch, LaunchOption, LaunchPlan, PointerArg, ScalarArg
from kernelwright.core.problem import Argument, TensorShape
from kernelwright.judge.plan_check import MOST_CONSTANT_BYTES, check_plan

TEXT = "module {\n  tt.func public @k(%x: !tt.ptr<f32>, %n: i32) {\n    tt.return\n  }\n}"
ARGUMENTS = (
    Argument("x", "input", TensorShape("f32", (10, 4), (4, 1))),
    Argument("out", "output", TensorShape("f32", (10,), (1,))),
    Argument("scale", "scalar", value=0.5),
)
INPUT, OUTPUT = Buffer("x", "input", "f32", 160), Buffer("out", "output", "f32", 40)


def _kernel(text: str = TEXT) -> KernelIR:
    return KernelIR("k", text, ir_sha256(text))


def _plan(
    text: str = TEXT, buffers: tuple[Buffer, ...] = (INPUT, OUTPUT), grid: tuple[int, int, int] = (4, 1, 1)
) -> LaunchPlan:
    option = LaunchOption(0, grid, (PointerArg(0), ScalarArg("i32", 10)))
    return LaunchPlan((_kernel(text),), buffers, (Launch((option,)),))


def _with_args(*args: PointerArg | ScalarArg) -> LaunchPlan:
    return replace(_plan(), launches=(Launch((LaunchOption(0, (1, 1, 1), args),)),))


def test_an_honest_plan_passes() -> None:
    scratch = Buffer("s", "scratch", "f32", 1 << 20, fill=0.0)
    table = Buffer("t", "constant", "i32", 8, data=(1, 2))
    assert check_plan(_plan(buffers=(INPUT, OUTPUT, scratch, table)), ARGUMENTS) is None


LONG_LITERAL = 'arith.constant dense<"0x' + "00" * (MOST_CONSTANT_BYTES + 1) + '"> : tensor<1x1xi8>'
LONG_LIST = "arith.constant dense<[" + ", ".join(["1"] * (MOST_CONSTANT_BYTES // 8 + 1)) + "]> : tensor<1xi64>"

BAD = [
    ("inline assembly", _plan(TEXT.replace("tt.return", "tt.elementwise_inline_asm")), "cheating", "inline assembly"),
    ("pointer cast", _plan(TEXT.replace("tt.return", "tt.int_to_ptr")), "cheating", "pointers"),
    ("address as number", _plan(TEXT.replace("tt.return", "tt.ptr_to_int")), "cheating", "addresses"),
    ("pointer in memory", _plan(TEXT.replace("tt.return", "!tt.ptr<!tt.ptr<f32>>")), "cheating", "kept in memory"),
    ("long literal", _plan(TEXT.replace("tt.return", LONG_LITERAL)), "cheating", "literals"),
    ("long list", _plan(TEXT.replace("tt.return", LONG_LIST)), "cheating", "literals"),
    ("resource", _plan(TEXT.replace("tt.return", "dense_resource<blob>")), "cheating", "resources"),
    ("foreign buffer", _plan(buffers=(replace(INPUT, name="secret"), OUTPUT)), "cheating", "arguments"),
    ("wrong size", _plan(buffers=(replace(INPUT, size_bytes=164), OUTPUT)), "cheating", "arguments"),
    ("input as output", _plan(buffers=(replace(INPUT, role="output"), OUTPUT)), "cheating", "arguments"),
    ("buffer twice", _plan(buffers=(INPUT, INPUT)), "cheating", "one buffer"),
    ("unknown type", _plan(buffers=(INPUT, replace(OUTPUT, dtype="f7"))), "cheating", "type"),
    (
        "data in scratch",
        _plan(buffers=(INPUT, Buffer("s", "scratch", "i32", 4, data=(1,)))),
        "cheating",
        "only constants",
    ),
    (
        "large constant",
        _plan(buffers=(INPUT, Buffer("t", "constant", "i8", MOST_CONSTANT_BYTES + 1))),
        "over_limit",
        "constants",
    ),
    ("large scratch", _plan(buffers=(INPUT, Buffer("s", "scratch", "i8", 1 << 40))), "over_limit", "scratch"),
    (
        "more scratch than arguments need",
        _plan(buffers=(INPUT, Buffer("s", "scratch", "i8", (256 << 20) + 1))),
        "over_limit",
        "scratch",
    ),
    ("huge grid", _plan(grid=(1 << 20, 1 << 20, 1)), "over_limit", "programs"),
    ("negative grid", _plan(grid=(-1, 1, 1)), "over_limit", "programs"),
    ("unknown kernel", replace(_plan(), kernels=()), "cheating", "kernels"),
    ("forged hash", replace(_plan(), kernels=(replace(_kernel(), sha256="0" * 64),)), "cheating", "hash"),
    ("undeclared buffer", _with_args(PointerArg(7)), "cheating", "declared"),
    ("negative buffer", _with_args(PointerArg(-1)), "cheating", "declared"),
    ("offset outside", _with_args(PointerArg(0, 161)), "memory_fault", "161"),
    ("number too large", _with_args(ScalarArg("i32", 1 << 32)), "cheating", "fit"),
    ("fraction as integer", _with_args(ScalarArg("i32", 0.5)), "cheating", "fit"),
    ("unknown scalar", _with_args(ScalarArg("ptr", 5)), "cheating", "fit"),
    ("no option", replace(_plan(), launches=(Launch(()),)), "cheating", "option"),
]


@pytest.mark.parametrize(("plan", "status", "word"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_plan_is_refused_with_its_reason(plan: LaunchPlan, status: str, word: str) -> None:
    fault = check_plan(plan, ARGUMENTS)
    assert fault is not None
    assert fault.status == status
    assert word in fault.reason
    assert len(fault.reason) < 300
