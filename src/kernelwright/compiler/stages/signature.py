"""What a kernel's parameters are: from an option, else from annotations, defaults and names."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import triton.language as tl

from kernelwright.core.errors import RequestError, UnknownNameError

SCALARS = (
    "i1", "i8", "i16", "i32", "i64", "u1", "u8", "u16", "u32", "u64", "fp16", "bf16", "fp32", "fp64",
    "fp8e4nv", "fp8e5", "fp8e4b8", "fp8e5b16",
)  # fmt: skip
HINTS = (1, 16)
_POINTER_NAME = re.compile(r"(_ptr|Ptr|_pointer)s?$")
_DERIVED_POINTER = "*fp32"
# Types that language objects go by, for constants such as ACC=fp32.
_LANGUAGE = {
    "fp16": tl.float16, "bf16": tl.bfloat16, "fp32": tl.float32, "fp64": tl.float64,
    "i8": tl.int8, "i16": tl.int16, "i32": tl.int32, "i64": tl.int64,
}  # fmt: skip


@dataclass
class Signature:
    """Types by parameter, "constexpr" for constants, whose values are apart; `divisible` by 16; `assumed` in words."""

    types: dict[str, str] = field(default_factory=dict)
    constants: dict[str, object] = field(default_factory=dict)
    divisible: set[str] = field(default_factory=set)
    assumed: list[str] = field(default_factory=list)


def signature_of(parameters: Sequence[Any], text: str | None, tuned: Mapping[str, object]) -> Signature:
    """Return the signature of a kernel's `parameters`, which are Triton's.

    `text` is either Triton's form, a type or constant for each parameter in order (`*fp32:16, i32, 1024`), or
    `NAME=TYPE` for those that need it. The rest comes from annotations, defaults, `tuned` constants and names that
    end in _ptr. Raises RequestError naming the parameters that are left.
    """
    given = _given([p.name for p in parameters], text)
    found = Signature()
    missing: list[Any] = []
    for parameter in parameters:
        name = parameter.name
        if name in given:
            _take(found, parameter, given[name])
        elif not _derive(found, parameter, tuned):
            missing.append(parameter)
    if missing:
        example = ",".join(f"{p.name}={'1024' if p.is_constexpr else 'i32'}" for p in missing)
        names = ", ".join(p.name for p in missing)
        raise RequestError(f"every parameter must have a type or value, {names} must be given: --signature '{example}'")
    found.types = {p.name: found.types[p.name] for p in parameters}
    return found


def _given(names: Sequence[str], text: str | None) -> dict[str, str]:
    items = [item.strip() for item in text.split(",")] if text and text.strip() else []
    named = [item.partition("=") for item in items if "=" in item]
    if not named:
        if items and len(items) < len(names):
            missing = ", ".join(names[len(items) :])
            raise RequestError(
                f"a signature without names must give all {len(names)} parameters, it gives {len(items)}; {missing} "
                f"must follow, or write NAME=TYPE, for example --signature '{names[-1]}=i32'"
            )
        if len(items) > len(names):
            raise RequestError(
                f"a signature must give {len(names)} parameters at most ({', '.join(names)}), it gives {len(items)}"
            )
        return dict(zip(names, items, strict=False))
    if len(named) < len(items):
        raise RequestError(f"a signature must name all of its parameters or none, got '{text}'")
    for name, _, _ in named:
        if name.strip() not in names:
            raise UnknownNameError("parameter", name.strip(), names)
    return {name.strip(): value.strip() for name, _, value in named}


def _take(found: Signature, parameter: Any, text: str) -> None:
    kind, _, hint = text.partition(":")
    name, kind = parameter.name, kind.strip()
    if parameter.is_constexpr:
        found.types[name], found.constants[name] = "constexpr", _constant(name, text)
        return
    if kind.removeprefix("*") not in SCALARS:
        value = _constant(name, kind, of="a type such as *fp32 or i32, or a constant")
        found.types[name], found.constants[name] = "constexpr", value
        return
    if hint and hint.strip() not in map(str, HINTS):
        raise RequestError(f"parameter {name}: what follows ':' must be 1 or 16, got '{hint}'")
    if hint.strip() == "1":
        found.types[name], found.constants[name] = "constexpr", 1
        return
    found.types[name] = kind
    if hint:
        found.divisible.add(name)


def _constant(name: str, text: str, of: str = "a constant such as 1024, True or fp32") -> object:
    if text in _LANGUAGE:
        return _LANGUAGE[text]
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise RequestError(f"parameter {name} must be {of}, got '{text}'") from None
    return value


def _derive(found: Signature, parameter: Any, tuned: Mapping[str, object]) -> bool:
    """Take what annotation, default or name say of a parameter; return whether they say enough."""
    name = parameter.name
    if parameter.is_constexpr or name in tuned:
        if name not in tuned and not parameter.has_default:
            return False
        value = tuned.get(name, parameter.default)
        found.types[name] = "constexpr"
        found.constants[name] = getattr(value, "value", value) if type(value).__name__ == "constexpr" else value
        if name in tuned:
            found.assumed.append(f"{name}={value}")
        return True
    kind = parameter.annotation_type
    if not kind and parameter.has_default and isinstance(parameter.default, int | float):
        kind = "i32" if isinstance(parameter.default, int) else "fp32"
        found.assumed.append(f"{name}={kind}")
    if not kind and _POINTER_NAME.search(name):
        kind = _DERIVED_POINTER
        found.assumed.append(f"{name}={kind}")
    if kind:
        found.types[name] = kind
    return bool(kind)
