"""The one adapter to Triton's internals, whose names move with each minor version."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from triton._C.libtriton import ir, passes

from kernelwright.compiler.limits import check_calls, check_text
from kernelwright.core.errors import CompileError


def run_target_independent_passes(module: Any) -> None:
    """Bring a fresh Triton IR module into the form that plans carry, in place.

    The list is Triton's own target-independent one: inlining, canonical form, common
    subexpressions, unrolling of loops marked so; block pointers and descriptors become pointers.
    """
    check_calls(_functions(module))
    manager = ir.pass_manager(module.context)
    passes.common.add_inliner(manager)
    # Block pointers left the language in 3.9, and the pass that lowers them with it.
    rewrite_block_pointers = getattr(passes.ttir, "add_rewrite_tensor_pointer", None)
    if rewrite_block_pointers is not None:
        rewrite_block_pointers(manager)
    passes.ttir.add_rewrite_tensor_descriptor_to_pointer(manager)
    passes.common.add_canonicalizer(manager)
    passes.ttir.add_combine(manager)
    passes.ttir.add_reorder_broadcast(manager)
    passes.common.add_cse(manager)
    passes.ttir.add_triton_licm(manager)
    passes.common.add_symbol_dce(manager)
    passes.ttir.add_loop_unroll(manager)
    passes.common.add_canonicalizer(manager)
    manager.run(module, "kernelwright_ttir")


def _functions(module: Any) -> dict[str, tuple[int, list[str]]]:
    """Return the number of ops and the callees of each function."""
    found: dict[str, tuple[int, list[str]]] = {}
    ops, callees = 0, []

    # The walk is post-order: a function comes behind its ops.
    def visit(op: Any) -> None:
        nonlocal ops, callees
        name = op.get_name()
        ops += 1
        if name == "tt.call":
            callees.append(op.get_flat_symbol_ref_attr("callee"))
        elif name == "tt.func":
            found[op.get_str_attr("sym_name")] = (ops, callees)
            ops, callees = 0, []

    module.walk(visit)
    return found


def parse_module(path: str) -> tuple[Any, Any]:
    """Return (module, context) of the Triton IR text in file `path`; the context must stay alive."""
    context = ir.context()
    ir.load_dialects(context)
    module = ir.parse_mlir_module(path, context)
    module.context = context
    return module, context


@dataclass(slots=True)
class RawOp:
    """One operation as the binding shows it: values, blocks and regions are identity numbers."""

    name: str
    operands: list[int]
    results: list[tuple[int, str]]
    regions: list["RawRegion"]


@dataclass(slots=True)
class RawBlock:
    """One block: its arguments as (identity, type text), its ops in order."""

    args: list[tuple[int, str]]
    ops: list[RawOp]


@dataclass(slots=True)
class RawRegion:
    """One region: its blocks, entry first."""

    blocks: list[RawBlock]


def read_text(ttir: str) -> tuple[RawOp, str, str]:
    """Return (structure, canonical text with locations, path that locations made by the parser name).

    Raises CompileError when the text is not a Triton IR module.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".ttir") as file:
        file.write(ttir)
        file.flush()
        try:
            module, context = parse_module(file.name)
        except RuntimeError as error:
            raise CompileError(f"a kernel must be a Triton IR module, its text does not parse: {error}") from None
        root = _raw_structure(module)
        text = str(module)
        del module, context
        return root, text, file.name


def _raw_structure(module: Any) -> RawOp:
    blocks: dict[int, RawBlock] = {}
    regions: dict[int, RawRegion] = {}
    seen: list[RawOp] = []

    def visit(op: Any) -> None:
        raw = RawOp(
            op.get_name(),
            [op.get_operand(i).id() for i in range(op.get_num_operands())],
            [(v.id(), str(v.get_type())) for v in map(op.get_result, range(op.get_num_results()))],
            [regions.setdefault(op.get_region(i).id(), RawRegion([])) for i in range(op.get_num_regions())],
        )
        seen.append(raw)
        if raw.name == "builtin.module":
            return
        block = op.get_block()
        known = blocks.get(block.id())
        if known is None:
            args = [(v.id(), str(v.get_type())) for v in map(block.get_argument, range(block.get_num_arguments()))]
            known = blocks[block.id()] = RawBlock(args, [])
            regions.setdefault(block.get_parent().id(), RawRegion([])).blocks.append(known)
        known.ops.append(raw)

    # The walk is post-order: an op comes after those in its regions, the module last.
    module.walk(visit)
    return seen[-1]


def inline_calls(text: str) -> str:
    """Return a kernel's IR with every call replaced by the body of what it calls. Raises OverLimitError."""
    check_text(text)
    with tempfile.NamedTemporaryFile("w", suffix=".ttir") as file:
        file.write(text.replace("noinline = true", "noinline = false"))
        file.flush()
        module, context = parse_module(file.name)
    check_calls(_functions(module))
    manager = ir.pass_manager(context)
    passes.common.add_inliner(manager)
    passes.common.add_symbol_dce(manager)
    passes.common.add_canonicalizer(manager)
    manager.run(module, "kernelwright_inline")
    return str(module)


def triton_ir(
    function: Any, types: dict[str, str], constants: dict[str, object], divisible: set[str], options: Mapping[str, int]
) -> str:
    """Return the Triton IR of a `@triton.jit` function, as plans carry it.

    `types` has all parameters in order, "constexpr" for those in `constants`; those in `divisible` are multiples of 16.
    Raises CompileError in one line for what Triton's own front end refuses.
    """
    # Triton loads us while it loads itself.
    from triton.backends.compiler import GPUTarget  # noqa: PLC0415
    from triton.compiler import ASTSource, compile  # noqa: PLC0415
    from triton.errors import TritonError  # noqa: PLC0415

    attrs = {(n,): [["tt.divisibility", 16]] for n, name in enumerate(types) if name in divisible}
    values = {(n,): constants[name] for n, name in enumerate(types) if name in constants}
    try:
        source = ASTSource(function, types, values, attrs)
        compiled = compile(source, target=GPUTarget("kernelwright", "host", 1), options=dict(options))
    except TritonError as error:
        place = getattr(error, "node", None)
        line = getattr(place, "lineno", None)
        # Lines of the front end count from the `def`, those of the function from its first decorator.
        above = next(n for n, text in enumerate(function.raw_src) if text.lstrip().startswith("def "))
        where = f"line {function.starting_line_number + above + line - 1}: " if line is not None else ""
        raise CompileError(f"{where}Triton refuses {function.__name__}: {_innermost_message(error)}") from None
    return str(compiled.asm["ttir"])


def _innermost_message(error: BaseException) -> str:
    """Return in one line what went wrong where an error of Triton's front end began."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(getattr(error, "error_message", None) or error).split())
