"""Triton's language as the installed version documents it: one document a function, by introspection."""

import inspect
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from kernelwright.core.document import Document

# What a candidate can use of the package itself, and the classes of the language that it names.
_OF_TRITON = ("jit", "autotune", "heuristics", "Config", "cdiv", "next_power_of_2")
_CLASSES = ("constexpr", "range", "static_range", "tensor", "tensor_descriptor")
_LIBDEVICE = "Of the library of device functions: from triton.language.extra import libdevice. Arguments by position."
_ROLE = re.compile(r":(?:code|py:\w+|math):`([^`]*)`")


@lru_cache(maxsize=1)
def language_documents() -> tuple[Document, ...]:
    """Return what is documented of `triton`, `triton.language` and its libdevice, each name once; worked out once.

    Names are as kernels write them: `triton.jit`, `tl.dot`, `tl.tensor.to`, `libdevice.tanh`.
    """
    import triton  # noqa: PLC0415  # few engineers ask, and readers of runs do without it
    import triton.language as tl  # noqa: PLC0415
    from triton.language.extra import libdevice  # noqa: PLC0415

    found = [_document(f"triton.{name}", getattr(triton, name)) for name in _OF_TRITON if hasattr(triton, name)]
    found += _module_documents("tl", tl)
    known = {id(value) for _, value in _functions(tl)}
    found += [one for one in _module_documents("tl.math", tl.math) if id(getattr(tl.math, _last(one))) not in known]
    found += _method_documents(tl)
    found += [Document(f"libdevice.{n}", _signature(v), _LIBDEVICE, f"libdevice.{n}") for n, v in _functions(libdevice)]
    return (*found, _types(tl))


def _module_documents(prefix: str, module: Any) -> list[Document]:
    classes = [(name, getattr(module, name)) for name in _CLASSES if hasattr(module, name)]
    documents = [_document(f"{prefix}.{name}", value) for name, value in (*_functions(module), *classes)]
    return [document for document in documents if document.text]


def _method_documents(tl: Any) -> list[Document]:
    """Return the methods of tensors that are no functions of the language too."""
    methods = [(name, value) for name, value in _functions(tl.tensor) if not hasattr(tl, name)]
    documents = [_document(f"tl.tensor.{name}", value) for name, value in methods]
    return [document for document in documents if document.text]


def _functions(owner: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values of what can be called in kernels: functions, and kernels' own functions."""
    for name in sorted(vars(owner)):
        value = getattr(owner, name)
        is_function = inspect.isfunction(value) or type(value).__name__ == "JITFunction"
        if is_function and not name.startswith("_") and value.__module__.startswith("triton"):
            yield name, value


def _document(name: str, value: Any) -> Document:
    return Document(name, _signature(value), _text(value), name)


def _signature(value: Any) -> str:
    """Return the parameters in brackets, without those that the compiler fills in; empty where nothing tells them."""
    try:
        signature = inspect.signature(getattr(value, "fn", value))
    except (TypeError, ValueError):
        return ""
    shown = [
        one.replace(annotation=inspect.Parameter.empty)
        for one in signature.parameters.values()
        if not one.name.startswith("_")
    ]
    return str(signature.replace(parameters=shown, return_annotation=inspect.Signature.empty)).replace("'", '"')


def _text(value: Any) -> str:
    return _ROLE.sub(r"\1", inspect.getdoc(getattr(value, "fn", value)) or "").strip()


def _types(tl: Any) -> Document:
    names = sorted(name for name, value in vars(tl).items() if isinstance(value, tl.dtype) and name != "void")
    return Document("tl.dtype", "", "Types of elements: " + ", ".join(f"tl.{name}" for name in names), "tl.dtype")


def _last(document: Document) -> str:
    return document.name.rpartition(".")[2]
