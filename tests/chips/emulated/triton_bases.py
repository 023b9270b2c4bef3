"""Triton's own conversion of layouts to bases, as a program: its binding tells of leaks when an interpreter ends.

Takes pickled (layout, shape) pairs, returns pickled (register, lane, warp) bases for each.
"""

import pickle
import sys
from typing import Any

from triton._C.libtriton import gluon_ir, ir, nvidia

from kernelwright.chips.emulated.lowering.ttgir_types import Blocked, Distributed, DotOperand, Mma, Slice


def attribute(make: Any, layout: Distributed) -> Any:
    """Return the binding's form of a layout."""
    match layout:
        case Blocked(size, threads, warps, order):
            return make.get_blocked_layout(list(size), list(threads), list(warps), list(order), [])
        case Mma(version, warps, shape):
            return make.get_mma_layout([version, 0], list(warps), [], list(shape))
        case Slice(dim, parent):
            return make.get_slice_layout(dim, attribute(make, parent))
        case DotOperand(index, parent, width):
            return make.get_dot_operand_layout(index, attribute(make, parent), width)
    raise AssertionError(layout)


def main() -> None:
    """Answer the pairs of standard input."""
    context = ir.context()
    ir.load_dialects(context)
    nvidia.load_dialects(context)
    make = gluon_ir.GluonOpBuilder(context)
    answers = []
    for layout, shape in pickle.load(sys.stdin.buffer):
        found = make.to_linear_layout(attribute(make, layout), list(shape))
        parts = (found.reg_bases, found.lane_bases, found.warp_bases)
        answers.append(tuple([tuple(base) for base in part] for part in parts))
    sys.stdout.buffer.write(pickle.dumps(answers))


if __name__ == "__main__":
    main()
