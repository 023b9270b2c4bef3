"""A readable dump of the records, for people who look for a fault."""

from collections.abc import Callable
from dataclasses import dataclass

from kernelwright.compiler.ir import Block, Module, Op, Pointer, Region, TensorType, Type, Value


@dataclass(frozen=True)
class OpNotes:
    """Remarks on an op: one behind its line, and lines of their own."""

    beside: str = ""
    below: tuple[str, ...] = ()


Notes = Callable[[Op], OpNotes]


def print_module(module: Module, notes: Notes = lambda op: OpNotes()) -> str:
    """Return the module as text, one line an op: results, name, operands, attributes, types, source line, `notes`."""
    lines: list[str] = []
    for function in module.functions.values():
        args = ", ".join(f"{format_value(value)}: {format_type(value.type)}" for value in function.args)
        lines.append(f"{'entry' if function.is_public else 'function'} {function.name}({args})")
        _print_region(function.body, 1, lines, notes)
    return "\n".join(lines) + "\n"


def format_type(kind: Type) -> str:
    """Return a type as short text: `f32`, `*bf16`, `64x128xf32`."""
    if isinstance(kind, TensorType):
        return "x".join([*map(str, kind.shape), format_type(kind.element)])
    return f"*{kind.pointee}" if isinstance(kind, Pointer) else kind


def format_value(value: Value) -> str:
    """Return a value's number, with its name if it has one."""
    return f"%{value.number}.{value.name}" if value.name and not value.name.isdigit() else f"%{value.number}"


def _print_region(region: Region, depth: int, lines: list[str], notes: Notes) -> None:
    numbers = {id(block): i for i, block in enumerate(region.blocks)}
    for block in region.blocks:
        if len(region.blocks) > 1 or (block.args and block.parent is not None):
            args = ", ".join(f"{format_value(value)}: {format_type(value.type)}" for value in block.args)
            lines.append(f"{'  ' * depth}block {numbers[id(block)]}({args})")
        for op in block.ops:
            told, margin = notes(op), "  " * (depth + 1)
            lines.append(margin + _format_op(op, numbers) + (f"  ; {told.beside}" if told.beside else ""))
            lines.extend(f"{margin}  ; {line}" for line in told.below)
            for number, inner in enumerate(op.regions):
                if number:
                    lines.append("  " * (depth + 2) + "next region")
                _print_region(inner, depth + 2, lines, notes)


def _format_op(op: Op, numbers: dict[int, int]) -> str:
    results = ", ".join(map(format_value, op.results)) + " = " if op.results else ""
    attrs = " {" + ", ".join(f"{k}={v!r}" for k, v in op.attrs.items()) + "}" if op.attrs else ""
    types = " : " + ", ".join(format_type(value.type) for value in op.results) if op.results else ""
    successors = "".join(f" -> {_format_successor(block, args, numbers)}" for block, args in op.successors)
    return (
        f"{results}{op.name} {', '.join(map(format_value, op.operands))}{attrs}{successors}{types}  @{op.location.line}"
    )


def _format_successor(block: Block, args: list[Value], numbers: dict[int, int]) -> str:
    return f"{numbers[id(block)]}({', '.join(map(format_value, args))})"
