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
    return generate(read_kernel(ttir), _features(options), options)


def read_kernel(ttir: str) -> Module:
    """Return the records of a kernel, its calls replaced by what they call; errors as in `generate_llvm`."""
    module = read_module(inline_calls(ttir) if "tt.call @" in ttir else ttir)
    check_module(module)
    return module


def compile_ttir(ttir: str, options: CompileOptions) -> NativeKernel:
    """Return the native kernel of Triton IR text, compiled now or before; errors as in `generate_llvm`."""
    choices = (_features(options), options, _passes(options))
    return _linked(compiled(ttir, choices, lambda: _compiled(ttir, options)), options)


def compile_anew(ttir: str, options: CompileOptions) -> NativeKernel:
    """Return the native kernel of Triton IR text as the code generator writes it now, whatever was kept before.

    For those who change the generator in a process; errors as in `generate_llvm`.
    """
    return _linked(_compiled(ttir, options), options)


def _features(options: CompileOptions) -> HostFeatures:
    return options.features or host_features()


def _passes(options: CompileOptions) -> PassOptions:
    # Checked code runs a few times only: what counts is how soon it is there.
    return PassOptions(selection=0 if options.checked else 3)


def _compiled(ttir: str, options: CompileOptions) -> Compiled:
    generated = generate_llvm(ttir, options)
    code = assemble(generated.llvm_ir, _features(options), _passes(options))
    return Compiled(
        generated.name,
        generated.arg_types,
        generated.scratch_bytes,
        generated.locations,
        generated.assertions,
        generated.arguments,
        code,
    )


def _linked(made: Compiled, options: CompileOptions) -> NativeKernel:
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
