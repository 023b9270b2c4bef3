"""A kernel at each stage of compilation, as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kernelwright.compiler.codegen.generate import generate
from kernelwright.compiler.compile import generate_llvm, read_kernel
from kernelwright.compiler.features import features_of, host_features
from kernelwright.compiler.native import PassOptions, assembly_text
from kernelwright.compiler.options import CompileOptions
from kernelwright.compiler.stages.kernel_file import load_kernel
from kernelwright.compiler.stages.program import program_text
from kernelwright.compiler.stages.signature import signature_of
from kernelwright.compiler.triton_api import triton_ir
from kernelwright.core.ir_text import strip_locations

STAGES = ("ttir", "program", "llvm", "asm")


@dataclass(frozen=True)
class StageText:
    """The text of one stage, and what was assumed of parameters that nobody gave a type or value."""

    text: str
    assumed: tuple[str, ...]


def stage_text(
    file: Path, kernel: str, stage: str, signature: str | None, level: str | None, options: Mapping[str, int]
) -> StageText:
    """Return what a kernel of a file becomes at a stage: ttir, program, llvm or asm.

    The file is imported, as Triton does it: it must be trusted. `level` names a processor level to
    generate code for, None is this machine; `options` are Triton's, such as num_warps. Written
    tensors are taken to overlap no others, as in most launches. Raises RequestError, CompileError.
    """
    found = load_kernel(file, kernel)
    wanted = signature_of(found.function.params, signature, found.tuned)
    ttir = triton_ir(found.function, wanted.types, wanted.constants, wanted.divisible, options)
    return StageText(_text(ttir, stage, level), tuple(wanted.assumed))


def _text(ttir: str, stage: str, level: str | None) -> str:
    if stage == "ttir":
        return strip_locations(ttir).strip() + "\n"
    features = features_of(level) if level else host_features()
    if stage == "program":
        module = read_kernel(ttir)
        return program_text(module, generate(module, features, CompileOptions(noalias=True)), features)
    llvm_ir = generate_llvm(ttir, CompileOptions(noalias=True, features=features)).llvm_ir
    return llvm_ir if stage == "llvm" else assembly_text(llvm_ir, features, PassOptions())
