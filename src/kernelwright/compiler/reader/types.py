"""Type text of Triton IR to type records."""

import re
from functools import lru_cache

from kernelwright.compiler.ir import Element, Pointer, TensorType, Type

_TENSOR = re.compile(r"tensor<((?:\d+x)*)(.+)>")
_POINTER = re.compile(r"!tt\.ptr<([\w]+)(?:, \d+)?>")


@lru_cache(maxsize=4096)
def parse_type(text: str) -> Type:
    """Return the type that `text` writes; what no record fits stays as its text, to be refused later."""
    match = _TENSOR.fullmatch(text)
    if match is not None:
        shape = tuple(int(size) for size in match[1].split("x") if size)
        return TensorType(shape, _element(match[2]))
    return _element(text)


def split_types(text: str) -> list[Type]:
    """Return the types of a list such as `(i32, tensor<4xf32>)` or of a single type."""
    inside = text[1:-1] if text.startswith("(") else text
    parts: list[str] = []
    depth, start = 0, 0
    for position, character in enumerate(inside):
        if character in "<(":
            depth += 1
        elif character in ">)":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(inside[start:position])
            start = position + 1
    parts.append(inside[start:])
    return [parse_type(part.strip()) for part in parts if part.strip()]


def _element(text: str) -> Element:
    match = _POINTER.fullmatch(text)
    if match is not None:
        return Pointer(_scalar(match[1]))
    return text if text.startswith("!") else _scalar(text)


def _scalar(text: str) -> str:
    return "i64" if text == "index" else text.lower()
