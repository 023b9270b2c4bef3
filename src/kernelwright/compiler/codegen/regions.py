"""Regions of scalars applied to chunks: what reduce, scan and map_elementwise do to their elements."""

from typing import cast

from kernelwright.compiler.codegen.evaluate import Evaluator, element_name
from kernelwright.compiler.codegen.text import Reg
from kernelwright.compiler.ir import Block, Op, Value
from kernelwright.core.errors import UnsupportedOpError


def combine(e: Evaluator, block: Block, left: list[Reg], right: list[Reg]) -> list[Reg]:
    """Return the combine region of a reduction or scan applied to two sets of values."""
    return apply(e, block, left + right)


def apply(e: Evaluator, block: Block, values: list[Reg]) -> list[Reg]:
    """Return what the region yields for `values`, lane by lane.

    A branch is both of its arms and a choice between them. Raises UnsupportedOpError for a loop,
    and for ops that only make sense on tensors.
    """
    known: dict[Value, Reg] = dict(zip(block.args, values, strict=True))
    return _write(e, block, known)


def _write(e: Evaluator, block: Block, known: dict[Value, Reg]) -> list[Reg]:
    def look(value: Value) -> Reg:
        return known[value] if value in known else e.scalars[value]

    for op in block.ops[:-1]:
        if op.name == "arith.constant":
            known[op.result] = e.k.constant(element_name(op.result), cast(float, op.attrs["value"]))
        elif op.name == "ub.poison":
            known[op.result] = Reg(element_name(op.result), 0, "poison")
        elif op.name == "scf.if":
            _choose(e, op, known, look(op.operands[0]))
        elif op.regions:
            raise UnsupportedOpError(
                f"line {op.location.line}: a region of elements must have no loop, it has {op.name}. "
                "Write the loop around the tensors instead.",
                {"op": op.name, "line": op.location.line},
            )
        else:
            known[op.result] = e.ew.write(op, [look(operand) for operand in op.operands], element_name(op.result))
    return [look(value) for value in block.ops[-1].operands]


def _choose(e: Evaluator, op: Op, known: dict[Value, Reg], condition: Reg) -> None:
    arms = [_write(e, region.block, known) for region in op.regions if region.blocks]
    for result, yes, no in zip(op.results, *arms, strict=True):
        known[result] = e.k.select(condition, yes, no)
