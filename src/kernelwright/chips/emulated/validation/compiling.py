"""From a Triton kernel of this room to Triton IR, once for each set of constants."""

import functools
from collections.abc import Mapping
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from kernelwright.compiler.plugin.compiler import BACKEND_NAME
from kernelwright.core.ir_text import ir_sha256
from kernelwright.core.plan import KernelIR

_ALIGNED = (("tt.divisibility", 16),)


def kernel_ir(kernel: Any, types: Mapping[str, str], constants: Mapping[str, int], warps: int, stages: int) -> KernelIR:
    """Return the Triton IR of `kernel`.

    `types` are the types of its arguments by name, such as "*i8" or "i32"; a "!" in front says divisible by 16, which
    the IR then states; `constants` its constants by name.
    """
    return _kernel_ir(kernel, tuple(types.items()), tuple(constants.items()), warps, stages)


@functools.lru_cache(maxsize=512)
def _kernel_ir(
    kernel: Any, types: tuple[tuple[str, str], ...], constants: tuple[tuple[str, int], ...], warps: int, stages: int
) -> KernelIR:
    signature = {name: kind.lstrip("!") for name, kind in types} | {name: "constexpr" for name, _ in constants}
    hints = {(place,): [list(hint) for hint in _ALIGNED] for place, (_, kind) in enumerate(types) if kind[0] == "!"}
    source = ASTSource(kernel, signature, dict(constants), hints)
    compiled = triton.compile(
        source, target=GPUTarget(BACKEND_NAME, "host", 1), options={"num_warps": warps, "num_stages": stages}
    )
    text = str(compiled.asm["ttir"])
    return KernelIR(kernel.fn.__name__, text, ir_sha256(text), warps, stages)
