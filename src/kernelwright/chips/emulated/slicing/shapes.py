"""Ops that move lanes without changing them, on forms: dimensions added, stretched, swapped and regrouped."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TypeVar

from kernelwright.chips.emulated.slicing.algebra import ALL, FIRST, Algebra, guards_of
from kernelwright.chips.emulated.slicing.forms import Affine, Counted, Form, Half, Lanes, Mask
from kernelwright.chips.emulated.slicing.opcodes import Opcode

Shape = tuple[int, ...]
T = TypeVar("T")


def expand(algebra: Algebra, form: Form, axis: int) -> Form:
    """Return a form with a dimension of one lane at `axis`."""
    zero = algebra.constant(0)
    if isinstance(form, Counted):
        if not form.dims:
            return replace(form, mask=_expanded_mask(form.mask, axis, zero))
        form = algebra.as_affine(form, ALL)
    if isinstance(form, Mask):
        return _expanded_mask(form, axis, zero)
    assert isinstance(form, Affine), form
    terms = tuple((coefficient, _expanded_lanes(held, axis)) for coefficient, held in form.terms)
    shape, strides = _put(form.shape, axis, 1), _put(form.strides, axis, zero)
    return replace(form, shape=shape, strides=strides, terms=terms, guards=_put(guards_of(form), axis, None))


def _expanded_mask(mask: Mask, axis: int, zero: int) -> Mask:
    halves = tuple(replace(half, strides=_put(half.strides, axis, zero)) for half in mask.halves)
    flags = tuple(_expanded_lanes(held, axis) for held in mask.flags)
    return Mask(_put(mask.shape, axis, 1), mask.gate, _put(mask.spans, axis, None), halves, flags)


def _expanded_lanes(held: Lanes, axis: int) -> Lanes:
    return replace(held, strides=_put(held.strides, axis, 0))


def _put(values: Sequence[T], axis: int, value: T) -> tuple[T, ...]:
    return (*values[:axis], value, *values[axis:])


def stretch(algebra: Algebra, form: Form, shape: Shape) -> Form:
    """Return a form whose dimensions of one lane are repeated up to `shape`."""
    if isinstance(form, Counted):
        if form.dims:
            form = algebra.as_affine(form, ALL)
        else:
            mask = stretch(algebra, form.mask, shape)
            assert isinstance(mask, Mask)
            return replace(form, mask=mask)
    zero = algebra.constant(0)
    single = [before == 1 and after != 1 for before, after in zip(_shape(form), shape, strict=True)]
    if isinstance(form, Affine):
        strides = tuple(zero if one else stride for one, stride in zip(single, form.strides, strict=True))
        terms = tuple((c, _flat(held, single)) for c, held in form.terms)
        guards = tuple(None if one else guard for one, guard in zip(single, guards_of(form), strict=True))
        return replace(form, shape=shape, strides=strides, terms=terms, guards=guards)
    assert isinstance(form, Mask)
    gate = form.gate
    for one, span in zip(single, form.spans, strict=True):
        if one and span is not None:
            pure = algebra.emitter.pure
            inside = pure(Opcode.AND, pure(Opcode.LE, span[0], zero), pure(Opcode.GT, span[1], zero))
            gate = pure(Opcode.AND, gate, inside)
    spans = tuple(None if one else span for one, span in zip(single, form.spans, strict=True))
    halves = tuple(
        Half(half.base, tuple(zero if one else s for one, s in zip(single, half.strides, strict=True)))
        for half in form.halves
    )
    return Mask(shape, gate, spans, halves, tuple(_flat(held, single) for held in form.flags))


def _flat(held: Lanes, single: Sequence[bool]) -> Lanes:
    return replace(held, strides=tuple(0 if one else s for one, s in zip(single, held.strides, strict=True)))


def _shape(form: Form) -> Shape:
    assert isinstance(form, Affine | Mask)
    return form.shape


def transposed(algebra: Algebra, form: Form, order: Sequence[int]) -> Form:
    """Return a form with dimension `order[d]` as dimension d."""
    if isinstance(form, Counted):
        form = algebra.as_affine(form, ALL)

    def put(values: Sequence[T]) -> tuple[T, ...]:
        return tuple(values[d] for d in order)

    def lanes(held: Lanes) -> Lanes:
        return replace(held, strides=put(held.strides))

    if isinstance(form, Affine):
        terms = tuple((c, lanes(held)) for c, held in form.terms)
        guards = put(guards_of(form))
        return replace(form, shape=put(form.shape), strides=put(form.strides), terms=terms, guards=guards)
    assert isinstance(form, Mask)
    halves = tuple(replace(half, strides=put(half.strides)) for half in form.halves)
    return Mask(put(form.shape), form.gate, put(form.spans), halves, tuple(map(lanes, form.flags)))


def reshaped(algebra: Algebra, form: Form, shape: Shape, level: int) -> Affine:
    """Return a form with the same lanes in row-major order under another shape."""
    x = algebra.as_affine(form, level)
    if algebra.is_uniform(x):
        return algebra.uniform(shape, algebra.first(x))
    if x.is_whole and not x.terms:
        strides = _regrouped(algebra, x, shape)
        if strides is not None:
            return Affine(shape, x.base, strides)
    if level == FIRST:
        known = algebra.constant(0)
        return Affine(shape, algebra.first(x), tuple(None if size > 1 else known for size in shape))
    dense = row_major(algebra, x)
    strides_of = tuple(prod(shape[d + 1 :]) if size > 1 else 0 for d, size in enumerate(shape))
    return algebra.held(shape, replace(dense, strides=strides_of))


def row_major(algebra: Algebra, x: Affine) -> Lanes:
    """Return all lanes of `x` one behind the other."""
    made = algebra.new_lanes(x.shape, [size > 1 for size in x.shape])
    algebra.copy_lanes(x, made)
    return made


def _regrouped(algebra: Algebra, x: Affine, shape: Shape) -> tuple[int, ...] | None:
    """Return strides under another shape where groups of dimensions are only split or left as they are."""
    zero = algebra.constant(0)
    strides: list[int] = []
    position = 0
    for size, stride in zip(x.shape, x.strides, strict=True):
        assert stride is not None
        rest = size
        while rest > 1 or (position < len(shape) and shape[position] == 1):
            if position >= len(shape) or rest % shape[position]:
                return None
            rest //= shape[position]
            strides.append(
                algebra.emitter.pure(Opcode.MUL, stride, algebra.constant(rest)) if shape[position] > 1 else zero
            )
            position += 1
            if rest == 1 and not (position < len(shape) and shape[position] == 1):
                break
    return tuple(strides) if position == len(shape) else None


def joined(algebra: Algebra, parts: Sequence[Form], axis: int, is_new: bool) -> Affine:
    """Return forms of one shape side by side: along a new last dimension (`is_new`), else one behind the other."""
    forms = [algebra.as_affine(part, ALL) for part in parts]
    size = len(forms)
    before = forms[0].shape
    shape = (*before, size) if is_new else tuple(n * size if d == axis else n for d, n in enumerate(before))
    whole = algebra.new_lanes(shape, [n > 1 for n in shape])
    for at, form in enumerate(forms):
        strides = whole.strides[:-1] if is_new else whole.strides
        offset = at * (1 if is_new else before[axis] * whole.strides[axis])
        algebra.copy_lanes(form, Lanes(whole.start + offset, strides, whole.block))
    return algebra.held(shape, whole)
