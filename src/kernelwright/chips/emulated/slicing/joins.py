"""Values that several paths give: what a loop carries, what the branches of an if leave.

A join keeps registers that are the same on all paths, and gives every other part of a form a register of its own,
which each path writes at its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kernelwright.chips.emulated.slicing.algebra import ALL, FIRST, Algebra, guards_of
from kernelwright.chips.emulated.slicing.emitter import Instruction, Scope
from kernelwright.chips.emulated.slicing.forms import Affine, Counted, Form, Half, Lanes, Mask, Shared
from kernelwright.chips.emulated.slicing.opcodes import Opcode
from kernelwright.core.errors import UnsupportedOpError


@dataclass(frozen=True)
class Skeleton:
    """What parts a joined form has: `unknown` dimensions of which lane 0 alone is known, `held` its lanes one by one
    (all of an Affine, halves and flags of a Mask), `spans` the dimensions that a mask cuts, `halves` how many.
    """

    kind: type[Affine] | type[Mask] | type[Shared]
    shape: tuple[int, ...]
    unknown: frozenset[int] = frozenset()
    held: Lanes | None = None
    spans: frozenset[int] = frozenset()
    halves: int = 0


def normal(algebra: Algebra, form: Form) -> Form:
    """Return a form as one that can be joined."""
    return algebra.as_affine(form, ALL) if isinstance(form, Counted) else form


def skeleton(algebra: Algebra, forms: Sequence[Form], level: int, known: Skeleton | None = None) -> Skeleton:
    """Return the parts that all `forms` of a value can be written with, at least those of `known`."""
    if any(isinstance(form, Shared) for form in forms):
        shared = [form for form in forms if isinstance(form, Shared)]
        if len({(form.start, form.first_only) for form in shared}) > 1 or len(shared) < len(forms):
            raise UnsupportedOpError("a slice cannot follow integers through several shared allocations at once")
        return Skeleton(Shared, shared[0].shape)
    if all(isinstance(form, Mask) for form in forms) and (known is None or known.kind is Mask):
        return _mask_skeleton(algebra, [form for form in forms if isinstance(form, Mask)], known)
    if level == ALL and any(isinstance(form, Mask) for form in forms):
        return _mask_skeleton(algebra, [algebra.as_mask(form) for form in forms], known)
    plain = [algebra.as_affine(form, level) for form in forms]
    shape = plain[0].shape
    unknown = frozenset(known.unknown if known is not None else ())
    held = known.held if known is not None else None
    if any(form.terms != plain[0].terms for form in plain) or (level == FIRST and any(form.terms for form in plain)):
        if level == FIRST:
            for form in plain:
                unknown |= {d for d in range(len(shape)) if any(lanes.strides[d] for _, lanes in form.terms)}
        elif held is None:
            held = algebra.new_lanes(shape, [size > 1 for size in shape])
    for form in plain:
        unknown |= {d for d, stride in enumerate(form.strides) if stride is None}
        for d, guard in enumerate(guards_of(form)):
            if guard is not None and any(guards_of(other)[d] != guard for other in plain):
                unknown |= {d}
    return Skeleton(Affine, shape, unknown, held)


def _mask_skeleton(algebra: Algebra, masks: Sequence[Mask], known: Skeleton | None) -> Skeleton:
    shape = masks[0].shape
    spans = frozenset(known.spans if known is not None else ())
    spans |= {d for mask in masks for d, span in enumerate(mask.spans) if span is not None}
    held = known.held if known is not None else None
    alike = all(len(m.halves) == len(masks[0].halves) and m.flags == masks[0].flags for m in masks)
    if held is None and not alike:
        held = algebra.new_lanes(shape, [size > 1 for size in shape])
    return Skeleton(Mask, shape, frozenset(), held, spans, 0 if held is not None else len(masks[0].halves))


def conform(algebra: Algebra, form: Form, bones: Skeleton, level: int) -> Form:
    """Return a form with the parts of `bones`; lanes that are to be held may still be elsewhere."""
    if bones.kind is Shared:
        return form
    zero = algebra.constant(0)
    if bones.kind is Affine:
        x = algebra.as_affine(form, level)
        if bones.held is not None:
            return algebra.held(x.shape, algebra.lanes(x))
        if not bones.unknown:
            return x
        base = algebra.first(x) if x.terms and level == FIRST else x.base
        terms = () if level == FIRST else x.terms
        strides = tuple(None if d in bones.unknown else s for d, s in enumerate(x.strides))
        lost = {s for d, s in enumerate(x.strides) if d in bones.unknown and s is not None and not algebra.is_zero(s)}
        grains = {*algebra.grains(x), *lost, *(c for c, _ in x.terms)}
        guards = tuple(None if d in bones.unknown else guard for d, guard in enumerate(guards_of(x)))
        return Affine(x.shape, base, strides, terms, tuple(sorted(grains)), guards)
    mask = algebra.as_mask(form)
    spans = tuple(
        span or ((zero, algebra.constant(size)) if d in bones.spans else None)
        for d, (span, size) in enumerate(zip(mask.spans, mask.shape, strict=True))
    )
    if bones.held is None:
        return replace(mask, spans=spans)
    if not mask.halves and len(mask.flags) == 1:
        return replace(mask, spans=spans)
    rest = Mask(mask.shape, algebra.constant(1), (None,) * len(mask.shape), mask.halves, mask.flags)
    return Mask(mask.shape, mask.gate, spans, (), (algebra.lanes(algebra.as_affine(rest, ALL)),))


def parts(form: Form) -> tuple[int, ...]:
    """Return the registers that a form is made of, in an order fixed by its skeleton; -1 where it has none."""
    if isinstance(form, Affine):
        registers = [-1 if r is None else r for r in (*form.strides, *guards_of(form))]
        return (form.base, *registers, *(c for c, _ in form.terms))
    if isinstance(form, Mask):
        spans = [r for span in form.spans for r in (span or (-1, -1))]
        return (form.gate, *spans, *(r for half in form.halves for r in (half.base, *half.strides)))
    assert isinstance(form, Shared), form
    return (form.offset,)


def rebuilt(form: Form, registers: Sequence[int], held: Lanes | None) -> Form:
    """Return `form` with other registers for its parts, and its lanes in `held`."""
    rest = list(registers)
    if isinstance(form, Affine):
        rank = len(form.shape)
        strides = tuple(None if r < 0 else r for r in rest[1 : rank + 1])
        guards = tuple(None if r < 0 else r for r in rest[rank + 1 : 2 * rank + 1])
        lanes = [held] if held is not None else [lanes for _, lanes in form.terms]
        terms = tuple(zip(rest[2 * rank + 1 :], lanes, strict=True))
        return Affine(form.shape, rest[0], strides, terms, form.grains, guards)
    if isinstance(form, Mask):
        rank = len(form.shape)
        pairs = list(zip(rest[1 : 2 * rank + 1 : 2], rest[2 : 2 * rank + 1 : 2], strict=True))
        spans = tuple(None if pair[0] < 0 else pair for pair in pairs)
        rest = rest[2 * rank + 1 :]
        size = rank + 1
        halves = tuple(
            Half(rest[i * size], tuple(rest[i * size + 1 : (i + 1) * size])) for i in range(len(form.halves))
        )
        return Mask(form.shape, registers[0], spans, halves, form.flags if held is None else (held,))
    assert isinstance(form, Shared), form
    return replace(form, offset=registers[0])


def held_of(form: Form) -> tuple[Lanes, ...]:
    """Return the lanes of a form that a join holds."""
    if isinstance(form, Affine):
        return tuple(lanes for _, lanes in form.terms)
    return form.flags if isinstance(form, Mask) else ()


@dataclass(eq=False)
class Join:
    """One joined value: its form, and which of its parts are registers of its own (`own`, -1: fixed)."""

    bones: Skeleton
    level: int
    form: Form
    own: list[int]

    def assignments(self, algebra: Algebra, form: Form) -> tuple[list[tuple[int, int]], Lanes | None]:
        """Emit what brings `form` into the parts of this join; return (own register, source) and lanes to be copied."""
        made = conform(algebra, normal(algebra, form), self.bones, self.level)
        moves = [(own, part) for own, part in zip(self.own, parts(made), strict=True) if own >= 0 and own != part]
        if self.bones.held is None:
            return moves, None
        (lanes,) = held_of(made)
        return moves, None if lanes == self.bones.held else lanes


def begin(algebra: Algebra, form: Form, level: int) -> Join:
    """Return the join of a value of which one path is known, all its parts fixed."""
    made = normal(algebra, form)
    bones = skeleton(algebra, [made], level)
    made = conform(algebra, made, bones, level)
    return Join(bones, level, made, [-1] * len(parts(made)))


def widen(algebra: Algebra, join: Join, form: Form, init: Form, home: Scope) -> tuple[Join, bool]:
    """Return the join when another path gives `form`, and whether it differs; new registers belong to `home`."""
    made, first = normal(algebra, form), normal(algebra, init)
    bones = skeleton(algebra, [first, made], join.level, join.bones)
    changed = bones != join.bones
    a, b = conform(algebra, first, bones, join.level), conform(algebra, made, bones, join.level)
    own: list[int] = []
    registers: list[int] = []
    before = join.own if not changed else None
    for at, (x, y) in enumerate(zip(parts(a), parts(b), strict=True)):
        kept = before[at] if before is not None else -1
        if kept >= 0:
            register = kept
        elif x == y:
            own.append(-1)
            registers.append(x)
            continue
        else:
            register = algebra.emitter.register(home)
            changed = True
        own.append(register)
        registers.append(register)
    shape = rebuilt(a, registers, bones.held)
    if isinstance(shape, Affine) and isinstance(a, Affine) and isinstance(b, Affine):
        shape = replace(shape, grains=a.grains if a.grains == b.grains else ())
    return Join(bones, join.level, shape, own), changed


def with_own(join: Join) -> Form:
    """Return the form of a join with its own registers in place."""
    registers = [own if own >= 0 else part for own, part in zip(join.own, parts(join.form), strict=True)]
    return rebuilt(join.form, registers, None)


def meet(algebra: Algebra, forms: Sequence[Form], level: int, scopes: Sequence[Scope], home: Scope) -> Join:
    """Return the join of what branches give, each form of `forms` in its scope; own registers belong to `home`."""
    emitter = algebra.emitter
    outer = emitter.scope
    plain: list[Form] = []
    for form, scope in zip(forms, scopes, strict=True):
        emitter.scope = scope
        plain.append(normal(algebra, form))
    emitter.scope = scopes[0]
    bones = skeleton(algebra, plain, level)
    made: list[Form] = []
    for form, scope in zip(plain, scopes, strict=True):
        emitter.scope = scope
        made.append(conform(algebra, form, bones, level))
    emitter.scope = outer
    own: list[int] = []
    registers: list[int] = []
    for same in zip(*map(parts, made), strict=True):
        fixed = len(set(same)) == 1 and (same[0] < 0 or home.is_within(emitter.home(same[0])))
        own.append(-1 if fixed else emitter.register(home))
        registers.append(same[0] if fixed else own[-1])
    form = rebuilt(made[0], registers, bones.held)
    if isinstance(form, Affine):
        grains = {made_form.grains for made_form in made if isinstance(made_form, Affine)}
        visible = len(grains) == 1 and all(home.is_within(emitter.home(g)) for g in form.grains)
        form = replace(form, grains=form.grains if visible else ())
    return Join(bones, level, form, own)


def assign(algebra: Algebra, joins: Sequence[Join], forms: Sequence[Form]) -> None:
    """Write forms into joins at the end of a path, all at once: a join may be read by the forms of others."""
    emitter = algebra.emitter
    moves: list[tuple[int, int]] = []
    copies: list[tuple[Lanes, tuple[int, ...], Lanes]] = []
    for join, form in zip(joins, forms, strict=True):
        pairs, lanes = join.assignments(algebra, form)
        moves += pairs
        if lanes is not None:
            assert join.bones.held is not None
            copies.append((join.bones.held, join.bones.shape, lanes))
    written = {own for own, _ in moves}
    sources: list[int] = []
    for _, source in moves:
        if source in written:
            spare = emitter.register()
            emitter.move(spare, source)
            source = spare  # noqa: PLW2901
        sources.append(source)
    for (own, _), source in zip(moves, sources, strict=True):
        emitter.move(own, source)
    staged: list[tuple[Lanes, tuple[int, ...], Lanes]] = []
    blocks = {held.block for held, _, _ in copies}
    for held, shape, lanes in copies:
        if lanes.block in blocks:
            spare_lanes = algebra.new_lanes(shape, [size > 1 for size in shape])
            algebra.copy_lanes(algebra.held(shape, lanes), spare_lanes)
            staged.append((held, shape, spare_lanes))
        else:
            staged.append((held, shape, lanes))
    for held, shape, lanes in staged:
        algebra.copy_lanes(algebra.held(shape, lanes), held)


def settled(algebra: Algebra, form: Form, home: Scope) -> Form:
    """Return a form whose registers are known in the current scope, copying what only scopes below `home` know."""
    form = normal(algebra, form)
    emitter = algebra.emitter
    registers: list[int] = []
    for register in parts(form):
        if register < 0 or home.is_within(emitter.home(register)):
            registers.append(register)
            continue
        copy = emitter.register()
        emitter.append(Instruction(Opcode.TRANSFER, copy, register, reads=(register,)))
        registers.append(copy)
    made = rebuilt(form, registers, None)
    if isinstance(made, Affine):
        kept = tuple(g for g in made.grains if home.is_within(emitter.home(g)))
        made = replace(made, grains=kept if len(kept) == len(made.grains) else ())
    return made
