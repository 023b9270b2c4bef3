"""The Python files of a problem's folder, and the identity of all its files."""

import hashlib
import importlib.util
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from kernelwright.core.errors import RequestError


def load_function(root: Path, file: str, name: str) -> Callable[..., Any]:
    """Return the function `name` of a file of the folder, named without its suffix; raises RequestError."""
    function = find_function(root, file, name)
    if function is None:
        raise RequestError(f"{file}.py of problem {root.name} must define the function {name}")
    return function


def find_function(root: Path, file: str, name: str) -> Callable[..., Any] | None:
    """Return the function `name` of a file of the folder, None where the file does not define it."""
    function = getattr(_module(root, file), name, None)
    return function if callable(function) else None


def load_text(root: Path, file: str) -> str:
    """Return the text of a file of the folder; raises RequestError when it is missing."""
    try:
        return (root / file).read_text(encoding="utf-8")
    except OSError as error:
        raise RequestError(f"a problem's folder must hold {file}, {root}: {error.strerror}") from None


def forget_code(root: Path) -> None:
    """Let the next load of the folder's files read them anew."""
    package = _package_name(root)
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def folder_sha256(root: Path) -> str:
    """Return the SHA-256 over names and contents of all files of the folder, what Python leaves there excepted."""
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _package_name(root: Path) -> str:
    return f"kernelwright_problem_{zlib.crc32(str(root.resolve()).encode()):08x}"


def _module(root: Path, file: str) -> ModuleType:
    """Return a file of the folder as a module, loaded once; the folder is its package, so `from . import` works."""
    package = _package_name(root)
    name = f"{package}.{file}"
    if name in sys.modules:
        return sys.modules[name]
    path = root / f"{file}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise RequestError(f"a problem's folder must hold {file}.py, {root} does not")
    _require_package(package, root)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise RequestError(f"{file}.py of problem {root.name} must load: {format_fault(error)}") from error
    return module


def format_fault(error: Exception) -> str:
    """Return kind and text of somebody else's exception, in one line of bounded length."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _require_package(name: str, root: Path) -> None:
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(root)]
        sys.modules[name] = package
        importlib.invalidate_caches()
