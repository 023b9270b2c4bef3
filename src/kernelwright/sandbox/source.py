"""Reading a candidate's source before anything of it runs."""

import ast
from collections.abc import Iterator, Mapping, Sequence

from kernelwright.core.fault import Fault
from kernelwright.sandbox.refused_words import (
    BORROWED_MODULES,
    FORMAT_FIELD,
    PLAIN_DUNDER_ATTRIBUTES,
    PLAIN_DUNDER_NAMES,
    PLAIN_PRIVATE,
    PLAIN_STARS,
    REACHING_ATTRIBUTES,
    REACHING_MODULES,
    REFUSED_METHODS,
    REFUSED_NAMES,
    REFUSED_PATHS,
    REFUSED_SETTINGS,
    is_dunder,
)

Finding = tuple[int, str]

ALLOWED_IMPORTS = ("triton", "torch", "math", "typing")
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


def _findings(tree: ast.Module, imports: tuple[str, ...]) -> Iterator[Finding]:
    paths = _bound_paths(tree)
    refused = REFUSED_NAMES - {"input"} if _binds(tree, "input") else REFUSED_NAMES
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _import_findings(node, imports)
        elif isinstance(node, ast.Name):
            if node.id in refused or (is_dunder(node.id) and node.id not in PLAIN_DUNDER_NAMES):
                yield node.lineno, f"the name {node.id} is not available to candidates"
        elif isinstance(node, ast.Attribute):
            yield from _attribute_findings(node, paths)
        elif isinstance(node, ast.MatchClass):
            for name in filter(is_dunder, node.kwd_attrs):
                yield node.cls.lineno, _attribute_reason(name)
        elif isinstance(node, ast.ClassDef):
            yield from _class_findings(node)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "type" and len(node.args) != 1:
                yield node.lineno, "type with other than one argument makes a class; write class"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = FORMAT_FIELD.search(node.value)
            if found is not None:
                yield node.lineno, f"a format field asks for {found.group(1)}"


def _import_findings(node: ast.Import | ast.ImportFrom, imports: tuple[str, ...]) -> Iterator[Finding]:
    if isinstance(node, ast.ImportFrom) and (node.level or node.module is None):
        yield node.lineno, "relative imports have nothing to refer to; a candidate is one file"
        return
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return
    modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    for module in modules:
        parts = module.split(".")
        if parts[0] not in imports or BORROWED_MODULES.intersection(parts[1:]):
            yield node.lineno, f"import of {module}; a candidate may import {', '.join(imports)}"
            return
        refused = _refused_path(module)
        if refused:
            yield node.lineno, f"import of {module}; {refused} reaches around the sandbox"
            return
    if isinstance(node, ast.ImportFrom):
        yield from _alias_findings(node, modules[0])


def _alias_findings(node: ast.ImportFrom, module: str) -> Iterator[Finding]:
    for alias in node.names:
        name = alias.name
        if name == "*":
            if not module.startswith(PLAIN_STARS):
                yield node.lineno, f"import of * from {module}; name what the file uses"
        elif (
            name in BORROWED_MODULES | REFUSED_NAMES | REFUSED_SETTINGS
            or is_dunder(name)
            or _refused_path(f"{module}.{name}")
        ):
            yield node.lineno, f"import of {name} from {module}; it reaches around the sandbox"


def _attribute_findings(node: ast.Attribute, paths: Mapping[str, str]) -> Iterator[Finding]:
    if (is_dunder(node.attr) and node.attr not in PLAIN_DUNDER_ATTRIBUTES) or node.attr in REACHING_ATTRIBUTES:
        yield node.lineno, _attribute_reason(node.attr)
        return
    if node.attr in REFUSED_SETTINGS:
        yield node.lineno, f"{node.attr} changes the process, a candidate may not"
        return
    path = _path(node, paths)
    if node.attr in REACHING_MODULES or (node.attr in BORROWED_MODULES and path):
        yield node.lineno, f"{ast.unparse(node)} is a module that a candidate may not use"
    elif path and _refused_path(path):
        yield node.lineno, f"{ast.unparse(node)} is not available to candidates: {_refused_path(path)} is refused"


def _class_findings(node: ast.ClassDef) -> Iterator[Finding]:
    if any(keyword.arg in (None, "metaclass") for keyword in node.keywords):
        yield node.lineno, f"class {node.name} has a metaclass"
    if any(isinstance(base, ast.Name) and base.id == "type" for base in node.bases):
        yield node.lineno, f"class {node.name} derives from type"
    for part in node.body:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.name in REFUSED_METHODS:
            yield part.lineno, f"class {node.name} defines {part.name}"


def _bound_paths(tree: ast.Module) -> dict[str, str]:
    """Return what names stand for that imports bind, and plain assignments of those: `tl` is triton.language."""
    paths: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                paths[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom) and node.module:
            paths |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            path = _path(node.value, paths)
            if path:
                paths[node.targets[0].id] = path
    return paths


def _path(node: ast.expr, paths: Mapping[str, str]) -> str:
    """Return the dotted path of a chain of attributes that begins at an import; empty for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in paths:
        return ""
    return ".".join([paths[node.id], *reversed(parts)])


def _refused_path(path: str) -> str:
    """Return the part of a dotted path that is refused; empty if none is."""
    parts = path.split(".")
    for number in range(1, len(parts)):
        reached = ".".join(parts[: number + 1])
        is_private = parts[number].startswith("_") and not parts[number].startswith(PLAIN_PRIVATE)
        if reached in REFUSED_PATHS or is_private:
            return reached
    return ""


def _binds(tree: ast.Module, name: str) -> bool:
    """Return whether the file has a parameter or variable called `name`, as tensor code often has `input`."""
    return any(
        (isinstance(node, ast.arg) and node.arg == name)
        or (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store))
        for node in ast.walk(tree)
    )


def _attribute_reason(name: str) -> str:
    return f"the attribute {name} is not available to candidates"
