"""Masks from memory, looked at row by row: a question whether any lane is left is mostly answered by the first row."""

from collections import defaultdict
from collections.abc import Sequence

from kernelwright.chips.emulated.slicing.emitter import Emitter, Instruction, Label
from kernelwright.chips.emulated.slicing.opcodes import RANK, Opcode

_BY_ROW = frozenset({Opcode.LANES, Opcode.ELEMENTWISE, Opcode.MASK_LANES, Opcode.LOAD_LANES})
# What memory, or the order of things, makes a border.
_BORDERS = frozenset(
    {Opcode.JUMP, Opcode.JUMP_GE, Opcode.JUMP_ZERO, Opcode.RETURN, Opcode.BEGIN, Opcode.STORE_LANES,
     Opcode.ATOMIC_LANES, Opcode.TAINT, Opcode.COPY, Opcode.SET, Opcode.TRANSFER}
)  # fmt: skip


def defer_rows(emitter: Emitter, code: list[Instruction | Label]) -> list[Instruction | Label]:
    """Return the code with questions that work out the lanes they ask about, where nobody else reads those."""
    readers: dict[int, int] = defaultdict(int)
    writers: dict[int, int] = defaultdict(int)
    for item in code:
        if isinstance(item, Instruction):
            writers[item.lanes_written] += 1
            for block in set(item.lanes_read):
                readers[block] += 1
    made: list[Instruction | Label] = []
    for item in code:
        if isinstance(item, Instruction) and item.code in (Opcode.COUNT, Opcode.ANY) and item.lanes_read:
            taken = _own_makers(made, item, readers, writers)
            if taken:
                made = [other for other in made if other not in taken]
                made.append(_question(emitter, item, taken))
                continue
        made.append(item)
    return made


def _own_makers(
    before: Sequence[Instruction | Label], question: Instruction, readers: dict[int, int], writers: dict[int, int]
) -> list[Instruction]:
    """Return what makes the lanes of a question for it alone, since the last border, in order."""
    wanted = defaultdict(int, dict.fromkeys(question.lanes_read, 1))
    taken: list[Instruction] = []
    for item in reversed(before):
        if isinstance(item, Label) or item.code in _BORDERS:
            break
        block = item.lanes_written
        if item.code in _BY_ROW and wanted[block] and readers[block] == wanted[block] and writers[block] == 1:
            taken.append(item)
            for source in set(item.lanes_read):
                wanted[source] += 1
    return taken[::-1]


def _question(emitter: Emitter, question: Instruction, parts: Sequence[Instruction]) -> Instruction:
    size = _mask_size(emitter.tables, question.a)
    mask = emitter.tables[question.a : question.a + size]
    rows = next((d for d in range(RANK - 1) if emitter.value(mask[2 + 2 * d]) != 1), RANK - 1)
    table = [int(question.code is Opcode.ANY), rows, len(parts)]
    for part in parts:
        table += [int(part.code), part.a]
    reads = (*question.reads, *(register for part in parts for register in part.reads))
    blocks = {block for part in parts for block in part.lanes_read} | set(question.lanes_read)
    outside = tuple(sorted(blocks - {part.lanes_written for part in parts}))
    place = emitter.table([*table, *mask])
    return Instruction(Opcode.QUERY, question.dst, place, reads=reads, lanes_read=outside, op=question.op)


def _mask_size(tables: Sequence[int], at: int) -> int:
    """Return the length of a mask's table."""
    flags = at + 2 + 2 * RANK + tables[at + 1 + 2 * RANK] * (1 + RANK)
    return flags + 1 + tables[flags] * (1 + RANK) - at
