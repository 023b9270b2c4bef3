"""Stores past the caches: for results so large that no cache would hold them until somebody reads them.

A plain store reads the line that it writes to; one past the caches does not, which saves a third to a half of the
traffic of kernels that copy or add. It pays for whole lines only.
"""

from typing import cast

from kernelwright.compiler.codegen.analysis import Facts
from kernelwright.compiler.codegen.text import ELEMENT_BITS
from kernelwright.compiler.features import LINE_BYTES
from kernelwright.compiler.ir import Function, Op, Pointer, Value, walk

# Shorter rows leave lines half written at their ends too often.
LEAST_ROW_BYTES = 256


def streamed_arguments(function: Function, facts: Facts) -> frozenset[Value]:
    """Return the arguments that `function` stores to and never reads.

    None where it has atomics: programs that meet must see what the others stored.
    """
    ops = list(walk(function.body))
    if any(op.name.startswith("tt.atomic") for op in ops):
        return frozenset()
    read = {facts.base_argument(op.operands[0]) for op in ops if op.name == "tt.load"}
    written = {facts.base_argument(op.operands[0]) for op in ops if op.name == "tt.store"}
    return frozenset(cast(set[Value], set() if None in read | written else written - read))


def is_in_lines(op: Op, facts: Facts) -> bool:
    """Return whether the rows of a store are long and start at cache lines, if its argument does."""
    pointer = op.operands[0]
    dim = facts.contiguous_dim(pointer)
    if op.name != "tt.store" or dim is None or not isinstance(pointer.element, Pointer):
        return False
    size = ELEMENT_BITS[pointer.element.pointee] // 8
    axis = facts.axis(pointer, dim)
    row = pointer.shape[dim] if facts.stride(pointer, dim) == 1 else axis.run
    per_line = LINE_BYTES // max(1, size)
    return row * size >= LEAST_ROW_BYTES and min(axis.run, axis.factor_in(per_line)) >= per_line
