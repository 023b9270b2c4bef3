"""How functions of the event loop are compiled."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

# Counting references to the arrays in tuples took ten times the loop's own work. No function here keeps an array beyond
# its call, so none are counted; such functions cannot allocate.
_JIT: Any = numba.njit
_UNCOUNTED: dict[str, Any] = {"_nrt": False, "error_model": "numpy"}


def inlined(function: Function) -> Function:
    """Return `function` compiled into whoever calls it."""
    compiled_function: Function = _JIT(forceinline=True, **_UNCOUNTED)(function)
    return compiled_function


def compiled(function: Function) -> Function:
    """Return `function` compiled on its own, kept on disk, without the interpreter's lock."""
    compiled_function: Function = _JIT(cache=True, nogil=True, **_UNCOUNTED)(function)
    return compiled_function
