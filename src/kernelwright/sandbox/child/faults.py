"""From an exception in candidate code to the fault that the verdict shows."""

import ast
import contextlib
import re
import traceback

from triton.compiler.errors import CompilationError

from kernelwright.core.fault import Fault
from kernelwright.sandbox.child.fixes import fix_of
from kernelwright.sandbox.child.refusal import CANDIDATE_PATH, Refusal

MAX_REASON = 400
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_FRONT_END = ("/triton/compiler/", "/triton/language/", "/triton/runtime/jit.py", "/compiler/plugin/compiler.py")


def fault_of(error: BaseException, source: str, diagnostics: str = "") -> Fault:
    """Return the fault that `error`, raised while `source` ran, stands for.

    `diagnostics` is what the front end printed; MLIR's own errors have their text only there.
    """
    if isinstance(error, Refusal):
        return error.fault
    compilation = _innermost_compilation_error(error)
    if compilation is not None:
        return _compile_fault(compilation, source)
    line = _candidate_line(error)
    facts: dict[str, object] = {"line": line, "exception": type(error).__name__}
    text = one_line(str(error))
    if isinstance(error, NotImplementedError):
        return Fault("incorrect", f"raises NotImplementedError: {text} (line {line})", facts)
    if isinstance(error, MemoryError):
        return Fault("over_limit", f"host code needs more memory than allowed (line {line})", facts)
    if isinstance(error, RuntimeError) and _is_front_end(error):
        detail = one_line(_first_diagnostic(diagnostics)) or text
        return _with_fix(f"Triton refuses the kernel launched in line {line}: {detail}", detail, facts)
    return Fault("runtime_error", f"host code raised {type(error).__name__}: {text} (line {line})", facts)


def one_line(text: str) -> str:
    """Return `text` on one line, without addresses, cut to a length that people read."""
    flat = _ADDRESS.sub("0x...", " ".join(text.split()))
    return flat if len(flat) <= MAX_REASON else flat[: MAX_REASON - 3] + "..."


def _innermost_compilation_error(error: BaseException | None) -> CompilationError | None:
    found = None
    while error is not None:
        if isinstance(error, CompilationError):
            found = error
        error = error.__cause__ or error.__context__
    return found


def _compile_fault(error: CompilationError, source: str) -> Fault:
    line = _line_in_file(error, source)
    lines = source.splitlines()
    excerpt = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    cause = error.__cause__ or error.__context__
    message = one_line(error.error_message or (str(cause) if cause is not None else "") or type(error).__name__)
    place = f" in `{excerpt[:120]}`" if excerpt else ""
    return _with_fix(f"line {line}: {message}{place}", message, {"line": line, "code": excerpt[:120]})


def _with_fix(reason: str, message: str, facts: dict[str, object]) -> Fault:
    fix = fix_of(message)
    return Fault("compile_error", f"{reason}. Fix: {fix}" if fix else reason, {**facts, "fix": fix} if fix else facts)


def _line_in_file(error: CompilationError, source: str) -> int:
    """Return the line of `source` that `error` means; its own count starts at the kernel's `def`."""
    inner = getattr(error.node, "lineno", 1)
    name = re.match(r"def\s+(\w+)", error.src or "")
    if name is None:
        return 0
    functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef) and n.name == name.group(1)]
    lines = source.splitlines()
    first = (error.src or "").splitlines()[0].strip()
    starts = [f.lineno for f in functions if lines[f.lineno - 1].strip() == first] or [f.lineno for f in functions]
    return starts[-1] + inner - 1 if starts else 0


def _candidate_line(error: BaseException) -> int:
    frames = [
        line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == CANDIDATE_PATH
    ]
    return frames[-1] if frames else 0


def _is_front_end(error: BaseException) -> bool:
    innermost = ""
    with contextlib.suppress(IndexError):
        innermost = traceback.extract_tb(error.__traceback__)[-1].filename
    return any(part in innermost for part in _FRONT_END)


def _first_diagnostic(diagnostics: str) -> str:
    found = re.search(r"error: (.+)", diagnostics)
    return found.group(1) if found else ""
