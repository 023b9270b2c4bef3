"""Tables behind instructions on lanes: how forms are laid out for the machine. Dimensions are padded in front to RANK.

lanes       start, stride x RANK
affine      base register, stride register x RANK, number of terms, then for each: coefficient register, lanes
mask        gate register, (first, end) registers x RANK, halves, each: base register, stride registers;
            flags, each: lanes
place       start, extent x RANK, stride x RANK: where results go
"""

from collections.abc import Sequence

from kernelwright.chips.emulated.slicing.emitter import Emitter
from kernelwright.chips.emulated.slicing.forms import Affine, Lanes, Mask
from kernelwright.chips.emulated.slicing.opcodes import RANK

Registers = tuple[int, ...]


def padded(values: Sequence[int], front: int) -> list[int]:
    """Return RANK numbers, `front` in place of missing dimensions."""
    return [front] * (RANK - len(values)) + list(values)


def lanes_table(lanes: Lanes) -> list[int]:
    """Return the table of lanes."""
    return [lanes.start, *padded(lanes.strides, 0)]


def place_table(lanes: Lanes, extents: Sequence[int]) -> list[int]:
    """Return the table of where results go."""
    return [lanes.start, *padded(extents, 1), *padded(lanes.strides, 0)]


def affine_table(emitter: Emitter, form: Affine) -> tuple[list[int], Registers, tuple[int, ...]]:
    """Return the table of a whole form, the registers and the blocks of lanes that it reads."""
    zero = emitter.constant(0)
    strides = [zero if stride is None else stride for stride in form.strides]
    table = [form.base, *padded(strides, zero), len(form.terms)]
    reads = [form.base, *strides]
    for coefficient, lanes in form.terms:
        table += [coefficient, *lanes_table(lanes)]
        reads.append(coefficient)
    return table, tuple(reads), tuple(lanes.block for _, lanes in form.terms)


def mask_table(emitter: Emitter, mask: Mask) -> tuple[list[int], Registers, tuple[int, ...]]:
    """Return the table of a mask, the registers and the blocks of lanes that it reads."""
    zero, one = emitter.constant(0), emitter.constant(1)
    spans = [span or (zero, emitter.constant(size)) for span, size in zip(mask.spans, mask.shape, strict=True)]
    table = [mask.gate] + [zero, one] * (RANK - len(spans)) + [r for span in spans for r in span]
    reads = list(table)
    table.append(len(mask.halves))
    for half in mask.halves:
        table += [half.base, *padded(half.strides, zero)]
        reads += [half.base, *half.strides]
    table.append(len(mask.flags))
    for lanes in mask.flags:
        table += lanes_table(lanes)
    return table, tuple(reads), tuple(lanes.block for lanes in mask.flags)
