"""Triton's view of our compiler: it stops at Triton IR, native code is made when first launched."""

import hashlib
from dataclasses import asdict, dataclass, fields
from types import ModuleType
from typing import Any

from triton import knobs
from triton.backends.compiler import BaseBackend, GPUTarget, Language

# The module, not its function: when the adapter is imported first, it is half loaded at this point.
from kernelwright.compiler import triton_api

BACKEND_NAME = "kernelwright"


@dataclass(frozen=True)
class CpuOptions:
    """Launch options; those that only a GPU has are accepted and kept for other chips."""

    num_warps: int = 4
    num_ctas: int = 1
    num_stages: int = 3
    warp_size: int = 1
    maxnreg: int | None = None
    enable_fp_fusion: bool = True
    launch_cooperative_grid: bool = False
    launch_pdl: bool = False
    supported_fp8_dtypes: tuple[str, ...] = ("fp8e4b15", "fp8e4b8", "fp8e4nv", "fp8e5", "fp8e5b16")
    deprecated_fp8_dot_operand_dtypes: tuple[str, ...] = ()
    default_dot_input_precision: str = "ieee"
    allowed_dot_input_precisions: tuple[str, ...] = ("ieee", "tf32", "tf32x3", "bf16x3", "bf16x6")
    max_num_imprecise_acc_default: int = 0
    extern_libs: tuple[tuple[str, str], ...] = ()
    debug: bool = False
    backend_name: str = BACKEND_NAME
    sanitize_overflow: bool = True
    ir_override: str | None = None
    arch: str = ""
    instrumentation_mode: str = ""
    fpsan_homomorphic_casts: bool = False

    def __post_init__(self) -> None:
        """Refuse a number of warps that no GPU takes: a kernel that runs here shall run there."""
        assert self.num_warps > 0 and self.num_warps & (self.num_warps - 1) == 0, "num_warps must be a power of 2"

    def hash(self) -> str:
        """Return the identity of the options for Triton's cache."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()


def _min_dot_size(lhs: Any, rhs: Any) -> tuple[int, int, int]:
    return (1, 1, 1)


class CpuBackend(BaseBackend):  # type: ignore[misc]  # triton ships no types
    """Stages from Triton source to Triton IR; the binary that Triton caches is the IR itself."""

    binary_ext = "kwir"

    @staticmethod
    def supports_target(target: GPUTarget) -> bool:
        """Return whether `target` is ours."""
        return bool(target.backend == BACKEND_NAME)

    def hash(self) -> str:
        """Return the version of the pass list: raise it when the list changes."""
        return "kernelwright-ttir-1"

    def parse_options(self, opts: dict[str, Any]) -> CpuOptions:
        """Return launch options from keyword arguments; unknown names are left to Triton to refuse."""
        known = {f.name for f in fields(CpuOptions)}
        chosen = {k: v for k, v in opts.items() if k in known and v is not None}
        chosen.setdefault("enable_fp_fusion", knobs.language.default_fp_fusion)
        chosen["arch"] = self.target.arch
        return CpuOptions(**chosen)

    def add_stages(self, stages: dict[str, Any], options: CpuOptions, language: Language = Language.TRITON) -> None:
        """Register the two stages: Triton IR, and its bytes."""
        if language != Language.TRITON:
            raise NotImplementedError("only Triton kernels run here, Gluon kernels name GPU layouts")
        stages["ttir"] = _make_ttir
        stages[self.binary_ext] = lambda module, metadata: str(module).encode()

    def load_dialects(self, context: Any) -> None:
        """Nothing beyond what Triton loads."""

    def pack_metadata(self, metadata: Any) -> tuple[int, int]:
        """Return what the launcher needs at each launch: (num_warps, num_stages)."""
        return (metadata.num_warps, metadata.num_stages)

    def get_codegen_implementation(self, options: CpuOptions) -> dict[str, Any]:
        """Return front-end hooks: any dot size is allowed, fp8e4b15 converts by bits."""
        from kernelwright.compiler.plugin.custom_floats import convert_custom_types  # noqa: PLC0415  # needs triton whole

        return {"min_dot_size": _min_dot_size, "convert_custom_types": convert_custom_types}

    def get_module_map(self) -> dict[str, ModuleType]:
        """Return where `triton.language.extra.libdevice` comes from: CUDA's names, mapped by the code generator."""
        from triton.language.extra.cuda import libdevice  # noqa: PLC0415  # costs import time, rarely needed

        return {"triton.language.extra.libdevice": libdevice}


def _make_ttir(module: Any, metadata: dict[str, Any]) -> Any:
    triton_api.run_target_independent_passes(module)
    metadata["name"] = module.get_entry_func_name()
    metadata["shared"] = 0
    return module
