"""How many different elements of a value a thread really works out.

Two things make it fewer than the layout holds. *Demand*: an access of 8 elements in a row needs one address and one
mask for each 8. *Sameness*: what was splat or broadcast along a dimension is one number there. LLVM drops the rest.
"""

from collections.abc import Iterator

from kernelwright.chips.emulated.lowering.axes import AxisTable, carried_pairs
from kernelwright.chips.emulated.lowering.layouts import bases, fastest_order
from kernelwright.chips.emulated.lowering.segments import CONTROL_OPS
from kernelwright.chips.emulated.lowering.ttgir import GpuModule, Op, Value, walk
from kernelwright.chips.emulated.lowering.ttgir_types import TensorType

# Operand positions of pointer and mask.
_ADDRESSES = {
    "tt.load": (0, 1), "tt.store": (0, 2), "ttg.async_copy_global_to_local": (0, 2), "tt.atomic_rmw": (0, 2),
    "tt.atomic_cas": (0, None), "tt.atomic_load": (0, None),
    "tt.atomic_store": (0, None),
    "tt.atomic_poll": (0, None),
}  # fmt: skip


def mask_of(op: Op) -> Value | None:
    """Return the mask operand of an access, None where it has none."""
    place = _ADDRESSES.get(op.name, (0, None))[1]
    return op.operands[place] if place is not None and op.attrs.get("mask") else None


def vector_of(op: Op, axes: AxisTable) -> int:
    """Return the elements of one thread's widest access of `op`."""
    hint = op.attrs.get("contiguity")
    return axes.vector(op.operands[0], mask_of(op), hint if isinstance(hint, int) else 1)


class Demand:
    """Counts of one kernel's values."""

    def __init__(self, module: GpuModule, axes: AxisTable) -> None:
        self._axes = axes
        self._ops = list(walk(module.body))
        self._strides: dict[Value, tuple[int, ...]] = {}
        self._same: dict[Value, tuple[bool, ...]] = {}
        while self._need():
            pass
        while self._spread():
            pass

    def elements(self, value: Value) -> int:
        """Return the different elements of `value` that one thread works out, 1 for a scalar, 0 where nobody asks."""
        kind = value.type
        if not isinstance(kind, TensorType):
            return 1
        strides = self._strides.get(value)
        if strides is None:
            return 0
        same = self._same.get(value, (False,) * len(kind.shape))
        register = bases(kind.layout, kind.shape).register
        return 1 << sum(
            any(c and not s and c >= stride for c, s, stride in zip(base, same, strides, strict=True))
            for base in register
        )

    def _need(self) -> bool:
        changed = False
        for op in reversed(self._ops):
            for value, strides in self._asked(op):
                if isinstance(value.type, TensorType):
                    old = self._strides.get(value)
                    new = strides if old is None else tuple(map(min, old, strides))
                    changed |= new != old
                    self._strides[value] = new
        return changed

    def _asked(self, op: Op) -> Iterator[tuple[Value, tuple[int, ...]]]:
        """Yield what an op needs of its operands."""
        if op.name in CONTROL_OPS or op.successors:
            for target, source in flows(op):
                if target in self._strides:
                    yield source, self._strides[target]
            return
        if op.name in ("scf.yield", "scf.condition"):
            return
        if op.name in _ADDRESSES:
            yield from self._access(op)
            return
        asked = self._strides.get(op.results[0]) if len(op.results) == 1 else None
        if asked is None and op.results and op.name in _FOLLOWS and not op.regions:
            return
        for value in op.operands:
            yield value, self._through(op, value, asked)

    def _access(self, op: Op) -> Iterator[tuple[Value, tuple[int, ...]]]:
        pointer, mask = op.operands[0], mask_of(op)
        for value in op.operands:
            strides = [1] * len(value.shape)
            if value is pointer or value is mask:
                kind = pointer.type
                if isinstance(kind, TensorType) and isinstance(value.type, TensorType):
                    strides[fastest_order(kind.layout, len(kind.shape))[0]] = vector_of(op, self._axes)
            yield value, tuple(strides)

    def _through(self, op: Op, value: Value, asked: tuple[int, ...] | None) -> tuple[int, ...]:
        ones = (1,) * len(value.shape)
        if asked is None or op.name not in _FOLLOWS or not value.shape:
            return ones
        if op.name == "tt.expand_dims":
            axis = op.attrs["axis"]
            assert isinstance(axis, int)
            return (*asked[:axis], *asked[axis + 1 :])
        if op.name == "tt.broadcast":
            return tuple(1 if size == 1 else stride for size, stride in zip(value.shape, asked, strict=True))
        return asked if len(asked) == len(value.shape) else ones

    def _spread(self) -> bool:
        changed = False
        for op in self._ops:
            if op.name in CONTROL_OPS or op.successors:
                for target, source in flows(op):
                    known = self._same.get(source)
                    if known is not None:
                        old = self._same.get(target)
                        changed |= self._note(target, known if old is None else tuple(map(min, old, known)))
            elif len(op.results) == 1 and isinstance(op.results[0].type, TensorType):
                changed |= self._note(op.results[0], self._sameness(op))
        return changed

    def _note(self, value: Value, same: tuple[bool, ...]) -> bool:
        if self._same.get(value) == same:
            return False
        self._same[value] = same
        return True

    def _sameness(self, op: Op) -> tuple[bool, ...]:
        shape = op.results[0].shape
        if op.name == "tt.splat" or (op.name == "arith.constant" and not isinstance(op.attrs.get("value"), tuple)):
            return (True,) * len(shape)
        if op.name not in _FOLLOWS:
            return (False,) * len(shape)
        found = [True] * len(shape)
        for value in op.operands:
            if not value.shape:
                continue
            same = self._same.get(value, (False,) * len(value.shape))
            if op.name == "tt.expand_dims":
                axis = op.attrs["axis"]
                assert isinstance(axis, int)
                same = (*same[:axis], True, *same[axis:])
            elif op.name == "tt.broadcast":
                same = tuple(size == 1 or old for size, old in zip(value.shape, same, strict=True))
            found = [a and b for a, b in zip(found, same, strict=True)]
        return tuple(found)


def flows(op: Op) -> Iterator[tuple[Value, Value]]:
    """Yield (value, where it comes from) of everything that control flow hands on at `op`."""
    if op.successors:
        for target, sources in op.successors:
            yield from zip(target.args, sources, strict=True)
        return
    yield from carried_pairs(op, entering=True)
    yield from carried_pairs(op, entering=False)


# Element by element, so that what is asked of the result is asked of the operands.
_FOLLOWS = frozenset(
    """tt.expand_dims tt.broadcast tt.addptr tt.bitcast tt.int_to_ptr tt.ptr_to_int tt.fp_to_fp tt.clampf tt.mulhiui
    arith.addi arith.subi arith.muli arith.divsi arith.divui arith.remsi arith.remui arith.cmpi arith.cmpf arith.select
    arith.andi arith.ori arith.xori arith.shli arith.shrsi arith.shrui arith.minsi arith.maxsi arith.minui arith.maxui
    arith.extsi arith.extui arith.trunci arith.extf arith.truncf arith.sitofp arith.uitofp arith.fptosi arith.fptoui
    arith.addf arith.subf arith.mulf arith.divf tt.approx_divf arith.negf arith.maxnumf arith.minnumf arith.maximumf
    arith.minimumf arith.bitcast math.exp math.exp2 math.log math.log2 math.sqrt math.rsqrt math.absf math.absi
    math.fma""".split()  # noqa: SIM905 - a table of names
)
