"""The adapter to Triton's passes for GPUs: Triton IR to TritonGPU IR, on a machine without a GPU.

Layouts, pipelined loops and the allocation of shared memory are Triton's own; nothing is compiled further.
"""

import hashlib
import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import triton
from triton._C.libtriton import ir, nvidia, passes

from kernelwright.compiler.kept import entry_path, read_entry, write_entry
from kernelwright.compiler.limits import check_text
from kernelwright.compiler.reader.locations import LocationTable
from kernelwright.compiler.triton_api import inline_calls
from kernelwright.core.errors import CompileError, UnsupportedOpError

# Raised whenever the lowering below changes what it returns.
_REVISION = 1
_CAPABILITIES = (80, 89)
_PTX_VERSION = 80
_E4M3 = re.compile(r"f8E4M3FN\b")
_TENSOR_OP = re.compile(r"\b((?!tt\.func\b|tt\.ptr\b|scf\.)(?:tt|arith|math)\.\w+) ")
_DIAGNOSTIC = re.compile(r"(?:\"?[^\"\n]*?\"?:(\d+):\d+: )?error: (.*)")
# Descriptor 2 is the process's: two lowerings must not turn it at once.
_TURNED = threading.Lock()


@dataclass(frozen=True)
class GpuIR:
    """A lowered kernel: module text, with `allocation.offset` at what owns shared memory, and a block's bytes of it."""

    text: str = field(repr=False)
    shared_bytes: int


def lower_to_gpu(ttir: str, capability: int, num_warps: int, num_stages: int) -> GpuIR:
    """Return a kernel's TritonGPU IR for compute capability 80 or 89; kept on disk, it takes a third of a second.

    Raises CompileError, in one line, for what the capability or Triton's passes refuse.
    """
    if capability not in _CAPABILITIES:
        raise CompileError(f"an emulated chip must report capability 80 or 89, got {capability}")
    check_text(ttir)
    _check_dtypes(ttir, capability)
    path = entry_path(_key(ttir, capability, num_warps, num_stages), ".gpu")
    data = read_entry(path)
    if data is not None:
        return GpuIR(**json.loads(data))
    made = _lowered(ttir, capability, num_warps, num_stages)
    write_entry(path, json.dumps(asdict(made)).encode())
    return made


def _key(ttir: str, *choices: int) -> str:
    identity = f"gpu {_REVISION} {_triton_version()} {choices}\n{ttir}"
    return hashlib.sha256(identity.encode()).hexdigest()


@lru_cache(maxsize=1)
def _triton_version() -> str:
    return str(triton.__version__)


def _check_dtypes(ttir: str, capability: int) -> None:
    """Refuse f8e4m3fn below capability 89: Triton's passes let it through, what follows them does not."""
    if capability >= 89 or _E4M3.search(ttir) is None:
        return
    lines = ttir.split("\n")
    place = next((line for line in lines if _E4M3.search(line) and _TENSOR_OP.search(line)), "")
    named, at = _TENSOR_OP.search(place), place.rfind(" loc(")
    aliases = {
        name: rest[4:-1] for name, _, rest in (line.partition(" = ") for line in lines if line.startswith("#loc"))
    }
    number = LocationTable(aliases, "").resolve(place[at + 5 : -1]).line if at >= 0 else 0
    who = f"line {number}: op {named[1]}" if named and number else "a kernel"
    raise UnsupportedOpError(
        f"{who} must not use f8e4m3fn on capability {capability}, which has no such type;"
        " use a chip of capability 89, or f8e5m2"
    )


def _lowered(ttir: str, capability: int, num_warps: int, num_stages: int) -> GpuIR:
    # Triton loads us while it loads itself.
    from triton.backends.compiler import GPUTarget  # noqa: PLC0415
    from triton.backends.nvidia.compiler import CUDABackend  # noqa: PLC0415

    backend = CUDABackend(GPUTarget("cuda", capability, 32))
    if num_warps < 1 or num_warps & (num_warps - 1):
        raise CompileError(f"num_warps must be a power of 2, got {num_warps}")
    # Said outright, as a later stage's default it would be a warning of Triton 3.9; nothing here depends on it.
    wishes = {"num_warps": num_warps, "num_stages": num_stages, "enable_fp_fusion": True}
    options = backend.parse_options(wishes)
    context = ir.context()
    ir.load_dialects(context)
    backend.load_dialects(context)
    text = inline_calls(ttir) if "tt.call" in ttir else ttir
    with tempfile.NamedTemporaryFile("w", suffix=".ttir") as file, _quiet(capability):
        file.write(text)
        file.flush()
        module = ir.parse_mlir_module(file.name, context)
        module.context = context
        module = backend.make_ttgir(module, {}, options, capability)
        _allocate(module, context, capability)
    return GpuIR(str(module), int(module.get_int_attr("ttg.shared") or 0))


def _allocate(module: Any, context: Any, capability: int) -> None:
    """Note in the module where everything in shared memory lies, as Triton does before it makes LLVM IR."""
    manager = ir.pass_manager(context)
    passes.ttgpuir.add_combine_tensor_select_and_if(manager)
    passes.ttgpuir.add_allocate_warp_groups(manager)
    nvidia.passes.ttgpuir.add_allocate_shared_memory_nv(manager, capability, _PTX_VERSION)
    manager.run(module, "kernelwright_allocate")


@contextmanager
def _quiet(capability: int) -> Iterator[None]:
    """Keep what MLIR prints off the terminal, and raise it as a CompileError when lowering fails."""
    sys.stderr.flush()
    with _TURNED, tempfile.TemporaryFile() as told:
        kept = os.dup(2)
        os.dup2(told.fileno(), 2)
        failure: Exception | None = None
        try:
            yield
        except (RuntimeError, ValueError, AssertionError, IndexError) as error:
            failure = error
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        if failure is None:
            return
        told.seek(0)
        raise CompileError(_reason(told.read().decode(errors="replace"), failure, capability)) from None


def _reason(told: str, failure: Exception, capability: int) -> str:
    found = _DIAGNOSTIC.search(told)
    reason = " ".join((found[2] if found else str(failure)).split())[:300]
    where = f"line {found[1]}: " if found and found[1] else ""
    return f"{where}Triton cannot lower the kernel for capability {capability}: {reason}"
