"""Triton's rules for contiguity, divisibility and constancy, op by op; what has no rule here is 1."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import gcd

from kernelwright.chips.emulated.lowering.ttgir import Op, Value
from kernelwright.chips.emulated.lowering.ttgir_types import TensorType, element_bits
from kernelwright.compiler.ir import Pointer

_MOST = 1 << 62


@dataclass(frozen=True)
class Axes:
    """Facts by dimension, one for a scalar; `constant` is the value of every element, where it is known."""

    contiguity: tuple[int, ...]
    divisibility: tuple[int, ...]
    constancy: tuple[int, ...]
    constant: int | None = None


def _rank(value: Value) -> int:
    return max(1, len(value.shape))


def unknown_axes(value: Value) -> Axes:
    """Return the facts of a value that nothing is known of."""
    ones = (1,) * _rank(value)
    return Axes(ones, ones, ones)


def _power(value: int) -> int:
    """Return the largest power of two that divides `value`."""
    return value & -value if value else _MOST


def meet_axes(one: Axes, other: Axes) -> Axes:
    """Return what holds of both."""
    return Axes(
        tuple(map(gcd, one.contiguity, other.contiguity)),
        tuple(map(gcd, one.divisibility, other.divisibility)),
        tuple(map(gcd, one.constancy, other.constancy)),
        one.constant if one.constant == other.constant else None,
    )


_Of = Callable[[Value], Axes]


def axes_of(op: Op, of: _Of) -> Axes:
    """Return the facts of an op's result from those of its operands, which `of` gives."""
    rule = _RULES.get(op.name)
    facts = rule(op, of) if rule is not None else unknown_axes(op.results[0])
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
        return unknown_axes(result) if not isinstance(value, float) else _same(result, 1, None)
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

    met = meet_axes(left, right)
    return Axes(within(met.contiguity), met.divisibility, within(met.constancy), met.constant)


def _and_or(op: Op, of: _Of) -> Axes:
    left, right = of(op.operands[0]), of(op.operands[1])
    ones = (1,) * len(left.contiguity)
    return Axes(ones, ones, _by_dimension(left, right, lambda lc, ld, lk, rc, rd, rk: gcd(lk, rk)))


def _least_most(op: Op, of: _Of) -> Axes:
    met = meet_axes(of(op.operands[0]), of(op.operands[1]))
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
