"""What the compiler makes of one kernel."""

from pathlib import Path
from typing import Annotated

import typer

from kernelwright.cli.output import Output
from kernelwright.core.errors import RequestError, UnknownNameError

STAGES = ("ttir", "program", "llvm", "asm")
LEVELS = ("baseline", "avx2", "avx512", "avx512bf16")


def compile(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Python file with @triton.jit kernels. It is run.")],
    kernel: Annotated[str, typer.Option("--kernel", help="Name of the kernel.")],
    emit: Annotated[str, typer.Option("--emit", help=f"The stage to show: {', '.join(STAGES)}.")] = "program",
    signature: Annotated[
        str | None,
        typer.Option(
            "--signature",
            help="Types and constants: '*fp32:16, i32, 1024' for every parameter in order as Triton's own compiler "
            "takes them, or X=*fp32,N=i32,BLOCK=1024 for those that need it.",
        ),
    ] = None,
    features: Annotated[
        str | None, typer.Option("--features", help=f"Processor: {', '.join(LEVELS)} [default: this machine].")
    ] = None,
    num_warps: Annotated[int, typer.Option("--num-warps", help="Accepted as in launches; changes nothing here.")] = 4,
) -> None:
    """Show what the compiler makes of one kernel, at any stage.

    FILE is imported into this process, as Triton does it: only name a file that you trust. Stages are ttir (Triton
    IR), program (how the code generator structured it: loops, lanes, what lies in scratch memory, tiles of dots),
    llvm (LLVM IR) and asm. Parameters without a type or value get them from annotations, defaults, the first
    autotuning configuration, and *fp32 where a name ends in _ptr; what was assumed is said on stderr.
    """
    from kernelwright.compiler.stages.texts import stage_text  # noqa: PLC0415  # lazy: needs triton

    if emit not in STAGES:
        raise UnknownNameError("stage", emit, STAGES)
    if num_warps < 1:
        raise RequestError(f"--num-warps must be a positive number, got {num_warps}")
    found = stage_text(file, kernel, emit, signature, features, {"num_warps": num_warps})
    output = Output(json=False)
    if found.assumed:
        output.say(f"assumed: {', '.join(found.assumed)}; --signature tells otherwise")
    print(found.text, end="" if found.text.endswith("\n") else "\n", flush=True)
