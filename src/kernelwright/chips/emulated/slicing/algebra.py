"""Arithmetic on forms: what an op does to base, strides and spans, and lanes one by one where that is not enough."""

from collections.abc import Sequence
from dataclasses import replace

from kernelwright.chips.emulated.slicing.emitter import Emitter, Instruction
from kernelwright.chips.emulated.slicing.forms import Affine, Counted, Form, Half, Lanes, Mask
from kernelwright.chips.emulated.slicing.opcodes import RANK, Opcode
from kernelwright.chips.emulated.slicing.tables import affine_table, lanes_table, mask_table, place_table
from kernelwright.core.errors import UnsupportedOpError

# What is asked of a value: lane 0, or all of them.
FIRST, ALL = 1, 2

_RELATIONS = {
    "eq": Opcode.EQ, "ne": Opcode.NE, "slt": Opcode.LT, "sle": Opcode.LE, "sgt": Opcode.GT, "sge": Opcode.GE,
    "ult": Opcode.ULT, "ule": Opcode.ULE, "ugt": Opcode.UGT, "uge": Opcode.UGE,
}  # fmt: skip
_MIRRORED = {"ugt": "ult", "uge": "ule"}


def guards_of(x: Affine) -> tuple[int | None, ...]:
    """Return by dimension the register that its stride depends on, None for no such register."""
    return x.guards or (None,) * len(x.shape)


class Algebra:
    """Emits what forms need. `level` says whether lane 0 of a result is enough (FIRST) or every lane is asked (ALL)."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter

    # --- plain forms

    def constant(self, value: int) -> int:
        """Return the register of a constant."""
        return self.emitter.constant(value)

    def uniform(self, shape: Sequence[int], register: int) -> Affine:
        """Return the tensor whose lanes all hold `register`; a scalar for no dimensions."""
        return Affine(tuple(shape), register, (self.constant(0),) * len(shape))

    def everywhere(self, shape: Sequence[int], gate: int) -> Mask:
        """Return the mask that leaves all lanes or none."""
        return Mask(tuple(shape), gate, (None,) * len(shape))

    def is_zero(self, register: int | None) -> bool:
        """Return whether a register holds constant 0."""
        return register is not None and self.emitter.value(register) == 0

    def depends(self, form: Affine) -> tuple[bool, ...]:
        """Return by dimension whether lanes along it may differ."""
        return tuple(
            size > 1 and (not self.is_zero(stride) or any(lanes.strides[d] != 0 for _, lanes in form.terms))
            for d, (size, stride) in enumerate(zip(form.shape, form.strides, strict=True))
        )

    def is_uniform(self, form: Affine) -> bool:
        """Return whether all lanes hold the same number."""
        return not any(self.depends(form))

    def unknown_beyond_first(self, forms: Sequence[Affine], base: int) -> Affine:
        """Return the form of which lane 0, `base`, is known, where lanes depend on those of `forms`."""
        strides = [None if any(d) else self.constant(0) for d in zip(*map(self.depends, forms), strict=True)]
        return Affine(forms[0].shape, base, tuple(strides))

    # --- integers

    def add(self, x: Affine, y: Affine, wrap: int, sign: int = 1) -> Affine:
        """Return x + y, or x - y for sign -1."""
        code = Opcode.ADD if sign > 0 else Opcode.SUB
        pure = self.emitter.pure
        strides = tuple(
            None if a is None or b is None else pure(code, a, b) for a, b in zip(x.strides, y.strides, strict=True)
        )
        # What neighbours add along an unknown dimension: the known strides of the other operand count as well.
        grains = {*self.grains(x), *self.grains(y)}
        grains |= {b for a, b in zip(x.strides, y.strides, strict=True) if a is None and b is not None}
        grains |= {a for a, b in zip(x.strides, y.strides, strict=True) if b is None and a is not None}
        terms = {lanes: coefficient for coefficient, lanes in x.terms}
        for coefficient, lanes in y.terms:
            terms[lanes] = pure(code, terms.get(lanes, self.constant(0)), coefficient)
        kept = tuple((c, lanes) for lanes, c in terms.items() if not self.is_zero(c))
        guards = tuple(self._both(a, b) for a, b in zip(guards_of(x), guards_of(y), strict=True))
        known = tuple(sorted(g for g in grains if not self.is_zero(g)))
        return Affine(x.shape, pure(code, x.base, y.base, wrap=wrap), strides, kept, known, guards)

    def scale(self, x: Affine, factor: int, wrap: int) -> Affine:
        """Return x times a register."""
        pure = self.emitter.pure
        return replace(
            x,
            base=pure(Opcode.MUL, x.base, factor, wrap=wrap),
            strides=tuple(None if s is None else pure(Opcode.MUL, s, factor) for s in x.strides),
            terms=tuple((pure(Opcode.MUL, c, factor), lanes) for c, lanes in x.terms),
            grains=tuple(pure(Opcode.MUL, g, factor) for g in self.grains(x)),
        )

    def grains(self, x: Affine) -> tuple[int, ...]:
        """Return what divides the distances of neighbours of which no stride is known: 1 when nothing better is."""
        return x.grains if x.grains or x.is_whole else (self.constant(1),)

    def combine(self, code: Opcode, operands: Sequence[Affine], wrap: int, level: int) -> Affine:
        """Return an operation on integers, lane by lane unless all lanes are alike or lane 0 is enough."""
        if all(self.is_uniform(form) for form in operands):
            return self.uniform(operands[0].shape, self._of_firsts(code, operands, wrap))
        if level == FIRST:
            base = self._of_firsts(code, operands, wrap)
            found = self._guarded(code, operands, base)
            return found if found is not None else self.unknown_beyond_first(operands, base)
        parts = [self.lanes(form) for form in operands]
        table: list[int] = [code, wrap]
        for lanes in parts:
            table += lanes_table(lanes)
        table += [0] * ((RANK + 1) * (3 - len(parts)))
        made = self.new_lanes(operands[0].shape, [any(d) for d in zip(*map(self.depends, operands), strict=True)])
        self._on_lanes(Opcode.ELEMENTWISE, made, operands[0].shape, table, (), tuple(lanes.block for lanes in parts))
        return self.held(operands[0].shape, made)

    def _of_firsts(self, code: Opcode, operands: Sequence[Affine], wrap: int) -> int:
        registers = [self.first(form) for form in operands]
        a, b, c = registers + [-1] * (3 - len(registers))
        return self.emitter.pure(code, a, b, c, wrap)

    def _guarded(self, code: Opcode, operands: Sequence[Affine], base: int) -> Affine | None:
        """Return a division or remainder that keeps its strides as long as no lane passes a multiple of the divisor."""
        if code not in (Opcode.DIV, Opcode.REM, Opcode.FLOORDIV) or not self.is_uniform(operands[1]):
            return None
        x, divisor = operands[0], self.first(operands[1])
        if x.terms or not x.is_whole:
            return None
        pure = self.emitter.pure
        last, grows = self.constant(0), pure(Opcode.GE, x.base, self.constant(0))
        for stride, size in zip(x.strides, x.shape, strict=True):
            assert stride is not None
            last = pure(Opcode.ADD, last, pure(Opcode.MUL, stride, self.constant(size - 1)))
            grows = pure(Opcode.AND, grows, pure(Opcode.GE, stride, self.constant(0)))
        rest = pure(Opcode.REM, x.base, divisor)
        fits = pure(Opcode.LT, pure(Opcode.ADD, rest, last), divisor)
        strides = x.strides if code is Opcode.REM else (self.constant(0),) * len(x.shape)
        guard = pure(Opcode.AND, grows, fits)
        guards = tuple(guard if differs else None for differs in self.depends(x))
        return Affine(x.shape, base, strides, guards=guards)

    def choose(self, gate: int, x: Affine, y: Affine, level: int) -> Affine:
        """Return x where register `gate` is not 0, else y."""
        if x == y:
            return x
        pure = self.emitter.pure
        if x.is_whole and y.is_whole and x.terms == y.terms:
            pairs = zip(x.strides, y.strides, strict=True)
            strides = tuple(pure(Opcode.SELECT, gate, a or 0, b or 0) for a, b in pairs)
            return Affine(x.shape, pure(Opcode.SELECT, gate, x.base, y.base), strides, x.terms)
        return self.combine(Opcode.SELECT, [self.uniform(x.shape, gate), x, y], 0, level)

    # --- masks

    def compare(self, predicate: str, x: Affine, y: Affine, level: int) -> Mask | Affine:
        """Return where a relation holds: a mask, or an Affine of which only lane 0 is known."""
        code = _RELATIONS[predicate]
        if self.is_uniform(x) and self.is_uniform(y):
            return self.everywhere(x.shape, self.emitter.pure(code, self.first(x), self.first(y)))
        difference = self.add(x, y, 0, -1)
        if not difference.is_whole:
            return self.combine(code, [x, y], 0, FIRST)
        halves = None if difference.terms else self._halves(predicate, x, y, difference)
        if halves is None:
            made = self.combine(code, [x, y], 0, level)
            return made if level == FIRST else self.as_mask(made)
        mask = self.everywhere(x.shape, self.constant(1))
        for half in halves:
            mask = self.both(mask, self._of_half(x.shape, half))
        return mask

    def _halves(self, predicate: str, x: Affine, y: Affine, difference: Affine) -> list[Half] | None:
        """Return the halves that a relation of affine integers is; None where it is not."""
        one = self.constant(1)
        if predicate in _MIRRORED:
            predicate, x, y, difference = _MIRRORED[predicate], y, x, self._negated(difference)
        if predicate in ("ult", "ule"):
            bound = self.emitter.value(y.base) if self.is_uniform(y) else None
            if bound is None or bound < 0:
                return None
            inner = self._halves("s" + predicate[1:], x, y, difference)
            assert inner is not None
            return [*inner, self._half(x)]
        less = self._negated(difference)
        match predicate:
            case "sge":
                return [self._half(difference)]
            case "sgt":
                return [self._half(difference, one)]
            case "sle":
                return [self._half(less)]
            case "slt":
                return [self._half(less, one)]
            case "eq":
                return [self._half(difference), self._half(less)]
        return None

    def _negated(self, x: Affine) -> Affine:
        return self.add(self.uniform(x.shape, self.constant(0)), x, 0, -1)

    def _half(self, x: Affine, less: int | None = None) -> Half:
        base = x.base if less is None else self.emitter.pure(Opcode.SUB, x.base, less)
        return Half(base, tuple(stride or 0 for stride in x.strides))

    def _of_half(self, shape: tuple[int, ...], half: Half) -> Mask:
        """Return the mask of one half: a span where it cuts one dimension at a known stride."""
        pure = self.emitter.pure
        mask = self.everywhere(shape, self.constant(1))
        dims = [d for d, stride in enumerate(half.strides) if shape[d] > 1 and not self.is_zero(stride)]
        if not dims:
            return replace(mask, gate=pure(Opcode.GE, half.base, self.constant(0)))
        step = self.emitter.value(half.strides[dims[0]])
        if len(dims) > 1 or step is None:
            return replace(mask, halves=(half,))
        zero, size = self.constant(0), self.constant(shape[dims[0]])
        if step > 0:
            start = pure(Opcode.CEILDIV, pure(Opcode.SUB, zero, half.base), self.constant(step))
            span = (pure(Opcode.MAX, zero, start), size)
        else:
            last = pure(Opcode.FLOORDIV, half.base, self.constant(-step))
            span = (zero, pure(Opcode.MIN, size, pure(Opcode.ADD, last, self.constant(1))))
        spans = list(mask.spans)
        spans[dims[0]] = span
        return replace(mask, spans=tuple(spans))

    def both(self, x: Mask, y: Mask) -> Mask:
        """Return the lanes that both masks leave."""
        pure = self.emitter.pure
        spans: list[tuple[int, int] | None] = []
        for a, b in zip(x.spans, y.spans, strict=True):
            if a is None or b is None:
                spans.append(a or b)
            else:
                spans.append((pure(Opcode.MAX, a[0], b[0]), pure(Opcode.MIN, a[1], b[1])))
        halves = (*x.halves, *(half for half in y.halves if half not in x.halves))
        flags = (*x.flags, *(lanes for lanes in y.flags if lanes not in x.flags))
        return Mask(x.shape, pure(Opcode.AND, x.gate, y.gate), tuple(spans), halves, flags)

    def negated(self, x: Mask) -> Mask:
        """Return the lanes that a mask hides."""
        one = self.constant(1)
        if all(span is None for span in x.spans) and not x.halves and not x.flags:
            return replace(x, gate=self.emitter.pure(Opcode.XOR, x.gate, one))
        held = self.as_affine(x, ALL)
        return self.as_mask(self.combine(Opcode.XOR, [held, self.uniform(x.shape, one)], 0, ALL))

    def is_gate(self, x: Mask) -> bool:
        """Return whether a mask leaves all lanes or none."""
        return all(span is None for span in x.spans) and not x.halves and not x.flags

    def as_mask(self, x: Form) -> Mask:
        """Return a tensor of truth values as a mask."""
        if isinstance(x, Mask):
            return x
        assert isinstance(x, Affine), x
        if self.is_uniform(x):
            return self.everywhere(x.shape, self.first(x))
        return replace(self.everywhere(x.shape, self.constant(1)), flags=(self.lanes(x),))

    def as_affine(self, x: Form, level: int) -> Affine:
        """Return a form as integers; truth is 1."""
        if isinstance(x, Affine):
            return x
        if isinstance(x, Counted):
            return self._counted(x)
        assert isinstance(x, Mask), x
        if self.is_gate(x):
            return self.uniform(x.shape, x.gate)
        if level == FIRST:
            strides = tuple(None if d else self.constant(0) for d in self._mask_depends(x))
            return Affine(x.shape, self.first(x), strides)
        made = self.new_lanes(x.shape, self._mask_depends(x))
        table, reads, blocks = mask_table(self.emitter, x)
        self._on_lanes(Opcode.MASK_LANES, made, x.shape, table, reads, blocks)
        return self.held(x.shape, made)

    def _counted(self, x: Counted) -> Affine:
        form = self.as_affine(x.mask, ALL)
        code = Opcode.MAX if x.how == "any" else Opcode.ADD
        for dim in sorted(x.dims, reverse=True):
            form = self.reduced(form, dim, code, 0)
        return form

    def _mask_depends(self, x: Mask) -> list[bool]:
        return [
            size > 1
            and (
                x.spans[d] is not None
                or any(not self.is_zero(half.strides[d]) for half in x.halves)
                or any(lanes.strides[d] != 0 for lanes in x.flags)
            )
            for d, size in enumerate(x.shape)
        ]

    def count(self, x: Mask) -> int:
        """Return the register of how many lanes a mask leaves."""
        pure = self.emitter.pure
        if x.halves or x.flags:
            return self._query(Opcode.COUNT, x)
        total = x.gate
        for span, size in zip(x.spans, x.shape, strict=True):
            lanes = self.constant(size)
            if span is not None:
                lanes = pure(Opcode.MAX, self.constant(0), pure(Opcode.SUB, span[1], span[0]))
            total = pure(Opcode.MUL, total, lanes)
        return total

    def any(self, x: Mask) -> int:
        """Return the register of whether a mask leaves any lane, 1 or 0."""
        if x.halves or x.flags:
            return self._query(Opcode.ANY, x)
        return self.emitter.pure(Opcode.NE, self.count(x), self.constant(0))

    def _query(self, code: Opcode, x: Mask) -> int:
        table, reads, blocks = mask_table(self.emitter, x)
        return self.emitter.query(code, table, reads, blocks)

    # --- lanes

    def first(self, x: Form) -> int:
        """Return the register of lane 0."""
        pure, zero = self.emitter.pure, self.constant(0)
        if isinstance(x, Affine):
            total = x.base
            for coefficient, lanes in x.terms:
                total = pure(Opcode.ADD, total, pure(Opcode.MUL, coefficient, self._first_lane(lanes)))
            return total
        assert isinstance(x, Mask), x
        left = x.gate
        for span in x.spans:
            if span is not None:
                inside = pure(Opcode.AND, pure(Opcode.LE, span[0], zero), pure(Opcode.GT, span[1], zero))
                left = pure(Opcode.AND, left, inside)
        for half in x.halves:
            left = pure(Opcode.AND, left, pure(Opcode.GE, half.base, zero))
        for lanes in x.flags:
            left = pure(Opcode.AND, left, pure(Opcode.NE, self._first_lane(lanes), zero))
        return left

    def _first_lane(self, lanes: Lanes) -> int:
        register = self.emitter.register()
        zero = self.constant(0)
        read = Instruction(Opcode.GET, register, lanes.start, zero, reads=(zero,), lanes_read=(lanes.block,))
        self.emitter.append(read)
        return register

    def lanes(self, x: Affine) -> Lanes:
        """Return every lane of a whole form, held in the arena."""
        if not x.is_whole:
            raise UnsupportedOpError("only lane 0 of a value is known where every lane of it is asked")
        if len(x.terms) == 1 and self.is_zero(x.base) and all(map(self.is_zero, x.strides)):
            coefficient, lanes = x.terms[0]
            if self.emitter.value(coefficient) == 1:
                return lanes
        made = self.new_lanes(x.shape, self.depends(x))
        table, reads, blocks = affine_table(self.emitter, x)
        self._on_lanes(Opcode.LANES, made, x.shape, table, reads, blocks)
        return made

    def held(self, shape: Sequence[int], lanes: Lanes) -> Affine:
        """Return the form whose lanes are held in the arena."""
        return replace(self.uniform(shape, self.constant(0)), terms=((self.constant(1), lanes),))

    def new_lanes(self, shape: Sequence[int], depends: Sequence[bool], values: Sequence[int] = ()) -> Lanes:
        """Return room for the lanes of `shape`, one where neighbours are the same."""
        if len(shape) > RANK:
            raise UnsupportedOpError(f"tensors worked out lane by lane must have at most {RANK} dimensions")
        strides: list[int] = []
        count = 1
        for size, differs in zip(reversed(shape), reversed(depends), strict=True):
            strides.append(count if differs else 0)
            count *= size if differs else 1
        start = self.emitter.lanes(count, values)
        return Lanes(start, tuple(reversed(strides)), start)

    def reduced(self, x: Affine, axis: int, code: Opcode, wrap: int) -> Affine:
        """Return `x` with its lanes along `axis` combined, without that dimension."""
        source = self.lanes(x)
        kept = [d for d in range(len(x.shape)) if d != axis]
        depends = self.depends(x)
        made = self.new_lanes([x.shape[d] for d in kept], [depends[d] for d in kept])
        strides = list(made.strides)
        strides.insert(axis, 0)
        target = Lanes(made.start, tuple(strides), made.block)
        extents = [
            size if differs or d == axis else 1 for d, (size, differs) in enumerate(zip(x.shape, depends, strict=True))
        ]
        table = [*place_table(target, extents), code, wrap, axis + RANK - len(x.shape), *lanes_table(source)]
        self.write_lanes(Opcode.REDUCE, made, table, (), (source.block,))
        shape = [x.shape[d] for d in kept]
        if shape:
            return self.held(shape, made)
        return Affine((), self._first_lane(made))

    def write_lanes(
        self, code: Opcode, made: Lanes, table: Sequence[int], reads: tuple[int, ...], blocks: tuple[int, ...]
    ) -> None:
        """Append an instruction that fills lanes."""
        place = self.emitter.table(table)
        self.emitter.append(Instruction(code, a=place, reads=reads, lanes_read=blocks, lanes_written=made.block))

    def _on_lanes(
        self, code: Opcode, made: Lanes, shape: Sequence[int], table: Sequence[int], reads: tuple[int, ...],
        blocks: tuple[int, ...],
    ) -> None:  # fmt: skip
        extents = [size if stride else 1 for size, stride in zip(shape, made.strides, strict=True)]
        self.write_lanes(code, made, [*place_table(made, extents), *table], reads, blocks)

    def _both(self, x: int | None, y: int | None) -> int | None:
        if x is None or y is None:
            return x if y is None else y
        return self.emitter.pure(Opcode.AND, x, y)

    def copy_lanes(self, x: Affine, into: Lanes) -> None:
        """Write every lane of `x` to where `into` holds it."""
        table, reads, blocks = affine_table(self.emitter, x)
        extents = [size if stride else 1 for size, stride in zip(x.shape, into.strides, strict=True)]
        self.write_lanes(Opcode.LANES, into, [*place_table(into, extents), *table], reads, blocks)
