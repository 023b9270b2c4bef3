"""How functions of the event loop are compiled, and when what is kept of them on disk is out of date."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

# Counting references to the arrays in tuples took ten times the loop's own work. No function here keeps an array beyond
# its call, so none are counted; such functions cannot allocate.
_JIT: Any = numba.njit
_UNCOUNTED: dict[str, Any] = {"_nrt": False, "error_model": "numpy"}
# What is compiled into functions kept on disk: Numba itself looks at the file of the outermost function only.
SOURCES = (
    "engine/caches", "engine/costs", "engine/event_blocks", "engine/event_loop", "engine/event_state", "engine/jit",
    "engine/memory_path", "engine/op_costs", "engine/op_rows", "engine/summary", "engine/wave", "slicing/arithmetic",
    "slicing/contents", "slicing/interpreter", "slicing/lanes", "slicing/opcodes", "slicing/tables",
)  # fmt: skip
_FOLDER = Path(__file__).parent.parent


def inlined(function: Function) -> Function:
    """Return `function` compiled into whoever calls it."""
    made: Function = _JIT(forceinline=True, **_UNCOUNTED)(function)
    return made


def compiled(function: Function) -> Function:
    """Return `function` compiled on its own, kept on disk where that can be, without the interpreter's lock."""
    made: Any = _JIT(nogil=True, **_UNCOUNTED)(function)
    try:
        made.enable_caching()
    except RuntimeError:
        return made  # type: ignore[no-any-return] # nowhere to write: compiled anew in every process
    made._cache._cache_file._source_stamp = sources_stamp()
    return made  # type: ignore[no-any-return]


@cache
def sources_stamp() -> str:
    """Return a digest of all that compiled functions are made of."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((_FOLDER / f"{name}.py").read_bytes())
    return digest.hexdigest()
