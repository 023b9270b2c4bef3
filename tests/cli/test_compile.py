"""What `kernelwright compile` promises: each stage of a kernel on stdout, and what a wrong request is told."""

import re
from pathlib import Path

import pytest

from kernelwright.cli.compiling import LEVELS, STAGES
from kernelwright.compiler import features
from kernelwright.compiler.stages import texts
from tests.cli.commands import Ran, run

SOURCE = """
import triton
import triton.language as tl


@triton.jit
def add(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr = 64):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n)
    tl.store(out_ptr + at, x + tl.load(y_ptr + at, mask=at < n), mask=at < n)


@triton.autotune(configs=[triton.Config({"BLOCK": 32})], key=["n"])
@triton.jit
def product(a_ptr, b_ptr, out_ptr, n: "i32", BLOCK: tl.constexpr):
    rows = tl.arange(0, BLOCK)
    acc = tl.zeros((BLOCK, BLOCK), tl.float32)
    for start in range(0, n, BLOCK):
        a = tl.load(a_ptr + rows[:, None] * n + start + rows[None, :])
        b = tl.load(b_ptr + (start + rows)[:, None] * BLOCK + rows[None, :])
        acc = tl.dot(a, b, acc)
    tl.store(out_ptr + rows[:, None] * BLOCK + rows[None, :], acc)


@triton.jit
def wrong(x_ptr, BLOCK: tl.constexpr):
    tl.store(x_ptr + tl.arange(0, BLOCK), nothing)
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("kernels") / "mine.py"
    file.write_text(SOURCE)
    return file


def compiled(file: Path, *arguments: str) -> Ran:
    return run(file.parent, "compile", str(file), *arguments)


def test_triton_ir_names_the_kernel_and_no_places(file: Path) -> None:
    ran = compiled(file, "--kernel", "add", "--emit", "ttir", "--signature", "n=i32")
    assert ran.code == 0
    assert ran.out.startswith("module {")
    assert "tt.func public @add(%x_ptr: !tt.ptr<f32>" in ran.out
    assert "loc(" not in ran.out
    assert "assumed: x_ptr=*fp32, y_ptr=*fp32, out_ptr=*fp32" in ran.err


def test_the_program_tells_loops_lanes_and_scratch(file: Path) -> None:
    ran = compiled(file, "--kernel", "add", "--emit", "program", "--signature", "n=i32", "--features", "avx2")
    assert ran.out.splitlines()[0] == "; vectors of 32 bytes; scratch of a thread: 0 bytes"
    assert "; nest 64: loops 0 by 8, 8 lanes along 0" in ran.out
    assert ";   writes tt.store" in ran.out


def test_the_program_tells_levels_and_the_tiles_of_dots(file: Path) -> None:
    ran = compiled(file, "--kernel", "product", "--emit", "program", "--features", "avx512")
    assert "assumed: a_ptr=*fp32, b_ptr=*fp32, out_ptr=*fp32, BLOCK=32" in ran.err
    assert "; loop of level 1" in ran.out
    dot = r"; dot of 32 lanes by 32 rows by 32 groups of 1 f32: tile \d vectors of 16 x \d+ rows, lanes along 1"
    assert re.search(dot, ran.out)
    assert "lanes along 1" in ran.out
    assert "bytes of scratch" in ran.out


def test_llvm_ir_and_assembly_are_for_the_processor_that_is_asked_for(file: Path) -> None:
    arguments = ("--kernel", "add", "--signature", "n=i32", "--features", "avx2")
    assert "<8 x float>" in compiled(file, *arguments, "--emit", "llvm").out
    assembly = compiled(file, *arguments, "--emit", "asm").out
    assert "kw_body:" in assembly
    assert "%ymm" in assembly
    assert "%zmm" not in assembly


def test_the_form_of_tritons_own_compiler_is_understood(file: Path) -> None:
    ran = compiled(file, "--kernel", "add", "--emit", "ttir", "--signature", "*bf16:16, *bf16, *fp32, i64:16, 128")
    assert "%x_ptr: !tt.ptr<bf16> {tt.divisibility = 16 : i32}" in ran.out
    assert "%n: i64 {tt.divisibility = 16 : i32}" in ran.out
    assert "tensor<128x" in ran.out
    assert ran.err == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--kernel", "ad"), "kernel 'ad' is not known; known: add, product, wrong. Did you mean 'add'?"),
        (("--kernel", "add"), "n must be given: --signature 'n=i32'"),
        (("--kernel", "add", "--signature", "*fp32, *fp32"), "it gives 2; out_ptr, n, BLOCK must follow"),
        (("--kernel", "add", "--signature", "*fp32,*fp32,*fp32,i32,64,64"), "must give 5 parameters at most"),
        (("--kernel", "add", "--signature", "m=i32"), "parameter 'm' is not known; known: BLOCK, n, out_ptr"),
        (("--kernel", "add", "--signature", "n=i32,64"), "must name all of its parameters or none"),
        (("--kernel", "add", "--signature", "n=int"), "parameter n must be a type such as *fp32 or i32"),
        (("--kernel", "add", "--signature", "n=i32:8"), "parameter n: what follows ':' must be 1 or 16, got '8'"),
        (("--kernel", "add", "--emit", "ptx"), "stage 'ptx' is not known; known: asm, llvm, program, ttir."),
        (("--kernel", "add", "--signature", "n=i32", "--features", "avx3"), "Did you mean 'avx2'?"),
    ],
)
def test_a_wrong_request_is_exit_2_in_one_line(file: Path, arguments: tuple[str, ...], told: str) -> None:
    ran = compiled(file, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err.splitlines()[-1]


def test_what_triton_refuses_is_exit_1_with_its_line(file: Path) -> None:
    ran = compiled(file, "--kernel", "wrong", "--signature", "BLOCK=16")
    assert ran.code == 1
    (line,) = ran.err.splitlines()
    assert line.startswith("kernelwright: line 27: Triton refuses wrong: ")
    assert "nothing is not defined" in line


def test_a_file_without_kernels_or_that_does_not_import_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    assert "there is none at" in compiled(file, "--kernel", "add").err
    file.write_text("x = 1\n")
    assert "no function in it is decorated with @triton.jit" in compiled(file, "--kernel", "add").err
    file.write_text("import nothing_like_this\n")
    ran = compiled(file, "--kernel", "add")
    assert (ran.code, ran.out) == (2, "")
    assert "it raised ModuleNotFoundError" in ran.err


def test_the_words_of_the_command_are_those_of_the_compiler() -> None:
    assert STAGES == texts.STAGES
    for level in LEVELS:
        assert features.features_of(level).vector_bytes in (16, 32, 64)
