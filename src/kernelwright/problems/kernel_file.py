"""Reading Python files of other people without running them: the entry of a kernel file, the function of an oracle."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.problems.draft import Scalar

# Decorators, by their last name, that make something else of a function than what host code calls.
_NO_ENTRY = frozenset({"jit", "autotune", "heuristics", "perf_report", "fixture"})


@dataclass(frozen=True)
class Parameter:
    """One parameter of a function; `default` counts where `has_default`, a plain value."""

    name: str
    has_default: bool = False
    default: Scalar = None


@dataclass(frozen=True)
class Function:
    """A function of a file: what it is called with, by position."""

    name: str
    parameters: tuple[Parameter, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the parameters, in order."""
        return tuple(parameter.name for parameter in self.parameters)


def parse_python(source: str, what: str) -> ast.Module:
    """Return the tree of a file; raises RequestError with the line where it is no Python."""
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise RequestError(f"{what} must be Python, line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise RequestError(f"{what} must be Python that can be parsed: {error}") from None


def entry_of(source: str, named: str | None, what: str = "the kernel file", option: str = "--entry") -> Function:
    """Return the function `named`, or the only public one that is no kernel; raises RequestError."""
    found = {
        node.name: node
        for node in parse_python(source, what).body
        if isinstance(node, ast.FunctionDef) and not _is_kernel(node)
    }
    public = [name for name in found if not name.startswith("_")]
    if named is not None and named not in found:
        raise UnknownNameError(f"function of {what}", named, found)
    if named is None and len(public) != 1:
        if not public:
            raise RequestError(f"{what} must define a function that is called, beside its kernels; it defines none")
        raise RequestError(f"{what} defines {', '.join(public)}; say which one is called: {option} {public[0]}")
    return _function(found[named or public[0]], what)


def _is_kernel(node: ast.FunctionDef) -> bool:
    return any(_last_name(decorator) in _NO_ENTRY for decorator in node.decorator_list)


def _last_name(node: ast.expr) -> str:
    target = node.func if isinstance(node, ast.Call) else node
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""


def _function(node: ast.FunctionDef, what: str) -> Function:
    given = node.args
    required = [arg.arg for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None]
    if given.vararg or given.kwarg or required:
        raise RequestError(
            f"{node.name} of {what} must take its arguments by position, not as *args, **kwargs or behind a *"
        )
    positional = [*given.posonlyargs, *given.args]
    defaults: Sequence[ast.expr | None] = [*[None] * (len(positional) - len(given.defaults)), *given.defaults]
    return Function(node.name, tuple(_parameter(a, d) for a, d in zip(positional, defaults, strict=True)))


def _parameter(argument: ast.arg, default: ast.expr | None) -> Parameter:
    if default is None:
        return Parameter(argument.arg)
    try:
        value = ast.literal_eval(default)
    except (ValueError, TypeError, SyntaxError):
        return Parameter(argument.arg)
    if value is not None and not isinstance(value, int | float):
        return Parameter(argument.arg)
    return Parameter(argument.arg, True, value)
