"""The analysis finds every argument that a kernel may write."""

import inspect
from typing import Any

import pytest

from kernelwright.compiler.reader import read_module
from kernelwright.compiler.writes import writing_lines, written_arguments
from tests.compiler import kernels
from tests.compiler.test_reader import BF16, F32, I32, ttir


@pytest.mark.parametrize(
    ("kernel", "args", "constants", "written"),
    [
        (kernels.add, (F32, F32, F32, 100), {"BLOCK": 16}, {2}),
        (kernels.shift_in_place, (F32, F32), {"BLOCK": 16}, {0, 1}),
        (kernels.count_values, (I32, I32, F32, 100), {"BLOCK": 16}, {1, 2}),
        (kernels.attention, (BF16, BF16, BF16, BF16, 0.1, 100, 64), {"CAUSAL": True, "D": 64, "BM": 16, "BN": 16}, {3}),
        (kernels.with_call, (F32, F32), {}, {1}),
    ],
)
def test_written_arguments_of_ordinary_kernels(
    kernel: Any, args: tuple[object, ...], constants: dict[str, object], written: set[int]
) -> None:
    assert written_arguments(read_module(ttir(kernel, *args, **constants))) == written


def test_lines_that_write_an_argument_are_those_of_its_stores_and_no_others() -> None:
    module = read_module(ttir(kernels.shift_in_place, F32, F32, BLOCK=16))
    source, first = inspect.getsourcelines(kernels.shift_in_place.fn)
    stores = [first + place for place, line in enumerate(source) if "tl.store" in line]
    found = [writing_lines(module, argument) for argument in range(2)]
    assert sorted(set().union(*found)) == stores
    assert all(found) and found[0] != found[1]
    assert writing_lines(read_module(ttir(kernels.add, F32, F32, F32, 100, BLOCK=16)), 0) == ()


HEAD = "module { tt.func public @k(%a: !tt.ptr<i32>, %b: !tt.ptr<i32>, %c: i1, %n: i32) {\n"
TAIL = "\n tt.return } }"


@pytest.mark.parametrize(
    ("body", "written"),
    [
        ("%p = arith.select %c, %a, %b : !tt.ptr<i32>\n tt.store %p, %n : !tt.ptr<i32>", {0, 1}),
        (
            """%p:2 = scf.for %i = %n to %n step %n iter_args(%x = %a, %y = %b) -> (!tt.ptr<i32>, !tt.ptr<i32>) : i32 {
          tt.store %x, %n : !tt.ptr<i32>
          %z = tt.addptr %x, %n : !tt.ptr<i32>, i32
          scf.yield %z, %y : !tt.ptr<i32>, !tt.ptr<i32> }""",
            {0, 1},
        ),
        (
            """%p = scf.if %c -> (!tt.ptr<i32>) { scf.yield %b : !tt.ptr<i32> } else { scf.yield %b : !tt.ptr<i32> }
          tt.store %p, %n : !tt.ptr<i32>""",
            {1},
        ),
        ("%l = arith.extsi %n : i32 to i64\n %p = tt.int_to_ptr %l : i64 -> !tt.ptr<i32>\n"
         "tt.store %p, %n : !tt.ptr<i32>", {0, 1}),
        ("cf.br ^bb1(%b : !tt.ptr<i32>)\n ^bb1(%p: !tt.ptr<i32>):\n tt.store %p, %n : !tt.ptr<i32>", {1}),
        ("scf.if %c { tt.store %a, %n : !tt.ptr<i32> }", {0}),
        ("%v = tt.load %a : !tt.ptr<i32>", set()),
    ],
)  # fmt: skip
def test_pointers_are_followed_through_control_flow(body: str, written: set[int]) -> None:
    assert written_arguments(read_module(HEAD + body + TAIL)) == written
