"""What Triton proves about the elements of integers and pointers, and how wide its accesses become from that.

Of each dimension: contiguity (runs of that many elements grow by one), divisibility (the first of each run is a
multiple of it, for pointers in bytes), constancy (runs of that many elements are equal). The rules are those of
Triton's AxisInfo; what it does not follow is 1.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import gcd

from kernelwright.chips.emulated.layouts import fastest_order, thread_run
from kernelwright.chips.emulated.ttgir import Block, GpuModule, Op, Region, Value
from kernelwright.chips.emulated.ttgir_types import TensorType, element_bits
from kernelwright.compiler.ir import Pointer

_MOST = 1 << 62
_WIDEST_BITS = 128


@dataclass(frozen=True)
class Axes:
    """Facts by dimension, one for a scalar; `constant` is the value of every element, where it is known."""

    contiguity: tuple[int, ...]
    divisibility: tuple[int, ...]
    constancy: tuple[int, ...]
    constant: int | None = None


class AxisTable:
    """The facts of every value of one kernel."""

    def __init__(self, module: GpuModule) -> None:
        self._facts: dict[Value, Axes] = {}
        for value, attrs in zip(module.args, module.arg_attrs, strict=True):
            known = attrs.get("tt.divisibility")
            self._facts[value] = Axes((1,), (known if isinstance(known, int) else 1,), (1,))
        # Facts of carried values only get weaker; the walk ends when nothing changes.
        while _Walk(self._facts).region(module.body):
            pass

    def __getitem__(self, value: Value) -> Axes:
        return self._facts.get(value) or _unknown(value)

    def run(self, pointer: Value) -> int:
        """Return how many neighbours of one thread lie next to each other, aligned as one access must be."""
        kind = pointer.type
        if not isinstance(kind, TensorType) or not isinstance(kind.element, Pointer):
            return 1
        dim = fastest_order(kind.layout, len(kind.shape))[0]
        facts = self[pointer]
        size = max(1, element_bits(kind.element.pointee) // 8)
        aligned = max(1, facts.divisibility[dim] // size)
        return min(facts.contiguity[dim], aligned & -aligned, thread_run(kind, dim), kind.shape[dim])

    def vector(self, pointer: Value, mask: Value | None, least: int = 1) -> int:
        """Return the elements of one thread's widest access; `least` is what a contiguity hint of the op promises."""
        kind = pointer.type
        if not isinstance(kind, TensorType) or not isinstance(kind.element, Pointer):
            return 1
        dim = fastest_order(kind.layout, len(kind.shape))[0]
        width = max(self.run(pointer), min(least, thread_run(kind, dim)))
        if mask is not None and isinstance(mask.type, TensorType):
            width = min(width, self[mask].constancy[dim])
        return max(1, min(width, _WIDEST_BITS // max(8, element_bits(kind.element.pointee))))


def _rank(value: Value) -> int:
    return max(1, len(value.shape))


def _unknown(value: Value) -> Axes:
    ones = (1,) * _rank(value)
    return Axes(ones, ones, ones)


def _power(value: int) -> int:
    """Return the largest power of two that divides `value`."""
    return value & -value if value else _MOST


class _Walk:
    def __init__(self, facts: dict[Value, Axes]) -> None:
        self._facts = facts
        self._changed = False

    def region(self, region: Region) -> bool:
        """Update the facts of everything in `region`; return whether some are new."""
        for block in region.blocks:
            self._block(block)
        return self._changed

    def _block(self, block: Block) -> None:
        for op in block.ops:
            if op.name in ("scf.for", "scf.while", "scf.if"):
                self._control(op)
            elif op.name.startswith("cf."):
                for target, values in op.successors:
                    self._join(target.args, values)
            elif op.results and not op.regions:
                self._set(op.results[0], _facts_of(op, self._of))

    def _control(self, op: Op) -> None:
        for target, values in carried_pairs(op, entering=True):
            self._join((target,), (values,))
        if op.name == "scf.for":
            self._set(op.regions[0].block.args[0], self._induction(op))
        for region in op.regions:
            self._block(region.block)
        for target, source in carried_pairs(op, entering=False):
            self._join((target,), (source,))

    def _induction(self, op: Op) -> Axes:
        first, step = self._of(op.operands[0]), self._of(op.operands[2])
        return Axes((1,), (gcd(first.divisibility[0], step.divisibility[0]),), (1,))

    def _of(self, value: Value) -> Axes:
        return self._facts.get(value) or _unknown(value)

    def _join(self, targets: tuple[Value, ...], sources: tuple[Value, ...]) -> None:
        for target, source in zip(targets, sources, strict=True):
            new = self._facts.get(source)
            if new is None:
                continue  # not reached yet: it says nothing
            old = self._facts.get(target)
            self._set(target, new if old is None else _meet(old, new))

    def _set(self, value: Value, facts: Axes) -> None:
        if self._facts.get(value) != facts:
            self._facts[value] = facts
            self._changed = True


def carried_pairs(op: Op, entering: bool) -> Iterator[tuple[Value, Value]]:
    """Yield (value, where it comes from) of a control op: what enters it, or what its regions hand on and out."""
    if op.name == "scf.for":
        args = op.regions[0].block.args[1:]
        if entering:
            yield from zip(args, op.operands[3:], strict=True)
            return
        ends = op.regions[0].block.ops[-1].operands
        yield from zip(args, ends, strict=True)
        yield from zip(op.results, args, strict=True)
    elif op.name == "scf.while":
        before, after = op.regions[0].block, op.regions[1].block
        if entering:
            yield from zip(before.args, op.operands, strict=True)
            return
        passed = before.ops[-1].operands[1:]
        yield from zip(after.args, passed, strict=True)
        yield from zip(op.results, passed, strict=True)
        yield from zip(before.args, after.ops[-1].operands, strict=True)
    elif not entering:
        for region in op.regions:
            if op.results:
                yield from zip(op.results, region.block.ops[-1].operands, strict=True)


def _meet(one: Axes, other: Axes) -> Axes:
    return Axes(
        tuple(map(gcd, one.contiguity, other.contiguity)),
        tuple(map(gcd, one.divisibility, other.divisibility)),
        tuple(map(gcd, one.constancy, other.constancy)),
        one.constant if one.constant == other.constant else None,
    )


_Of = Callable[[Value], Axes]


def _facts_of(op: Op, of: _Of) -> Axes:
    rule = _RULES.get(op.name)
    facts = rule(op, of) if rule is not None else _unknown(op.results[0])
    return _hinted(op, facts)


def _hinted(op: Op, facts: Axes) -> Axes:
    """Return the facts with what `tl.multiple_of` and its kin promise, which the text carries as attributes."""

    def least(key: str, values: tuple[int, ...]) -> tuple[int, ...]:
        known = _hint(op.attrs[key]) if key in op.attrs else ()
        return tuple(map(max, values, known)) if len(known) == len(values) else values

    return Axes(
        least("tt.contiguity", facts.contiguity),
        least("tt.divisibility", facts.divisibility),
        least("tt.constancy", facts.constancy),
        facts.constant,
    )


def _hint(known: object) -> tuple[int, ...]:
    if isinstance(known, tuple):
        return known
    if isinstance(known, int):
        return (known,)
    inside = str(known).partition("<")[2].rpartition(">")[0]
    return tuple(int(word) for word in inside.replace("[", " ").replace("]", " ").replace(",", " ").split())


def _constant(op: Op, of: _Of) -> Axes:
    value, result = op.attrs.get("value"), op.results[0]
    if not isinstance(value, int) or (isinstance(result.type, TensorType) and isinstance(value, tuple)):
        return _unknown(result) if not isinstance(value, float) else _same(result, 1, None)
    return _same(result, _power(abs(int(value))), int(value))


def _same(result: Value, divisibility: int, constant: int | None) -> Axes:
    rank = _rank(result)
    return Axes((1,) * rank, (divisibility,) * rank, result.shape or (1,), constant)


def _range(op: Op, of: _Of) -> Axes:
    start = op.attrs["start"]
    assert isinstance(start, int)
    return Axes(op.results[0].shape, (_power(start),), (1,))


def _splat(op: Op, of: _Of) -> Axes:
    facts = of(op.operands[0])
    return _same(op.results[0], facts.divisibility[0], facts.constant)


def _same_facts(op: Op, of: _Of) -> Axes:
    return of(op.operands[0])


def _expand(op: Op, of: _Of) -> Axes:
    axis, facts = op.attrs["axis"], of(op.operands[0])
    assert isinstance(axis, int)
    divisibility = _first(facts)

    def wider(values: tuple[int, ...], new: int) -> tuple[int, ...]:
        return (*values[:axis], new, *values[axis:])

    return Axes(
        wider(facts.contiguity, 1), wider(facts.divisibility, divisibility), wider(facts.constancy, 1), facts.constant
    )


def _first(facts: Axes) -> int:
    """Return what divides every element: a run's first is a multiple of its divisibility, those behind it are not."""
    return min(d if c == 1 else 1 for d, c in zip(facts.divisibility, facts.contiguity, strict=True))


def _broadcast(op: Op, of: _Of) -> Axes:
    facts, old, new = of(op.operands[0]), op.operands[0].shape, op.results[0].shape

    def wider(values: tuple[int, ...], grown: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(g if o == 1 else v for v, g, o in zip(values, grown, old, strict=True))

    ones = (1,) * len(new)
    return Axes(wider(facts.contiguity, ones), facts.divisibility, wider(facts.constancy, new), facts.constant)


def _transpose(op: Op, of: _Of) -> Axes:
    order, facts = op.attrs["order"], of(op.operands[0])
    assert isinstance(order, tuple)
    return Axes(
        tuple(facts.contiguity[d] for d in order),
        tuple(facts.divisibility[d] for d in order),
        tuple(facts.constancy[d] for d in order),
        facts.constant,
    )


def _add(op: Op, of: _Of) -> Axes:
    left, right = of(op.operands[0]), of(op.operands[1])
    minus = op.name == "arith.subi"
    scale = 1
    kind = op.operands[0].type
    element = kind.element if isinstance(kind, TensorType) else kind
    if op.name == "tt.addptr" and isinstance(element, Pointer):
        scale = max(1, element_bits(element.pointee) // 8)

    def contiguity(lc: int, ld: int, lk: int, rc: int, rd: int, rk: int) -> int:
        grows = max(gcd(lk, rc) if not minus else 1, gcd(lc, rk))
        return max(1, grows)

    return Axes(
        _by_dimension(left, right, contiguity),
        _by_dimension(left, right, lambda lc, ld, lk, rc, rd, rk: gcd(ld, min(_MOST, rd * scale))),
        _by_dimension(left, right, lambda lc, ld, lk, rc, rd, rk: gcd(lk, rk)),
        _folded(left, right, lambda a, b: a - b if minus else a + b),
    )


def _multiply(op: Op, of: _Of) -> Axes:
    left, right = of(op.operands[0]), of(op.operands[1])

    def contiguity(lc: int, ld: int, lk: int, rc: int, rd: int, rk: int) -> int:
        if right.constant == 1:
            return gcd(lc, rk)
        return gcd(lk, rc) if left.constant == 1 else 1

    def divisibility(lc: int, ld: int, lk: int, rc: int, rd: int, rk: int) -> int:
        # Behind a run's first element only 1 is sure to divide.
        own = 1 if lc > 1 and right.constant != 1 else ld
        theirs = 1 if rc > 1 and left.constant != 1 else rd
        return min(_MOST, own * theirs)

    return Axes(
        _by_dimension(left, right, contiguity),
        _by_dimension(left, right, divisibility),
        _by_dimension(left, right, lambda lc, ld, lk, rc, rd, rk: gcd(lk, rk)),
        _folded(left, right, lambda a, b: a * b),
    )


def _shift_left(op: Op, of: _Of) -> Axes:
    left, right = of(op.operands[0]), of(op.operands[1])
    factor = 1 << right.constant if right.constant is not None and 0 <= right.constant < 63 else 1
    moves = right.constant != 0
    return Axes(
        _by_dimension(left, right, lambda lc, ld, lk, rc, rd, rk: 1 if moves else lc),
        _by_dimension(left, right, lambda lc, ld, lk, rc, rd, rk: min(_MOST, (1 if lc > 1 and moves else ld) * factor)),
        _by_dimension(left, right, lambda lc, ld, lk, rc, rd, rk: gcd(lk, rk)),
        _folded(left, right, lambda a, b: a << b if 0 <= b < 63 else 0),
    )


def _divide(op: Op, of: _Of) -> Axes:
    left, right = of(op.operands[0]), of(op.operands[1])
    divisor = _divisor(op, right)

    def constancy(lc: int, ld: int, lk: int, rc: int, rd: int, rk: int) -> int:
        equal = gcd(lk, rk)
        if divisor is not None or right.constant is not None or rk > 1:
            equal = max(equal, gcd(gcd(lc, rk), gcd(ld, divisor or rd)))
        return equal

    def divisibility(lc: int, ld: int, lk: int, rc: int, rd: int, rk: int) -> int:
        if divisor == 1:
            return ld
        return max(1, ld // divisor) if divisor and lc == 1 and ld % divisor == 0 else 1

    return Axes(
        _by_dimension(left, right, lambda lc, ld, lk, rc, rd, rk: lc if divisor == 1 else 1),
        _by_dimension(left, right, divisibility),
        _by_dimension(left, right, constancy),
        _folded(left, right, lambda a, b: a // b if b > 0 and a >= 0 else 0),
    )


def _divisor(op: Op, right: Axes) -> int | None:
    if right.constant is None:
        return None
    if op.name.startswith("arith.shr"):
        return 1 << right.constant if 0 <= right.constant < 63 else None
    return right.constant if right.constant > 0 else None


def _remainder(op: Op, of: _Of) -> Axes:
    left, right = of(op.operands[0]), of(op.operands[1])

    def contiguity(lc: int, ld: int, lk: int, rc: int, rd: int, rk: int) -> int:
        return gcd(gcd(lc, rk), gcd(ld, rd)) if rk > 1 or right.constant is not None else 1

    return Axes(
        _by_dimension(left, right, contiguity),
        _by_dimension(left, right, lambda lc, ld, lk, rc, rd, rk: gcd(ld, rd)),
        _by_dimension(left, right, lambda lc, ld, lk, rc, rd, rk: gcd(lk, rk)),
        _folded(left, right, lambda a, b: a % b if b > 0 and a >= 0 else 0),
    )


def _compare(op: Op, of: _Of) -> Axes:
    left, right = of(op.operands[0]), of(op.operands[1])
    how = str(op.attrs.get("predicate", ""))
    # Where a limit is a multiple of a run's length and start, the whole run lies on one side of it.
    left_side, right_side = how in ("slt", "sge", "ult", "uge"), how in ("sgt", "sle", "ugt", "ule")

    def constancy(lc: int, ld: int, lk: int, rc: int, rd: int, rk: int) -> int:
        equal = gcd(lk, rk)
        if left_side:
            equal = max(equal, gcd(gcd(lc, rk), gcd(ld, rd)))
        if right_side:
            equal = max(equal, gcd(gcd(rc, lk), gcd(ld, rd)))
        return equal

    ones = (1,) * len(left.contiguity)
    return Axes(ones, ones, _by_dimension(left, right, constancy))


def _select(op: Op, of: _Of) -> Axes:
    condition, left, right = (of(operand) for operand in op.operands)
    ways = condition.constancy if len(condition.constancy) == len(left.constancy) else left.constancy
    whole = len(op.operands[0].shape) == 0

    def within(values: tuple[int, ...]) -> tuple[int, ...]:
        return values if whole else tuple(map(gcd, values, ways))

    met = _meet(left, right)
    return Axes(within(met.contiguity), met.divisibility, within(met.constancy), met.constant)


def _and_or(op: Op, of: _Of) -> Axes:
    left, right = of(op.operands[0]), of(op.operands[1])
    ones = (1,) * len(left.contiguity)
    return Axes(ones, ones, _by_dimension(left, right, lambda lc, ld, lk, rc, rd, rk: gcd(lk, rk)))


def _least_most(op: Op, of: _Of) -> Axes:
    met = _meet(of(op.operands[0]), of(op.operands[1]))
    return replace(met, contiguity=(1,) * len(met.contiguity))


def _load(op: Op, of: _Of) -> Axes:
    pointer = of(op.operands[0])
    ones = (1,) * len(pointer.contiguity)
    return Axes(ones, ones, pointer.constancy)


def _by_dimension(left: Axes, right: Axes, rule: Callable[[int, int, int, int, int, int], int]) -> tuple[int, ...]:
    columns = (
        left.contiguity,
        left.divisibility,
        left.constancy,
        right.contiguity,
        right.divisibility,
        right.constancy,
    )
    return tuple(max(1, rule(*row)) for row in zip(*columns, strict=True))


def _folded(left: Axes, right: Axes, rule: Callable[[int, int], int]) -> int | None:
    return None if left.constant is None or right.constant is None else rule(left.constant, right.constant)


_RULES: dict[str, Callable[[Op, _Of], Axes]] = {
    "arith.constant": _constant, "tt.make_range": _range, "tt.splat": _splat, "tt.expand_dims": _expand,
    "tt.broadcast": _broadcast, "tt.trans": _transpose, "ttg.convert_layout": _same_facts, "arith.extsi": _same_facts,
    "arith.extui": _same_facts, "arith.trunci": _same_facts, "arith.index_cast": _same_facts,
    "tt.bitcast": _same_facts, "tt.int_to_ptr": _same_facts, "tt.ptr_to_int": _same_facts, "tt.unsplat": _same_facts,
    "arith.addi": _add, "arith.subi": _add, "tt.addptr": _add, "arith.muli": _multiply, "arith.shli": _shift_left,
    "arith.divsi": _divide, "arith.divui": _divide, "arith.shrsi": _divide, "arith.shrui": _divide,
    "arith.remsi": _remainder, "arith.remui": _remainder, "arith.cmpi": _compare, "arith.select": _select,
    "arith.andi": _and_or, "arith.ori": _and_or, "arith.xori": _and_or, "arith.minsi": _least_most,
    "arith.maxsi": _least_most, "arith.minui": _least_most, "arith.maxui": _least_most, "tt.load": _load,
}  # fmt: skip
