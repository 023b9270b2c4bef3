"""What is known of integers along one dimension: runs, equal neighbours, and powers of two that divide them.

A tensor falls into aligned groups along the dimension. `run` is the largest group size, a power of two, whose elements
are first, first + 1, ...; `same` the largest whose elements are equal; `factor` a power of two that divides the first
element of every run; for pointers all three are in elements from the start of the argument. So `offsets % n` stays a
run where n is a multiple of the vector, which is how ordinary kernels keep their tiles inside a matrix. Triton's own
analysis of axes has the same three figures, and makes the same assumption: what is divided is not negative.
"""

from dataclasses import dataclass
from math import gcd
from typing import cast

from kernelwright.compiler.ir import Function, Op, Pointer, Value

LARGEST = 1 << 30


@dataclass(frozen=True, slots=True)
class Axis:
    """Sizes of groups along a dimension, all powers of two."""

    run: int
    factor: int
    same: int

    def factor_in(self, run: int) -> int:
        """Return what divides the first elements of runs that are `run` long, which may be shorter than these."""
        return self.factor if run >= self.run else gcd(self.factor, run)


UNKNOWN = Axis(1, 1, 1)


class Axes:
    """Axes of one function's values, found when asked for."""

    def __init__(self, function: Function) -> None:
        self._factors = {
            value: attrs.get("tt.divisibility", 1)
            for value, attrs in zip(function.args, function.arg_attrs, strict=True)
        }
        self._known: dict[tuple[Value, int], Axis] = {}

    def of(self, value: Value, dim: int) -> Axis:
        """Return the axis of `value` along `dim`; of a scalar, its factor."""
        key = (value, dim)
        if key not in self._known:
            # A value that a loop carries to itself is unknown while it is looked at.
            self._known[key] = UNKNOWN
            self._known[key] = self._find(value, dim)
        return self._known[key]

    def _find(self, value: Value, dim: int) -> Axis:
        op = value.op
        if op is None:
            return Axis(1, self._argument_factor(value), 1)
        operands = op.operands
        size = value.shape[dim] if value.shape else 1
        match op.name:
            case "arith.constant":
                number = op.attrs["value"]
                if isinstance(number, bool | int):
                    return Axis(1, power_of_two_in(int(number)), power_of_two_in(size))
            case "tt.make_range":
                return Axis(power_of_two_in(size), power_of_two_in(cast(int, op.attrs["start"])), 1)
            case "tt.splat":
                return Axis(1, self.of(operands[0], 0).factor, power_of_two_in(size))
            case "tt.broadcast":
                inner = self.of(operands[0], dim)
                return Axis(1, inner.factor, power_of_two_in(size)) if operands[0].shape[dim] != size else inner
            case "tt.expand_dims":
                axis = cast(int, op.attrs["axis"])
                if dim == axis:
                    return Axis(1, self._element_factor(operands[0]), 1)
                return self.of(operands[0], dim - (dim > axis))
            case "tt.trans":
                return self.of(operands[0], cast(tuple[int, ...], op.attrs["order"])[dim])
            case "arith.extsi" | "arith.extui" | "arith.index_cast":
                return self.of(operands[0], dim)
            case (
                "arith.addi"
                | "arith.subi"
                | "arith.muli"
                | "arith.remsi"
                | "arith.remui"
                | "arith.divsi"
                | "arith.divui"
            ):
                return _combine(op, self.of(operands[0], dim), self.of(operands[1], dim))
            case "tt.addptr":
                # Runs of the offsets are runs of elements, whatever the base; factors count from the argument.
                left, right = self.of(operands[0], dim), self.of(operands[1], dim)
                run = gcd(left.same, right.run) if value.shape else 1
                return Axis(run, gcd(left.factor_in(run), right.factor_in(run)), gcd(left.same, right.same))
            case "arith.cmpi" | "arith.andi" | "arith.ori" | "arith.select" | "arith.minsi" | "arith.maxsi":
                same = [self.of(operand, dim).same for operand in operands if operand.shape]
                return Axis(1, 1, gcd(*same) if same else 1)
        return UNKNOWN

    def _argument_factor(self, value: Value) -> int:
        if isinstance(value.element, Pointer):
            return LARGEST
        return power_of_two_in(self._factors.get(value, 1))

    def _element_factor(self, value: Value) -> int:
        """Return what divides every element."""
        factors = []
        for dim in range(len(value.shape)):
            axis = self.of(value, dim)
            factors.append(axis.factor_in(1))
        return max(factors, default=1)

    def is_same_comparison(self, op: Op, dim: int, lanes: int) -> bool:
        """Return whether a comparison has one outcome in each aligned group of `lanes` elements."""
        left, right = (self.of(operand, dim) for operand in op.operands)
        predicate = op.attrs["predicate"]
        if predicate in ("sgt", "ugt", "sle", "ule"):
            left, right = right, left
        elif predicate not in ("slt", "ult", "sge", "uge"):
            return False
        return min(left.run, left.factor_in(lanes), right.same, right.factor) >= lanes


def _combine(op: Op, left: Axis, right: Axis) -> Axis:
    same = gcd(left.same, right.same)
    match op.name:
        case "arith.addi":
            run = max(gcd(left.run, right.same), gcd(left.same, right.run))
            return Axis(run, gcd(left.factor_in(run), right.factor_in(run)), same)
        case "arith.subi":
            run = gcd(left.run, right.same)
            return Axis(run, gcd(left.factor_in(run), right.factor_in(run)), same)
        case "arith.muli":
            return Axis(1, min(LARGEST, left.factor_in(1) * right.factor_in(1)), same)
        case "arith.remsi" | "arith.remui":
            run = gcd(left.run, right.same, left.factor, right.factor)
            return Axis(run, gcd(left.factor_in(run), right.factor), same)
        case _:
            run = gcd(left.run, right.same, left.factor, right.factor)
            return Axis(1, 1, max(same, run))


def power_of_two_in(number: int) -> int:
    """Return the largest power of two that divides `number`, `LARGEST` for 0."""
    return min(LARGEST, number & -number) if number else LARGEST
