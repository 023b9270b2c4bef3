"""The source of the subject as a tree whose nodes know their text, their function and their parents."""

import ast
from collections.abc import Iterator
from functools import cached_property

# Calls of the language whose results are floats whatever goes in.
_FLOAT_CALLS = {"dot", "exp2", "exp", "sum", "max"}


class SourceTree:
    """A parsed file; all positions are of its text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.root = ast.parse(source)
        self._parents = {child: node for node in ast.walk(self.root) for child in ast.iter_child_nodes(node)}
        lines = source.splitlines(keepends=True)
        self._starts = [sum(len(line) for line in lines[:n]) for n in range(len(lines) + 1)]
        if not source.isascii():
            raise ValueError("the subject must be ASCII: columns of a syntax tree are bytes")

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        """Return the functions of the file by name."""
        return {node.name: node for node in self.root.body if isinstance(node, ast.FunctionDef)}

    def nodes(self) -> Iterator[tuple[str, ast.AST]]:
        """Yield every node inside a function, in the order of the text, with the function's name."""
        for name, function in self.functions.items():
            inside = [node for statement in function.body for node in ast.walk(statement) if hasattr(node, "lineno")]
            yield from ((name, node) for node in sorted(inside, key=self.span))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where the text of `node` starts and ends."""
        if not isinstance(node, ast.expr | ast.stmt | ast.arg | ast.keyword):
            return 0, 0
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.AST) -> str:
        """Return the text of `node`."""
        start, end = self.span(node)
        return self.source[start:end]

    def line(self, node: ast.AST) -> int:
        """Return the line on which `node` starts."""
        return self.source.count("\n", 0, self.span(node)[0]) + 1

    def parent(self, node: ast.AST) -> ast.AST:
        """Return what `node` is a part of."""
        return self._parents[node]

    def is_kernel(self, function: str) -> bool:
        """Return whether a function is compiled by Triton."""
        return any(self.text(decorator) == "triton.jit" for decorator in self.functions[function].decorator_list)

    def float_names(self, function: str) -> set[str]:
        """Return the variables of a kernel that hold floats, as far as its own assignments show."""
        known: set[str] = set()
        assigned = [(t, v) for node in ast.walk(self.functions[function]) for t, v in assignments(node)]
        for _ in range(len(assigned)):
            found = {target for target, value in assigned if self._is_float(value, known)}
            if found <= known:
                break
            known |= found
        return known

    def _is_float(self, value: ast.expr, known: set[str]) -> bool:
        if isinstance(value, ast.Compare) or called(value) in ("load", "where", "full", "cdiv"):
            return called(value) == "full" and "float" in self.text(value)
        for node in ast.walk(value):
            if called(node) in _FLOAT_CALLS or (isinstance(node, ast.Name) and node.id in known):
                return True
        return False


def assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield name and value of each variable that a statement assigns one expression to."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
        if isinstance(target, ast.Name):
            yield target.id, value
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = zip(target.elts, value.elts, strict=True)
            yield from ((name.id, part) for name, part in pairs if isinstance(name, ast.Name))


def called(node: ast.AST) -> str:
    """Return the last part of the name that a call calls, empty for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""
