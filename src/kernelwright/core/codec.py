"""Frozen records to JSON values and back, strictly: unknown keys and wrong types are errors."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from kernelwright.core.errors import RequestError

T = TypeVar("T")


def to_json(value: object) -> object:
    """Return `value` as JSON values: records become objects, tuples arrays."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def from_json(kind: type[T], value: object, where: str = "value") -> T:
    """Return `value` as a record of type `kind`.

    Unions of records are told apart by their field names. Raises RequestError naming the place.
    """
    return cast(T, _decode(kind, value, where))


def _decode(kind: Any, value: object, where: str) -> object:
    origin = typing.get_origin(kind)
    if kind in (Any, object):
        return value
    if origin is typing.Literal:
        return _require(value in typing.get_args(kind), value, where, f"one of {typing.get_args(kind)}")
    if origin in (types.UnionType, typing.Union):
        return _decode_union(typing.get_args(kind), value, where)
    if origin is tuple:
        return _decode_tuple(typing.get_args(kind), value, where)
    if origin in (dict, Mapping) or getattr(origin, "__name__", "") == "Mapping":
        item = typing.get_args(kind)[1]
        mapping = cast(dict[str, object], _require(isinstance(value, dict), value, where, "an object"))
        return {key: _decode(item, part, f"{where}.{key}") for key, part in mapping.items()}
    if dataclasses.is_dataclass(kind):
        return _decode_record(cast(type, kind), value, where)
    if kind is float:
        ok = isinstance(value, int | float) and not isinstance(value, bool)
        return float(cast(float, _require(ok, value, where, "a number")))
    if kind is type(None):
        return _require(value is None, value, where, "null")
    exact = type(value) is kind
    return _require(exact, value, where, kind.__name__)


def _decode_union(kinds: tuple[Any, ...], value: object, where: str) -> object:
    # An exact type first: a whole number in `float | int` must not become a float and lose digits.
    for kind in sorted(kinds, key=lambda kind: type(value) is not kind):
        try:
            return _decode(kind, value, where)
        except RequestError:
            continue
    names = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    return _require(False, value, where, names)


def _decode_tuple(kinds: tuple[Any, ...], value: object, where: str) -> object:
    items = cast(list[object], _require(isinstance(value, list | tuple), value, where, "an array"))
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_decode(kinds[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    _require(len(items) == len(kinds), value, where, f"{len(kinds)} items")
    return tuple(_decode(k, item, f"{where}[{i}]") for i, (k, item) in enumerate(zip(kinds, items, strict=True)))


def _decode_record(kind: type, value: object, where: str) -> object:
    mapping = cast(dict[str, object], _require(isinstance(value, dict), value, where, "an object"))
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(mapping) - set(hints))
    _require(not unknown, unknown, where, f"only the fields {', '.join(sorted(hints))}")
    try:
        return kind(**{k: _decode(hints[k], part, f"{where}.{k}") for k, part in mapping.items()})
    except TypeError as error:
        raise RequestError(f"{where} must hold every field of {kind.__name__}: {error}") from None


def _require(ok: bool, value: object, where: str, wanted: str) -> object:
    if not ok:
        shown = repr(value)[:80]
        raise RequestError(f"{where} must be {wanted}, got {shown}")
    return value
