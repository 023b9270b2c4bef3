"""Kernels in a file of the user's own."""

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from triton.runtime.jit import JITFunction

from kernelwright.core.errors import RequestError, UnknownNameError


@dataclass(frozen=True)
class FoundKernel:
    """A `@triton.jit` function; `tuned` are the constants of its first autotuning configuration."""

    function: Any
    tuned: dict[str, object]


def load_kernel(file: Path, name: str) -> FoundKernel:
    """Return the kernel called `name` of a Python file, which is imported into this process.

    Raises RequestError when the file cannot be imported, UnknownNameError with the nearest name of a kernel in it.
    """
    module = _imported(file)
    kernels = {key: value for key, value in vars(module).items() if _function_of(value) is not None}
    if name not in kernels:
        if not kernels:
            raise RequestError(f"{file} must hold a kernel, no function in it is decorated with @triton.jit")
        raise UnknownNameError("kernel", name, kernels)
    tuned: dict[str, object] = {}
    for wrapper in _wrappers(kernels[name]):
        configs = getattr(wrapper, "configs", None)
        if configs:
            tuned = {**configs[0].kwargs, **tuned}
    return FoundKernel(_function_of(kernels[name]), tuned)


def _imported(file: Path) -> ModuleType:
    if not file.is_file():
        raise RequestError(f"FILE must be a Python file, there is none at {file}")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise RequestError(f"FILE must be a Python file, got {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    # As when the file is run: what lies beside it can be imported.
    sys.path.insert(0, str(file.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        told = " ".join(str(error).split())
        raise RequestError(f"{file} must import without an error, it raised {type(error).__name__}: {told}") from None
    return module


def _wrappers(value: Any) -> Iterator[Any]:
    """Yield what decorators made around a kernel, the outermost first."""
    while value is not None and not isinstance(value, JITFunction):
        yield value
        value = getattr(value, "fn", None)


def _function_of(value: Any) -> Any:
    """Return the kernel inside of autotuners and heuristics, None when `value` is no kernel."""
    if not type(value).__module__.startswith("triton."):
        return None
    while value is not None and not isinstance(value, JITFunction):
        value = getattr(value, "fn", None)
    return value
