"""From Triton IR text to a kernel that can be launched."""

from kernelwright.compiler.codegen.generate import Generated, generate
from kernelwright.compiler.features import HostFeatures, host_features
from kernelwright.compiler.ir import Module
from kernelwright.compiler.kernel import NativeKernel
from kernelwright.compiler.limits import check_module
from kernelwright.compiler.native import PassOptions, assemble, link
from kernelwright.compiler.options import CompileOptions
from kernelwright.compiler.reader import read_module
from kernelwright.compiler.stored import Compiled, compiled
from kernelwright.compiler.triton_api import inline_calls


def generate_llvm(ttir: str, options: CompileOptions) -> Generated:
    """Return the LLVM IR of a kernel given as Triton IR text.

    Raises UnsupportedOpError naming op and source line, OverLimitError with figure and limit.
    """
    return generate(read_kernel(ttir), options.features or host_features(), options)


def read_kernel(ttir: str) -> Module:
    """Return the records of a kernel, its calls replaced by what they call; errors as in `generate_llvm`."""
    module = read_module(inline_calls(ttir) if "tt.call @" in ttir else ttir)
    check_module(module)
    return module


def compile_ttir(ttir: str, options: CompileOptions) -> NativeKernel:
    """Return the native kernel of Triton IR text, compiled now or before; errors as in `generate_llvm`."""
    features = options.features or host_features()
    # Checked code runs a few times only: what counts is how soon it is there.
    passes = PassOptions(selection=0 if options.checked else 3)
    made = compiled(ttir, (features, options, passes), lambda: _compiled(ttir, features, options, passes))
    return NativeKernel(
        made.name,
        made.arg_types,
        made.scratch_bytes,
        made.code.sha256,
        link(made.code, "kw_body"),
        made.locations,
        options.checked,
        made.assertions,
        made.arguments,
        options.races,
    )


def _compiled(ttir: str, features: HostFeatures, options: CompileOptions, passes: PassOptions) -> Compiled:
    generated = generate_llvm(ttir, options)
    code = assemble(generated.llvm_ir, features, passes)
    return Compiled(
        generated.name,
        generated.arg_types,
        generated.scratch_bytes,
        generated.locations,
        generated.assertions,
        generated.arguments,
        code,
    )
