"""Making host code that returns new tensors write to tensors that it is given, by editing its text.

Candidates write to outputs that the judge has prepared. Most Triton files allocate the result and return it; where the
function allocates it with torch.empty in one place and returns it in one place, its text can be changed to take it.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernelwright.core.errors import RequestError
from kernelwright.problems.kernel_file import parse_python

_ALLOCATIONS = frozenset({"empty", "empty_like", "new_empty"})


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: bytes


def with_destinations(source: str, entry: str, outputs: Sequence[str]) -> str:
    """Return `source` with the function `entry` taking `outputs`, in order, instead of allocating and returning them.

    Raises RequestError naming what the function would have to look like.
    """
    tree = parse_python(source, "the kernel file")
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry)
    text = _Text(source.encode())
    returned = _returned(function, outputs)
    edits = [text.without(returned.statement), *_signature(function, outputs, text)]
    for output, local in returned.locals.items():
        allocation = _allocation(function, local, output)
        name = "" if local == output else f"{local} = {output}"
        _require_free(function, output, local)
        edits.append(text.replaced(allocation, name) if name else text.without(allocation))
    changed = text.apply(edits)
    parse_python(changed, "the changed kernel file")
    return changed


@dataclass(frozen=True)
class _Returned:
    """The one return statement, and the local name of each output."""

    statement: ast.Return
    locals: Mapping[str, str]


class _Text:
    """A file's bytes, in which the tree's columns count."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts = [0]
        for line in data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def start(self, node: ast.expr | ast.stmt | ast.arg) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt | ast.arg) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def replaced(self, node: ast.stmt, text: str) -> _Edit:
        return _Edit(self.start(node), self.end(node), text.encode())

    def without(self, node: ast.stmt) -> _Edit:
        """Return the edit that drops a statement with its lines; raises RequestError when it shares them."""
        assert node.end_lineno is not None
        first, last = self._starts[node.lineno - 1], self._starts[node.end_lineno]
        behind = self._data[self.end(node) : last].strip()
        if self._data[first : self.start(node)].strip() or (behind and not behind.startswith(b"#")):
            raise RequestError(f"line {node.lineno} of the kernel file must hold one statement, it holds more")
        return _Edit(first, last, b"")

    def arrow(self, function: ast.FunctionDef) -> _Edit | None:
        """Return the edit that drops a function's `-> type`."""
        if function.returns is None:
            return None
        end = self.end(function.returns)
        return _Edit(self._data.rindex(b")", 0, self._data.rindex(b"->", 0, end)) + 1, end, b"")

    def apply(self, edits: Sequence[_Edit]) -> str:
        data = self._data
        for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
            data = data[: edit.start] + edit.text + data[edit.end :]
        return data.decode()


def _returned(function: ast.FunctionDef, outputs: Sequence[str]) -> _Returned:
    found = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
    last = function.body[-1]
    if len(found) != 1 or not isinstance(last, ast.Return) or found[0] is not last:
        raise _refused(function, outputs, f"it has {len(found)} return statements, or one that is not its last line")
    names = _names_of(last.value, outputs)
    if names is None or len(names) != len(outputs):
        raise _refused(function, outputs, f"it returns {ast.unparse(last.value) if last.value else 'nothing'}")
    return _Returned(last, names)


def _names_of(value: ast.expr | None, outputs: Sequence[str]) -> dict[str, str] | None:
    if isinstance(value, ast.Dict):
        keys = [key.value if isinstance(key, ast.Constant) else None for key in value.keys]
        parts: Sequence[ast.expr] = value.values
        if sorted(map(str, keys)) != sorted(outputs):
            return None
    else:
        keys, parts = list(outputs), value.elts if isinstance(value, ast.Tuple | ast.List) else [value] if value else []
    if len(parts) != len(outputs) or not all(isinstance(part, ast.Name) for part in parts):
        return None
    return {str(key): part.id for key, part in zip(keys, parts, strict=True) if isinstance(part, ast.Name)}


def _allocation(function: ast.FunctionDef, local: str, output: str) -> ast.Assign:
    bound = [node for node in ast.walk(function) if _binds(node, local)]
    if len(bound) == 1 and bound[0] in function.body and isinstance(bound[0], ast.Assign):
        call = bound[0].value
        is_plain = len(bound[0].targets) == 1 and isinstance(bound[0].targets[0], ast.Name)
        allocates = isinstance(call, ast.Call) and getattr(call.func, "attr", "") in _ALLOCATIONS
        if is_plain and allocates:
            return bound[0]
    raise _refused(function, [output], f"{local} is not allocated by torch.empty or empty_like in one place")


def _binds(node: ast.AST, name: str) -> bool:
    """Return whether a statement gives `name` a value."""
    if isinstance(node, ast.Assign):
        targets: Sequence[ast.AST] = node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For):
        targets = [node.target]
    else:
        return isinstance(node, ast.NamedExpr | ast.arg) and _name_of(node) == name
    return any(isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Store)
               for target in targets for part in ast.walk(target))  # fmt: skip


def _name_of(node: ast.NamedExpr | ast.arg) -> str:
    return node.arg if isinstance(node, ast.arg) else node.target.id


def _require_free(function: ast.FunctionDef, output: str, local: str) -> None:
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    taken = used | {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    if output != local and output in taken:
        raise RequestError(
            f"output {output} must have a name that {function.name} does not use otherwise; "
            f'it returns {local}: write --output "{local}: ..."'
        )


def _signature(function: ast.FunctionDef, outputs: Sequence[str], text: _Text) -> list[_Edit]:
    """Return the edits that put the outputs behind the last parameter without a default."""
    positional = [*function.args.posonlyargs, *function.args.args]
    required = positional[: len(positional) - len(function.args.defaults)]
    if not required:
        raise _refused(function, outputs, "it has no argument without a default")
    place = text.end(required[-1])
    arrow = text.arrow(function)
    return [_Edit(place, place, f", {', '.join(outputs)}".encode()), *([arrow] if arrow else [])]


def _refused(function: ast.FunctionDef, outputs: Sequence[str], why: str) -> RequestError:
    names = ", ".join(outputs)
    return RequestError(
        f"{function.name} must take {names} as arguments and write to them, or allocate them with torch.empty and "
        f"return them on its last line; {why}. Change the kernel file."
    )
