"""Code in order to arrays: what nobody reads is left out, labels become places."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.slicing.emitter import Instruction, Label
from kernelwright.chips.emulated.slicing.opcodes import Opcode

# Their destination field is not a register.
_NO_REGISTER = frozenset({Opcode.COPY})


def assemble(code: list[Instruction | Label]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return instructions [n, 6] and, by instruction, the number of the op that each stands for."""
    places: dict[Label, int] = {}
    instructions: list[Instruction] = []
    for item in _kept(code):
        if isinstance(item, Label):
            places[item] = len(instructions)
        else:
            instructions.append(item)
    array = np.zeros((len(instructions), 6), np.int64)
    for row, item in zip(array, instructions, strict=True):
        target = item.d if item.target is None else places[item.target]
        row[:] = (item.code, item.dst, item.a, item.b, item.c, target)
    return array, np.array([item.op for item in instructions], np.int64)


def _kept(code: list[Instruction | Label]) -> list[Instruction | Label]:
    """Return the code without what has no effect and without jumps to the next instruction."""
    live = _live(code)
    kept: list[Instruction | Label] = []
    labels: set[Label] = set()
    for item in reversed(code):
        if isinstance(item, Label):
            labels.add(item)
        elif item not in live or (item.code is Opcode.JUMP and item.target in labels):
            continue
        else:
            labels = set()
        kept.append(item)
    return kept[::-1]


def _live(code: list[Instruction | Label]) -> set[Instruction]:
    by_register: dict[int, list[Instruction]] = defaultdict(list)
    by_lanes: dict[int, list[Instruction]] = defaultdict(list)
    live: set[Instruction] = set()
    for item in code:
        if isinstance(item, Label):
            continue
        if item.dst >= 0 and item.code not in _NO_REGISTER:
            by_register[item.dst].append(item)
        if item.lanes_written >= 0:
            by_lanes[item.lanes_written].append(item)
        if item.effect:
            live.add(item)
    pending = [item for item in code if isinstance(item, Instruction) and item.effect]
    while pending:
        item = pending.pop()
        makers = [maker for register in item.reads for maker in by_register[register]]
        makers += [maker for block in item.lanes_read for maker in by_lanes[block]]
        for maker in makers:
            if maker not in live:
                live.add(maker)
                pending.append(maker)
    return live
