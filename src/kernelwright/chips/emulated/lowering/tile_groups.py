"""Steps of a stretch to few tile ops: arithmetic that nothing in between needs is put together.

Work for lanes waits in one open group and results of the special unit in a second, until a step needs what they make,
or would change what runs beside it: a product, a wait, a barrier, the end of the stretch. Reads of shared memory in a
row are one op.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kernelwright.chips.emulated.lowering.tile_steps import Step
from kernelwright.chips.emulated.lowering.ttgir import Value
from kernelwright.chips.emulated.tile_program import DotShape, Kind

_FENCES = (Kind.DOT, Kind.WAIT, Kind.BARRIER)


@dataclass(eq=False)
class Group:
    """One tile op in the making; `moves` are the pairs of a MOVE, target and source."""

    kind: Kind
    name: str = ""
    line: int = 0
    reads: dict[Value, None] = field(default_factory=dict)
    writes: dict[Value, None] = field(default_factory=dict)
    amounts: dict[str, float] = field(default_factory=dict)
    dot: DotShape | None = None
    access: int = -1
    count: int = 0
    moves: tuple[tuple[Value, Value], ...] = ()

    def add(self, step: Step, roots: "Roots") -> None:
        """Take a step in."""
        if not self.name:
            self.name, self.line = step.name, step.line
        for value in step.reads:
            for root in roots.of(value):
                if root not in self.writes:
                    self.reads[root] = None
        for value in step.writes:
            self.writes[value] = None
        for kind, amount in step.amounts.items():
            self.amounts[kind] = self.amounts.get(kind, 0.0) + amount


class Roots:
    """Which values a value is ready with: itself when work makes it, else what it renames."""

    def __init__(self, renamed: Mapping[Value, tuple[Value, ...]]) -> None:
        self._renamed = renamed
        self._known: dict[Value, tuple[Value, ...]] = {}

    def of(self, value: Value) -> tuple[Value, ...]:
        """Return the values that work makes; () when `value` is ready from the start."""
        known = self._known.get(value)
        if known is None:
            sources = self._renamed.get(value)
            if sources is None:
                known = (value,)
            else:
                known = tuple(dict.fromkeys(root for source in sources for root in self.of(source)))
            self._known[value] = known
        return known


def group_steps(steps: Iterable[Step], roots: Roots) -> list[Group]:
    """Return the tile ops of one stretch, in order of issue."""
    made: list[Group] = []
    lanes, special = Group(Kind.LANES), Group(Kind.SPECIAL)

    def close_lanes() -> None:
        nonlocal lanes
        if lanes.name:
            made.append(lanes)
            lanes = Group(Kind.LANES)

    def close_both() -> None:
        nonlocal special
        close_lanes()
        if special.name:
            made.append(special)
            special = Group(Kind.SPECIAL)

    for step in steps:
        needs = [root for value in step.reads for root in roots.of(value)]
        if any(root in special.writes for root in needs) or step.kind in _FENCES:
            close_both()
        elif step.kind not in (Kind.LANES, Kind.SPECIAL) and any(root in lanes.writes for root in needs):
            close_lanes()
        if step.kind is Kind.LANES:
            lanes.add(step, roots)
        elif step.kind is Kind.SPECIAL:
            special.add(step, roots)
        elif step.kind is Kind.SHARED_READ and made and _is_beside(made[-1], needs):
            made[-1].add(step, roots)
        elif not _is_idle(made, step):
            group = Group(step.kind, dot=step.dot, access=step.access, count=step.count)
            group.add(step, roots)
            made.append(group)
    close_both()
    return made


def _is_beside(group: Group, needs: list[Value]) -> bool:
    """Return whether a read of shared memory goes with the group before it: both operands of a product, mostly."""
    return group.kind is Kind.SHARED_READ and not any(root in group.writes for root in needs)


def _is_idle(made: list[Group], step: Step) -> bool:
    """Return whether a barrier or a wait stands right behind one that did as much."""
    if step.kind is Kind.BARRIER:
        return bool(made) and made[-1].kind is Kind.BARRIER
    last = next((group for group in reversed(made) if group.kind is not Kind.BARRIER), None)
    return step.kind is Kind.WAIT and last is not None and last.kind is Kind.WAIT and last.count <= step.count


def hand_on(groups: list[Group], pairs: Iterable[tuple[Value, Value]], roots: Roots) -> None:
    """Let the ops of a stretch make what control flow hands on at its end, with moves for what they cannot.

    An op makes a target itself when it makes the source and no later op of the stretch reads the target's old value.
    """
    moves: list[tuple[Value, Value]] = []
    for target, source in pairs:
        for root in roots.of(source):
            if root is target:
                continue
            maker = next((n for n in reversed(range(len(groups))) if root in groups[n].writes), None)
            if maker is not None and not any(target in group.reads for group in groups[maker + 1 :]):
                groups[maker].writes[target] = None
            else:
                moves.append((target, root))
    if moves:
        groups.append(Group(Kind.MOVE, "hand on", moves=tuple(moves)))
