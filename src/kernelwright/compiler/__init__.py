"""How Triton IR becomes machine code.

Names are loaded when first used: Triton imports this package for its plug-in, and the capture
child must not pay for the code generator.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelwright.compiler.compile import compile_ttir
    from kernelwright.compiler.faults import EndlessWaitFault, MemoryFault, MemoryRange, RaceFault, UnwrittenFault
    from kernelwright.compiler.kernel import NativeKernel
    from kernelwright.compiler.options import CompileOptions
    from kernelwright.compiler.races import Shadow

__all__ = [
    "CompileOptions",
    "EndlessWaitFault",
    "MemoryFault",
    "MemoryRange",
    "NativeKernel",
    "RaceFault",
    "Shadow",
    "UnwrittenFault",
    "compile_ttir",
]

_HOMES = {
    "CompileOptions": "options",
    "compile_ttir": "compile",
    "EndlessWaitFault": "faults",
    "MemoryFault": "faults",
    "MemoryRange": "faults",
    "NativeKernel": "kernel",
    "RaceFault": "faults",
    "Shadow": "races",
    "UnwrittenFault": "faults",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"kernelwright.compiler.{_HOMES[name]}"), name)
