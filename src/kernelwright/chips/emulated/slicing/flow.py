"""Order and dominators of a function's blocks."""

from kernelwright.chips.emulated.lowering.ttgir import Block


def dominators(blocks: list[Block]) -> tuple[list[Block], dict[Block, Block | None]]:
    """Return the blocks that can be reached, each behind those that dominate it, and each one's immediate dominator.

    Source: Cooper, Harvey, Kennedy, "A simple, fast dominance algorithm", 2001.
    """
    order = _reverse_postorder(blocks[0])
    number = {block: at for at, block in enumerate(order)}
    before: dict[Block, list[Block]] = {block: [] for block in order}
    for block in order:
        for target, _ in block.ops[-1].successors:
            before[target].append(block)
    found: dict[Block, Block] = {order[0]: order[0]}
    changed = True
    while changed:
        changed = False
        for block in order[1:]:
            known = [other for other in before[block] if other in found]
            meeting = known[0]
            for other in known[1:]:
                meeting = _meeting(meeting, other, found, number)
            if found.get(block) is not meeting:
                found[block] = meeting
                changed = True
    return order, {block: (None if at == 0 else found[block]) for at, block in enumerate(order)}


def _meeting(a: Block, b: Block, found: dict[Block, Block], number: dict[Block, int]) -> Block:
    while a is not b:
        while number[a] > number[b]:
            a = found[a]
        while number[b] > number[a]:
            b = found[b]
    return a


def _reverse_postorder(entry: Block) -> list[Block]:
    done: list[Block] = []
    seen = {entry}
    pending = [(entry, iter([target for target, _ in entry.ops[-1].successors]))]
    while pending:
        block, targets = pending[-1]
        for target in targets:
            if target not in seen:
                seen.add(target)
                pending.append((target, iter([after for after, _ in target.ops[-1].successors])))
                break
        else:
            pending.pop()
            done.append(block)
    return done[::-1]
