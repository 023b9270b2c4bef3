"""Triton's view of the CPU as a device: one device, no streams, launches are blocking."""

import os
from collections.abc import Callable, Iterator
from typing import Any

from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase

from kernelwright.compiler.plugin.compiler import BACKEND_NAME
from kernelwright.compiler.plugin.device import HostDevice

# More than the last-level cache that a core reaches on processors of today.
_FLUSH_BYTES = 128 << 20
_CPP_TYPES = {
    "i1": "int8_t", "i8": "int8_t", "i16": "int16_t", "i32": "int32_t", "i64": "int64_t",
    "u1": "uint8_t", "u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "u64": "uint64_t",
    "fp16": "float", "bf16": "float", "fp32": "float", "f32": "float", "fp64": "double",
}  # fmt: skip


class CpuUtils:
    """The two calls that Triton's runtime makes on `driver.utils`."""

    def get_device_properties(self, device: int) -> dict[str, int]:
        """Return limits in Triton's words; shared memory does not exist here, so any amount fits."""
        return {"max_shared_mem": 1 << 30, "multiprocessor_count": os.cpu_count() or 1, "warpSize": 1}

    def load_binary(self, name: str, kernel: bytes, shared: int, device: int) -> tuple[Any, Any, int, int, int]:
        """Return (module, function, registers, spills, most threads); the function launches natively."""
        from kernelwright.compiler.launcher import LazyKernel  # noqa: PLC0415  # the capture child never loads llvmlite

        lazy = LazyKernel(kernel.decode())
        return lazy, lazy, 0, 0, 1 << 20


class CpuLauncher:
    """Turns the bound arguments of a launch into the argument list of the IR function."""

    def __init__(self, src: Any, metadata: Any) -> None:
        self._types = tuple(src.signature.values())

    def __call__(self, x: int, y: int, z: int, stream: int, function: Any, *rest: Any) -> None:
        """Run the grid (x, y, z) and wait for it."""
        _packed, launch_metadata, enter_hook, exit_hook, *bound = rest
        args = tuple(flat_args(self._types, bound))
        if enter_hook is not None:
            enter_hook(launch_metadata)
        function.launch((x, y, z), args)
        if exit_hook is not None:
            exit_hook(launch_metadata)


def flat_args(types: Any, values: Any) -> Iterator[Any]:
    """Yield the values that are parameters of the IR function.

    Constants are dropped, tuples flattened, tensor descriptors taken apart: base, shape, strides and two flags for the
    descriptor, then shape and strides again, which the front end passes as numbers of their own.
    """
    for kind, value in zip(types, values, strict=True):
        if isinstance(kind, tuple):
            yield from flat_args(kind, value)
        elif kind.startswith("tensordesc"):
            yield from (value.base, *value.shape, *value.strides)
            yield value.padding == "nan"
            if hasattr(value, "round_f32_to_tf32"):
                yield value.round_f32_to_tf32
            yield from (*value.shape, *value.strides)
        elif kind != "constexpr":
            yield value


class CpuDriver(DriverBase):  # type: ignore[misc]  # triton ships no types
    """The host processor as Triton's active device."""

    launcher_cls = CpuLauncher

    def __init__(self) -> None:
        super().__init__()
        self.utils = CpuUtils()

    @staticmethod
    def is_active() -> bool:
        """Return whether this driver should serve launches: when asked for, or when there is no GPU."""
        if os.environ.get("TRITON_DEFAULT_BACKEND") == BACKEND_NAME:
            return True
        try:
            import torch  # noqa: PLC0415  # only to look for a GPU
        except ImportError:
            return True
        return not (torch.cuda.is_available() or torch.xpu.is_available())

    def map_python_to_cpp_type(self, ty: str) -> str:
        """Return the C type of a Triton signature type."""
        return "void*" if ty.startswith("*") else _CPP_TYPES[ty]

    def get_current_target(self) -> GPUTarget:
        """Return the host as a target."""
        return GPUTarget(BACKEND_NAME, "host", 1)

    def get_active_torch_device(self) -> Any:
        """Return torch's CPU device."""
        import torch  # noqa: PLC0415  # launches work without torch

        return torch.device("cpu")

    def get_device_interface(self) -> HostDevice:
        """Return the stream, event and synchronize calls that callers expect."""
        return HostDevice()

    def get_current_device(self) -> int:
        """Return 0, the only device."""
        return 0

    def set_current_device(self, device: int) -> None:
        """Accept device 0."""

    def get_current_stream(self, device: int) -> int:
        """Return 0: launches are blocking and in order."""
        return 0

    def get_benchmarker(self) -> Callable[..., Any]:
        """Return the timer that autotune uses: real time, median of repeats."""
        from kernelwright.compiler.plugin.benchmarker import do_bench  # noqa: PLC0415

        return do_bench

    def get_empty_cache_for_benchmark(self) -> Any:
        """Return a buffer larger than last-level caches, to write between timings."""
        import torch  # noqa: PLC0415

        return torch.empty(_FLUSH_BYTES, dtype=torch.int8)

    def clear_cache(self, cache: Any) -> None:
        """Evict everything by writing the buffer."""
        cache.zero_()
