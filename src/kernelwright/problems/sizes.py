"""Sizes as people write them: a number, a name, or a short sum or product such as `B + 1`."""

import ast
import keyword
import operator
from collections.abc import Callable, Mapping
from typing import Any

from kernelwright.core.errors import RequestError

Number = int | float | bool

_OPERATIONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod, ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
# What generated code calls things; a size of that name would hide them.
_TAKEN = frozenset({"params", "rng", "torch", "np", "normal", "integers", "scaled_rows", "torch_dtype"})


def names_in(text: str) -> tuple[str, ...]:
    """Return the names that an expression of sizes uses, in order; raises RequestError where it is none."""
    found = dict.fromkeys(node.id for node in ast.walk(_parsed(text)) if isinstance(node, ast.Name))
    taken = sorted(name for name in found if name in _TAKEN or keyword.iskeyword(name))
    if taken:
        raise RequestError(f"a size must have a name of its own, '{taken[0]}' is taken; call it otherwise")
    return tuple(found)


def value_of(text: str, values: Mapping[str, Number]) -> int:
    """Return what an expression of sizes comes to; a comparison gives 1 or 0. Raises RequestError."""
    try:
        return int(_value(_parsed(text).body, values))
    except KeyError as error:
        raise RequestError(f"size '{text}' must use known sizes, {error} is none of {', '.join(values)}") from None
    except ZeroDivisionError:
        raise RequestError(f"size '{text}' must not divide by zero") from None


def plain_text(text: str) -> str:
    """Return an expression of sizes as Python writes it, so that equal ones are equal texts."""
    return ast.unparse(_parsed(text))


def _parsed(text: str) -> ast.Expression:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        raise _refused(text) from None
    if not _is_plain(tree.body):
        raise _refused(text)
    return tree


def _is_plain(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) is int
    if isinstance(node, ast.BinOp):
        return type(node.op) in _OPERATIONS and _is_plain(node.left) and _is_plain(node.right)
    if isinstance(node, ast.Compare):
        parts = (node.left, *node.comparators)
        return len(parts) == 2 and type(node.ops[0]) in _OPERATIONS and all(map(_is_plain, parts))
    return isinstance(node, ast.Name)


def _value(node: ast.expr, values: Mapping[str, Number]) -> Any:
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.Compare):
        return _OPERATIONS[type(node.ops[0])](_value(node.left, values), _value(node.comparators[0], values))
    return node.value if isinstance(node, ast.Constant) else values[node.id]  # type: ignore[attr-defined]


def _refused(text: str) -> RequestError:
    return RequestError(f"a size must be a number, a name, or both with + - * // %, got '{text.strip()}'")
