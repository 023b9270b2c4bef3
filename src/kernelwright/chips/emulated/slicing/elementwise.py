"""Ops on integers, lane by lane, and ops on scalar floats, as forms."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from kernelwright.chips.emulated.lowering.ttgir import Op, Value
from kernelwright.chips.emulated.slicing import shapes
from kernelwright.chips.emulated.slicing.algebra import ALL, Algebra
from kernelwright.chips.emulated.slicing.forms import Affine, Counted, Form, Mask
from kernelwright.chips.emulated.slicing.knowledge import combiner_of, element_of, is_float
from kernelwright.chips.emulated.slicing.opcodes import COMBINERS, RANK, Opcode
from kernelwright.chips.emulated.slicing.tables import lanes_table, place_table
from kernelwright.compiler.ir import Pointer
from kernelwright.core.errors import UnsupportedOpError
from kernelwright.core.plan import ELEMENT_BYTES

_CODES = {
    "muli": Opcode.MUL, "divsi": Opcode.DIV, "divui": Opcode.UDIV, "remsi": Opcode.REM, "remui": Opcode.UREM,
    "floordivsi": Opcode.FLOORDIV, "ceildivsi": Opcode.CEILDIV, "andi": Opcode.AND, "ori": Opcode.OR,
    "xori": Opcode.XOR, "shli": Opcode.SHL, "shrsi": Opcode.SHR, "shrui": Opcode.USHR, "minsi": Opcode.MIN,
    "maxsi": Opcode.MAX, "minui": Opcode.UMIN, "maxui": Opcode.UMAX,
}  # fmt: skip
_FLOAT_CODES = {
    "arith.addf": Opcode.FADD, "arith.subf": Opcode.FSUB, "arith.mulf": Opcode.FMUL, "arith.divf": Opcode.FDIV,
    "arith.minnumf": Opcode.FMIN, "arith.maxnumf": Opcode.FMAX, "arith.minimumf": Opcode.FMIN,
    "arith.maximumf": Opcode.FMAX, "arith.negf": Opcode.FNEG, "math.absf": Opcode.FABS, "math.floor": Opcode.FFLOOR,
    "math.ceil": Opcode.FCEIL,
}  # fmt: skip
_FLOAT_RELATIONS = {"eq": 0, "ne": 1, "lt": 2, "le": 3, "gt": 4, "ge": 5}
_UNCHANGED = frozenset(
    {
        "ttg.convert_layout",
        "tt.bitcast",
        "arith.bitcast",
        "tt.ptr_to_int",
        "tt.int_to_ptr",
        "arith.extsi",
        "arith.index_cast",
    }
)


def element_bytes(value: Value) -> int:
    """Return the bytes of what a pointer, or each lane of it, points to."""
    element = element_of(value)
    assert isinstance(element, Pointer), value
    return ELEMENT_BYTES[element.pointee]


def wrap_of(value: Value) -> int:
    """Return 64 minus the width of an integer, 0 for pointers and truth values, which never wrap."""
    element = element_of(value)
    if isinstance(element, Pointer) or element == "i1" or not element.startswith("i"):
        return 0
    return 64 - int(element[1:])


def is_truth(value: Value) -> bool:
    """Return whether a value, or each lane of it, is a truth value."""
    return element_of(value) == "i1"


class Elementwise:
    """Forms of results from forms of operands; `visit` covers ops that touch no memory."""

    def __init__(self, algebra: Algebra) -> None:
        self.algebra = algebra
        self.emitter = algebra.emitter
        self._special: dict[str, Callable[[Op, list[Form], int], Form]] = {
            "arith.constant": self._constant, "arith.addi": self._add, "arith.subi": self._add,
            "tt.addptr": self._addptr, "arith.cmpi": self._compare, "arith.select": self._select,
            "arith.extui": self._zero_extend,
            "arith.index_castui": self._zero_extend, "arith.trunci": self._truncate, "tt.mulhiui": self._high_product,
            "math.absi": self._absolute, "tt.make_range": self._range, "tt.splat": self._splat,
            "tt.unsplat": self._unsplat, "tt.expand_dims": self._expand, "tt.broadcast": self._broadcast,
            "tt.reshape": self._reshape, "tt.trans": self._transpose, "tt.reduce": self._reduce, "tt.scan": self._scan,
            "ub.poison": self._poison,
        }  # fmt: skip

    def visit(self, op: Op, operands: list[Form], level: int) -> Form:
        """Return the form of the op's only result."""
        special = self._special.get(op.name)
        if special is not None and not (is_float(op.result) and op.name != "arith.constant"):
            return special(op, operands, level)
        if op.name in _UNCHANGED:
            return self._widened(op, operands, level)
        code = _CODES.get(op.name.removeprefix("arith."))
        if code is not None:
            return self._combine(op, code, operands, level)
        return self._float(op, operands)

    def visit_many(self, op: Op, operands: list[Form]) -> list[Form]:
        """Return the forms of all results of an op that has several, or that puts tensors together."""
        algebra = self.algebra
        if op.name == "tt.split":
            whole = algebra.as_affine(operands[0], ALL)
            held = shapes.row_major(algebra, whole)
            shape, strides = whole.shape[:-1], held.strides[:-1]
            return [
                algebra.held(shape, replace(held, start=held.start + at * held.strides[-1], strides=strides))
                for at in (0, 1)
            ]
        rank = len(op.result.shape)
        return [shapes.joined(algebra, operands, 0 if op.name == "tt.cat" else rank - 1, op.name == "tt.join")]

    # --- arithmetic

    def _constant(self, op: Op, operands: list[Form], level: int) -> Form:
        value, shape = op.attrs["value"], op.result.shape
        if isinstance(value, tuple):
            lanes = self.algebra.new_lanes(shape, [n > 1 for n in shape], [int(v) for v in value])
            return self.algebra.held(shape, lanes)
        assert isinstance(value, int | float)
        if is_float(op.result):
            return Affine((), self.emitter.float_constant(float(value)))
        register = self.algebra.constant(int(value) & 1 if is_truth(op.result) else int(value))
        if is_truth(op.result) and shape:
            return self.algebra.everywhere(shape, register)
        return self.algebra.uniform(shape, register)

    def _poison(self, op: Op, operands: list[Form], level: int) -> Form:
        zero = self.algebra.constant(0)
        return self._truth(op, self.algebra.uniform(op.result.shape, zero), level)

    def _numbers(self, operands: Sequence[Form], level: int) -> list[Affine]:
        return [self.algebra.as_affine(form, level) for form in operands]

    def _truth(self, op: Op, form: Affine, level: int) -> Form:
        """Return integers as a mask where the op's result is a tensor of truth values and every lane is known."""
        if op.result.shape and is_truth(op.result) and form.is_whole:
            return self.algebra.as_mask(form)
        return form

    def _add(self, op: Op, operands: list[Form], level: int) -> Form:
        if is_truth(op.result):
            return self._combine(op, Opcode.XOR, operands, level)
        x, y = self._numbers(operands, level)
        return self.algebra.add(x, y, wrap_of(op.result), -1 if op.name == "arith.subi" else 1)

    def _addptr(self, op: Op, operands: list[Form], level: int) -> Form:
        pointer, offset = self._numbers(operands, level)
        bytes_each = self.algebra.constant(element_bytes(op.result))
        return self.algebra.add(pointer, self.algebra.scale(offset, bytes_each, 0), 0)

    def _combine(self, op: Op, code: Opcode, operands: list[Form], level: int) -> Form:
        algebra = self.algebra
        if op.result.shape and is_truth(op.result):
            return self._combine_truth(op, code, operands, level)
        x, y = self._numbers(operands, level)
        wrap = wrap_of(op.result)
        if code is Opcode.MUL and algebra.is_uniform(y):
            return algebra.scale(x, algebra.first(y), wrap)
        if code is Opcode.MUL and algebra.is_uniform(x):
            return algebra.scale(y, algebra.first(x), wrap)
        if code is Opcode.SHL and algebra.is_uniform(y):
            factor = self.emitter.pure(Opcode.SHL, algebra.constant(1), algebra.first(y))
            return algebra.scale(x, factor, wrap)
        one = algebra.is_uniform(y) and self.emitter.value(y.base) == 1
        if code in (Opcode.DIV, Opcode.UDIV) and one:
            return x
        return algebra.combine(code, [x, y], wrap, level)

    def _combine_truth(self, op: Op, code: Opcode, operands: list[Form], level: int) -> Form:
        algebra = self.algebra
        x, y = operands
        whole = all(isinstance(form, Mask) or (isinstance(form, Affine) and form.is_whole) for form in operands)
        if whole:
            masks = [algebra.as_mask(form) for form in operands]
            gates = [self.emitter.value(mask.gate) if algebra.is_gate(mask) else None for mask in masks]
            if code in (Opcode.AND, Opcode.MUL, Opcode.UMIN):
                return algebra.both(masks[0], masks[1])
            if code is Opcode.XOR and 1 in gates:
                return algebra.negated(masks[1 - gates.index(1)])
            if code in (Opcode.OR, Opcode.UMAX, Opcode.XOR) and 0 in gates:
                return masks[1 - gates.index(0)]
            if code in (Opcode.OR, Opcode.UMAX) and 1 in gates:
                return masks[gates.index(1)]
        made = algebra.combine(code, [algebra.as_affine(x, level), algebra.as_affine(y, level)], 0, level)
        return self._truth(op, made, level)

    def _compare(self, op: Op, operands: list[Form], level: int) -> Form:
        algebra = self.algebra
        predicate = op.attrs["predicate"]
        assert isinstance(predicate, str)
        back = self._compared_count(predicate, operands)
        if back is not None:
            return back
        x, y = self._numbers(operands, level)
        if not op.result.shape:
            mask = algebra.compare(predicate, x, y, level)
            return algebra.as_affine(mask, level)
        return algebra.compare(predicate, x, y, level)

    def _compared_count(self, predicate: str, operands: list[Form]) -> Form | None:
        """Return the mask that a comparison of 0 and 1 with 0 gives back."""
        x, y = operands
        if not (isinstance(x, Counted) and not x.dims and isinstance(y, Affine) and self.algebra.is_uniform(y)):
            return None
        value = self.emitter.value(y.base)
        if (predicate, value) in (("ne", 0), ("sgt", 0), ("eq", 1)):
            return x.mask
        return None

    def _select(self, op: Op, operands: list[Form], level: int) -> Form:
        algebra = self.algebra
        condition, x, y = operands
        if isinstance(condition, Mask) and not algebra.is_gate(condition):
            if is_truth(op.result) and isinstance(x, Mask) and isinstance(y, Mask):
                return self._select_masks(op, condition, x, y, level)
            lanes = [algebra.as_affine(form, level) for form in (condition, x, y)]
            return self._truth(op, algebra.combine(Opcode.SELECT, lanes, wrap_of(op.result), level), level)
        gate = algebra.first(condition)
        if isinstance(condition, Affine) and not algebra.is_uniform(condition):
            lanes = self._numbers([condition, x, y], level)
            return self._truth(op, algebra.combine(Opcode.SELECT, lanes, wrap_of(op.result), level), level)
        if isinstance(x, Mask) and isinstance(y, Mask) and algebra.is_gate(y) and algebra.is_zero(y.gate):
            return algebra.both(x, algebra.everywhere(x.shape, gate))
        chosen = algebra.choose(gate, algebra.as_affine(x, level), algebra.as_affine(y, level), level)
        return self._truth(op, chosen, level)

    def _select_masks(self, op: Op, condition: Mask, x: Mask, y: Mask, level: int) -> Form:
        algebra = self.algebra
        if algebra.is_gate(y) and algebra.is_zero(y.gate):
            return algebra.both(condition, x)
        lanes = [algebra.as_affine(form, level) for form in (condition, x, y)]
        return self._truth(op, algebra.combine(Opcode.SELECT, lanes, 0, level), level)

    def _widened(self, op: Op, operands: list[Form], level: int) -> Form:
        """Return an operand that keeps its number: layouts, pointers as integers, sign extension."""
        form = operands[0]
        if op.name == "arith.extsi" and is_truth(op.operands[0]):
            zero = self.algebra.constant(0)
            x = self.algebra.as_affine(form, level)
            return self.algebra.add(self.algebra.uniform(x.shape, zero), x, wrap_of(op.result), -1)
        return form

    def _zero_extend(self, op: Op, operands: list[Form], level: int) -> Form:
        form = operands[0]
        if isinstance(form, Mask) and op.result.shape:
            return Counted(form, (), "any")
        x = self.algebra.as_affine(form, level)
        if is_truth(op.operands[0]):
            return x
        if self.algebra.is_uniform(x):
            wrap = wrap_of(op.operands[0])
            return self.algebra.uniform(x.shape, self.emitter.pure(Opcode.ZEXT, self.algebra.first(x), wrap=wrap))
        if x.terms and x.is_whole and level == ALL:
            # Bytes from memory, masks most of all, are read with their sign.
            bits = (1 << (64 - wrap_of(op.operands[0]))) - 1
            return self.algebra.combine(
                Opcode.AND, [x, self.algebra.uniform(x.shape, self.algebra.constant(bits))], 0, ALL
            )
        return x

    def _truncate(self, op: Op, operands: list[Form], level: int) -> Form:
        form = operands[0]
        if is_truth(op.result):
            if isinstance(form, Counted) and not form.dims:
                return form.mask
            x = self.algebra.as_affine(form, level)
            one = self.algebra.uniform(x.shape, self.algebra.constant(1))
            return self._truth(op, self.algebra.combine(Opcode.AND, [x, one], 0, level), level)
        if isinstance(form, Counted):
            return form
        x = self.algebra.as_affine(form, level)
        if self.algebra.is_uniform(x):
            wrapped = self.emitter.pure(Opcode.MOV, self.algebra.first(x), wrap=wrap_of(op.result))
            return self.algebra.uniform(x.shape, wrapped)
        return x

    def _high_product(self, op: Op, operands: list[Form], level: int) -> Form:
        return self.algebra.combine(Opcode.UMULHI, self._numbers(operands, level), wrap_of(op.result), level)

    def _absolute(self, op: Op, operands: list[Form], level: int) -> Form:
        return self.algebra.combine(Opcode.ABS, self._numbers(operands, level), wrap_of(op.result), level)

    # --- shapes

    def _range(self, op: Op, operands: list[Form], level: int) -> Form:
        start = op.attrs["start"]
        assert isinstance(start, int)
        return Affine(op.result.shape, self.algebra.constant(start), (self.algebra.constant(1),))

    def _splat(self, op: Op, operands: list[Form], level: int) -> Form:
        register = self.algebra.first(operands[0])
        if is_truth(op.result):
            return self.algebra.everywhere(op.result.shape, register)
        return self.algebra.uniform(op.result.shape, register)

    def _unsplat(self, op: Op, operands: list[Form], level: int) -> Form:
        return Affine((), self.algebra.first(self._plain(operands[0])))

    def _plain(self, form: Form) -> Form:
        return self.algebra.as_affine(form, ALL) if isinstance(form, Counted) else form

    def _expand(self, op: Op, operands: list[Form], level: int) -> Form:
        axis = op.attrs["axis"]
        assert isinstance(axis, int)
        return shapes.expand(self.algebra, operands[0], axis)

    def _broadcast(self, op: Op, operands: list[Form], level: int) -> Form:
        return shapes.stretch(self.algebra, operands[0], op.result.shape)

    def _transpose(self, op: Op, operands: list[Form], level: int) -> Form:
        order = op.attrs["order"]
        assert isinstance(order, tuple)
        return shapes.transposed(self.algebra, operands[0], order)

    def _reshape(self, op: Op, operands: list[Form], level: int) -> Form:
        return self._truth(op, shapes.reshaped(self.algebra, operands[0], op.result.shape, level), level)

    # --- lanes among themselves

    def _reduce(self, op: Op, operands: list[Form], level: int) -> Form:
        algebra = self.algebra
        axis, name = op.attrs["axis"], combiner_of(op)
        assert isinstance(axis, int) and name is not None
        code = COMBINERS[name]
        form = operands[0]
        if isinstance(form, Mask):
            form = Counted(form, (), "any")
        how = "any" if code in (Opcode.MAX, Opcode.UMAX, Opcode.OR) else "count" if code is Opcode.ADD else ""
        if (
            isinstance(form, Counted)
            and how
            and (not form.dims or form.how == how)
            and not (is_truth(op.result) and how == "count")
        ):
            left = [d for d in range(len(form.mask.shape)) if d not in form.dims]
            counted = Counted(form.mask, (*form.dims, left[axis]), how)
            if len(left) > 1:
                return counted
            return Affine((), algebra.any(form.mask) if how == "any" else algebra.count(form.mask))
        x = algebra.as_affine(form, ALL)
        return self._truth(op, algebra.reduced(x, axis, code, wrap_of(op.result)), level)

    def _scan(self, op: Op, operands: list[Form], level: int) -> Form:
        algebra = self.algebra
        axis, name = op.attrs["axis"], combiner_of(op)
        assert isinstance(axis, int) and name is not None
        x = algebra.as_affine(operands[0], ALL)
        source = algebra.lanes(x)
        depends = [differs or d == axis for d, differs in enumerate(algebra.depends(x))]
        made = algebra.new_lanes(x.shape, depends)
        extents = [size if differs else 1 for size, differs in zip(x.shape, depends, strict=True)]
        table = [
            *place_table(made, extents), COMBINERS[name], wrap_of(op.result), axis + RANK - len(x.shape),
            int(bool(op.attrs.get("reverse"))), *lanes_table(source),
        ]  # fmt: skip
        algebra.write_lanes(Opcode.SCAN, made, table, (), (source.block,))
        return algebra.held(x.shape, made)

    # --- floats of scalars

    def _float(self, op: Op, operands: list[Form]) -> Form:
        name = op.name.removeprefix("arith.")
        registers = [self.algebra.first(form) for form in operands]
        pure = self.emitter.pure
        single = is_float(op.result) and op.result.type != "f64"
        if op.name in _FLOAT_CODES:
            made = pure(_FLOAT_CODES[op.name], *registers)
        elif name in ("sitofp", "uitofp"):
            made = pure(Opcode.FROM_INT, registers[0])
        elif name in ("fptosi", "fptoui"):
            return Affine((), pure(Opcode.TO_INT, registers[0]))
        elif name in ("extf", "truncf"):
            made = registers[0]
        elif name == "select":
            return Affine((), pure(Opcode.FSELECT, *registers))
        elif name == "cmpf":
            predicate = str(op.attrs["predicate"])
            relation = _FLOAT_RELATIONS.get(predicate[1:])
            if relation is None:
                raise UnsupportedOpError(f"line {op.line}: arith.cmpf {predicate} cannot be timed from a slice")
            return Affine((), self.emitter.compare_floats(relation, *registers))
        else:
            raise UnsupportedOpError(f"line {op.line}: op {op.name} cannot be timed from a slice")
        return Affine((), pure(Opcode.FSINGLE, made) if single else made)
