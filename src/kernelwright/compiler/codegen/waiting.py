"""Which loads may wait behind an op with effects, and which values are read behind it."""

from kernelwright.compiler.codegen.analysis import LAZY, Facts
from kernelwright.compiler.ir import Block, Op, Value


class Waiting:
    """Answers for the ops of a function; `written` are the reductions that are written already."""

    def __init__(self, facts: Facts, written: set[Op], noalias: bool) -> None:
        self.facts = facts
        self.written = written
        self.noalias = noalias
        self._places: dict[Block, dict[Op, int]] = {}

    def cannot_clash(self, load: Op, effect: Op) -> bool:
        """Return whether `effect` is known to leave alone what `load` reads."""
        if not self.noalias or effect.regions or effect.name not in ("tt.store", "tt.atomic_rmw", "tt.atomic_cas"):
            return False
        if effect.attrs.get("sem") in ("release", "acq_rel"):
            return False  # it may hand what the load reads to a program that writes it
        read, written = self.facts.base_argument(load.operands[0]), self.facts.base_argument(effect.operands[0])
        return read is not None and written is not None and read is not written

    def is_needed(self, value: Value, block: Block, number: int, in_place: bool, seen: set[Op] | None = None) -> bool:
        """Return whether `value` is read by or after op `number` of `block` (only after, if in place)."""
        # Each op once: values that are read twice would double the way with every op.
        seen = set() if seen is None else seen
        for use in value.uses:
            if use in seen:
                continue
            seen.add(use)
            top: Op | None = use
            while top is not None and top.block is not block:
                top = top.block.parent if top.block is not None else None
            if top is None:
                return True
            place = self.place(block, top)
            if place > number or (place == number and not in_place):
                return True
            if (
                place < number
                and use.name in LAZY
                and any(self.is_needed(result, block, number, in_place, seen) for result in use.results)
            ):
                return True
            if place < number and use.name == "tt.reduce" and use not in self.written:
                return True
        return False

    def place(self, block: Block, op: Op) -> int:
        """Return the number of `op` in `block`."""
        if block not in self._places:
            self._places[block] = {other: number for number, other in enumerate(block.ops)}
        return self._places[block][op]
