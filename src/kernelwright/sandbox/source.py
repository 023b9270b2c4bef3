"""Reading a candidate's source before anything of it runs."""

import ast
from collections.abc import Iterator, Sequence

from kernelwright.core.fault import Fault

ALLOWED_IMPORTS = ("triton", "torch", "math", "typing")
REFUSED_NAMES = frozenset({
    "open", "exec", "eval", "compile", "__import__", "globals", "locals", "getattr", "setattr", "delattr",
    "vars", "input", "breakpoint",
})  # fmt: skip
PLAIN_DUNDER_NAMES = frozenset({"__name__", "__all__", "__doc__", "__version__"})
# Modules that no tensor or configuration has an honest attribute for.
REACHING_MODULES = frozenset({
    "os", "sys", "subprocess", "builtins", "importlib", "ctypes", "socket", "threading", "multiprocessing", "pickle",
    "shutil", "pathlib", "tempfile", "runpy", "asyncio", "concurrent", "inspect", "linecache",
})  # fmt: skip
# More that torch and triton expose; refused behind a module only, for an object may have a `time` of its own.
BORROWED_MODULES = REACHING_MODULES | {
    "gc", "time", "signal", "operator", "functools", "io", "platform", "weakref",
}  # fmt: skip
# Settings of a process, which outlast a call and would slow down whatever else runs there.
REFUSED_SETTINGS = frozenset({"set_num_threads", "set_num_interop_threads", "set_flush_denormal"})
# A file of this length is no longer something that a person or an engineer wrote by hand.
MAX_SOURCE_BYTES = 1 << 20


def check_source(source: str, entry: str, imports: Sequence[str] = ALLOWED_IMPORTS) -> Fault | None:
    """Return the first fault that can be seen in the text of a candidate, or None.

    Syntax first, then imports outside `imports`, names and attributes that reach around the
    sandbox, and last whether the file defines `entry`. `facts` holds the line.
    """
    if len(source.encode(errors="replace")) > MAX_SOURCE_BYTES:
        return Fault("over_limit", f"the source may have {MAX_SOURCE_BYTES} bytes, it has {len(source.encode())}")
    try:
        tree = ast.parse(source)
        compile(tree, "candidate.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        line = error.lineno or 0
        return Fault("compile_error", f"line {line}: {error.msg}", {"line": line})
    except (ValueError, RecursionError, MemoryError, UnicodeError) as error:
        return Fault("compile_error", f"Python cannot parse the file: {error}")
    try:
        found = sorted(_findings(tree, tuple(imports)))
    except RecursionError:
        return Fault("compile_error", "the source nests too deeply to be read; flatten its expressions")
    if found:
        line, reason = found[0]
        return Fault("cheating", f"line {line}: {reason}", {"line": line})
    return _check_entry(tree, entry)


def _check_entry(tree: ast.Module, entry: str) -> Fault | None:
    defined = _defined_names(tree.body)
    if entry in defined:
        return None
    names = ", ".join(defined) or "nothing"
    return Fault("compile_error", f"the file must define the function {entry}; it defines {names}")


def _defined_names(body: Sequence[ast.stmt]) -> list[str]:
    names: list[str] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.If):
            names += _defined_names([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            names += _defined_names([*node.body, *node.orelse, *node.finalbody])
    return names


def _findings(tree: ast.Module, imports: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    modules = _module_names(tree)
    refused = REFUSED_NAMES - {"input"} if _binds(tree, "input") else REFUSED_NAMES
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _import_findings(node, imports)
        elif isinstance(node, ast.Name):
            if node.id in refused or (_is_dunder(node.id) and node.id not in PLAIN_DUNDER_NAMES):
                yield node.lineno, f"the name {node.id} is not available to candidates"
        elif isinstance(node, ast.Attribute):
            yield from _attribute_findings(node, modules)
        elif isinstance(node, ast.MatchClass):
            for name in filter(_is_dunder, node.kwd_attrs):
                yield node.cls.lineno, _dunder_reason(name)


def _import_findings(node: ast.Import | ast.ImportFrom, imports: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.ImportFrom) and (node.level or node.module is None):
        yield node.lineno, "relative imports have nothing to refer to; a candidate is one file"
        return
    modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    for module in modules:
        if module == "__future__":
            continue
        parts = module.split(".")
        if parts[0] not in imports or BORROWED_MODULES.intersection(parts[1:]):
            yield node.lineno, f"import of {module}; a candidate may import {', '.join(imports)}"
            return
    if isinstance(node, ast.ImportFrom) and node.module != "__future__":
        for alias in node.names:
            if alias.name in BORROWED_MODULES | REFUSED_NAMES | REFUSED_SETTINGS or _is_dunder(alias.name):
                yield node.lineno, f"import of {alias.name} from {node.module}; it reaches around the sandbox"


def _attribute_findings(node: ast.Attribute, modules: frozenset[str]) -> Iterator[tuple[int, str]]:
    if _is_dunder(node.attr):
        yield node.lineno, _dunder_reason(node.attr)
    elif node.attr in REFUSED_SETTINGS:
        yield node.lineno, f"{node.attr} changes the process, a candidate may not"
    elif node.attr in REACHING_MODULES or (node.attr in BORROWED_MODULES and _root_name(node.value) in modules):
        yield node.lineno, f"{ast.unparse(node)} is a module that a candidate may not use"


def _module_names(tree: ast.Module) -> frozenset[str]:
    """Return the names that imports bind: a chain of attributes from one of them may end in a module."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
    return frozenset(names)


def _binds(tree: ast.Module, name: str) -> bool:
    """Return whether the file has a parameter or variable called `name`, as tensor code often has `input`."""
    return any(
        (isinstance(node, ast.arg) and node.arg == name)
        or (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store))
        for node in ast.walk(tree)
    )


def _root_name(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_dunder(name: str) -> bool:
    return len(name) > 4 and name.startswith("__") and name.endswith("__")


def _dunder_reason(name: str) -> str:
    return f"the attribute {name} is not available to candidates"
