"""What a kernel may be at most, so that one that is too large ends as a refusal and never exhausts memory.

Limits stand where growth happens: the text before it is parsed, calls before they are replaced by what they call,
records before code is generated, generated code before LLVM starts. Ordinary kernels are hundreds of ops; the figures
leave them room by a factor of twenty and more.
"""

import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from kernelwright.compiler.ir import Module, Op, Region, TensorType, Value
from kernelwright.core.errors import OverLimitError

MAX_IR_BYTES = 4 << 20
# Brackets in brackets: parsers recurse.
MAX_BRACKETS = 256
MAX_OPS = 10_000
MAX_CALL_DEPTH = 64
# Loops and branches in each other.
MAX_NESTING = 48
# Triton's own limit.
MAX_TENSOR_ELEMENTS = 1 << 20
# `tl.sort` makes a dimension of each bit of a position.
MAX_RANK = 24
MAX_DOTS = 512
# Ops from a load or a constant to their last use, without a dot, a reduction or a loop in between.
MAX_CHAIN = 2_000
# LLVM takes some 40 bytes of memory for each byte of text.
MAX_LLVM_BYTES = 8 << 20
MAX_LLVM_VALUES = 120_000
# A chain's op takes some frames in each of several analyses.
_RECURSION = 12 * MAX_CHAIN

_DOTS = ("tt.dot", "tt.dot_scaled")
_BRACKET = re.compile(r'"(?:[^"\\\n]|\\.)*"|->|[(\[{<]|[)\]}>]')


def check_text(ttir: str) -> None:
    """Raise OverLimitError for text that is too long or too deep to parse."""
    _require("bytes of IR", len(ttir.encode()), MAX_IR_BYTES)
    depth = deepest = 0
    for match in _BRACKET.finditer(ttir):
        mark = match.group(0)
        depth += (mark in "([{<") - (mark in ")]}>")
        deepest = max(deepest, depth)
    _require("brackets in brackets", deepest, MAX_BRACKETS)


def check_calls(functions: Mapping[str, tuple[int, Sequence[str]]]) -> None:
    """Raise OverLimitError when replacing calls by what they call would make too many ops.

    `functions` are the number of ops and the callees of each function; one that reaches itself is left to others.
    """
    sizes: dict[str, int] = {}
    depths: dict[str, int] = {}
    for name in _callees_first(functions):
        ops, callees = functions[name]
        sizes[name] = ops + sum(sizes.get(callee, 0) for callee in callees)
        depths[name] = 1 + max((depths.get(callee, 0) for callee in callees), default=0)
        _require("calls within calls", depths[name] - 1, MAX_CALL_DEPTH)
        _require("ops, calls replaced by what they call,", sizes[name], MAX_OPS)


def check_module(module: Module) -> None:
    """Raise OverLimitError for records that would make too much code."""
    ops = dots = 0
    chains: dict[Value, int] = {}
    for op, depth in _nested(module.entry.body, 0):
        ops += 1
        dots += op.name in _DOTS
        _require("loops and branches in each other", depth, MAX_NESTING, op)
        for value in op.results:
            if isinstance(value.type, TensorType):
                _require("elements in a tensor", value.type.size, MAX_TENSOR_ELEMENTS, op)
                _require("dimensions of a tensor", len(value.type.shape), MAX_RANK, op)
        length = 1 + max((chains.get(operand, 0) for operand in op.operands), default=0)
        _require("ops that need each other without a dot, reduction or loop in between", length, MAX_CHAIN, op)
        if not op.regions and op.name not in _DOTS:
            chains.update(dict.fromkeys(op.results, length))
    _require("ops", ops, MAX_OPS)
    _require("dots", dots, MAX_DOTS)


def check_llvm(size_bytes: int) -> None:
    """Raise OverLimitError for generated code that is too much for LLVM."""
    _require("bytes of LLVM IR", size_bytes, MAX_LLVM_BYTES)


def check_values(count: int) -> None:
    """Raise OverLimitError, while code is generated, for too many values."""
    _require("values in LLVM IR", count, MAX_LLVM_VALUES)


_deep = threading.Lock()
_compiling = 0
_limit_before = 0


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Let functions call each other as deep as the longest chain of ops needs; threads may be inside together."""
    global _compiling, _limit_before  # noqa: PLW0603  # the interpreter's limit is global as well
    with _deep:
        if _compiling == 0:
            _limit_before = sys.getrecursionlimit()
            sys.setrecursionlimit(max(_limit_before, _RECURSION))
        _compiling += 1
    try:
        yield
    finally:
        with _deep:
            _compiling -= 1
            if _compiling == 0:
                sys.setrecursionlimit(_limit_before)


def _require(what: str, came: int, most: int, op: Op | None = None) -> None:
    if came > most:
        line = op.location.line if op is not None else 0
        place = f"line {line}: " if line else ""
        facts = {"figure": came, "limit": most, **({"line": line} if line else {})}
        advice = {
            "elements in a tensor": "Reduce block sizes.",
            "bytes of LLVM IR": "Reduce block sizes, or unroll less.",
            "values in LLVM IR": "Reduce block sizes, or unroll less.",
        }.get(what, "Unroll less, or write a loop.")
        raise OverLimitError(f"{place}a kernel may have {most} {what}, this one has {came}. {advice}", facts)


def _callees_first(functions: Mapping[str, tuple[int, Sequence[str]]]) -> Iterator[str]:
    """Yield the names so that a function comes after those that it calls; no recursion, chains may be long."""
    seen: set[str] = set()
    for root in functions:
        stack = [(root, False)]
        while stack:
            name, is_done = stack.pop()
            if is_done:
                yield name
            elif name not in seen and name in functions:
                seen.add(name)
                stack.append((name, True))
                stack.extend((callee, False) for callee in set(functions[name][1]))


def _nested(region: Region, depth: int) -> Iterator[tuple[Op, int]]:
    for block in region.blocks:
        for op in block.ops:
            yield op, depth
            for inner in op.regions:
                yield from _nested(inner, depth + 1)
