"""Ops that touch global or shared memory, as forms and instructions."""

from collections.abc import Sequence
from math import prod

from kernelwright.chips.emulated.lowering.ttgir import Op, Value
from kernelwright.chips.emulated.lowering.ttgir_types import MemDesc
from kernelwright.chips.emulated.slicing.algebra import ALL, FIRST, Algebra, guards_of
from kernelwright.chips.emulated.slicing.elementwise import element_bytes, is_truth
from kernelwright.chips.emulated.slicing.emitter import Instruction
from kernelwright.chips.emulated.slicing.forms import Affine, Form, Mask, Shared
from kernelwright.chips.emulated.slicing.knowledge import element_of, mask_of
from kernelwright.chips.emulated.slicing.opcodes import Opcode
from kernelwright.chips.emulated.slicing.tables import (
    affine_table,
    lanes_table,
    mask_table,
    padded,
    place_table,
)  # fmt: skip

_ATOMICS = {
    "add": Opcode.ADD, "and": Opcode.AND, "or": Opcode.OR, "xor": Opcode.XOR, "max": Opcode.MAX, "min": Opcode.MIN,
    "umax": Opcode.UMAX, "umin": Opcode.UMIN,
}  # fmt: skip
# How an atomic of another kind is told: exchange, compare-and-swap, load.
EXCHANGE, SWAP, FETCH = 100, 101, 102


class Accesses:
    """Emits what accesses do: their place in the trace, loads of integers, integer stores, atomics, shared memory."""

    def __init__(self, algebra: Algebra) -> None:
        self.algebra = algebra
        self.emitter = algebra.emitter

    def trace(self, number: int, op: Op, pointer: Affine, mask: Mask) -> None:
        """Append the access to the trace: address of lane 0, active lanes, and what its strides are."""
        algebra = self.algebra
        zero = algebra.constant(0)
        strides = [-1 if stride is None else stride for stride in pointer.strides]
        for d, (differs, stride) in enumerate(zip(algebra.depends(pointer), strides, strict=True)):
            if any(lanes.strides[d] for _, lanes in pointer.terms):
                strides[d] = -1
            elif not differs and stride >= 0:
                strides[d] = zero
        grains = [*pointer.grains, *(coefficient for coefficient, _ in pointer.terms)]
        one = algebra.constant(1)
        guards = [one if guard is None else guard for guard in guards_of(pointer)]
        table = [number, *padded(guards, one), *padded(strides, zero), len(grains), *grains]
        address, active = algebra.first(pointer), algebra.count(mask)
        reads = (*guards, address, active, *(s for s in strides if s >= 0), *grains)
        place = self.emitter.table(table)
        self.emitter.append(Instruction(Opcode.ACCESS, -1, place, address, active, reads=reads, effect=True))

    def mask(self, op: Op, forms: dict[Value, Form]) -> Mask:
        """Return the mask of an access, all lanes where it has none."""
        value = mask_of(op)
        if value is None:
            return self.algebra.everywhere(op.operands[0].shape, self.algebra.constant(1))
        return self.algebra.as_mask(forms[value])

    def loaded(self, op: Op, pointer: Affine, mask: Mask, other: Form | None, level: int) -> Form:
        """Return what a load gives; `other` fills lanes that the mask hides."""
        algebra = self.algebra
        kind = _kind(op.operands[0])
        fill = algebra.uniform(pointer.shape, algebra.constant(0)) if other is None else algebra.as_affine(other, level)
        uniform = algebra.is_uniform(pointer) and algebra.is_gate(mask) and algebra.is_uniform(fill)
        if uniform or level == FIRST:
            address, gate, rest = algebra.first(pointer), algebra.first(mask), algebra.first(fill)
            register = self.emitter.register()
            asked = (address, gate, rest)
            self.emitter.append(Instruction(Opcode.LOAD, register, address, gate, rest, kind, asked))
            if uniform:
                return self._as_result(algebra.uniform(pointer.shape, register), op)
            return algebra.unknown_beyond_first([pointer, algebra.as_affine(mask, FIRST), fill], register)
        held = algebra.lanes(fill)
        made = algebra.new_lanes(pointer.shape, [size > 1 for size in pointer.shape])
        table, reads, blocks = self._touch(pointer, mask)
        table = [*place_table(made, pointer.shape), kind, *lanes_table(held), *table]
        algebra.write_lanes(Opcode.LOAD_LANES, made, table, reads, (*blocks, held.block))
        return self._as_result(algebra.held(pointer.shape, made), op)

    def _as_result(self, form: Affine, op: Op) -> Form:
        return self.algebra.as_mask(form) if op.results and is_truth(op.result) and form.shape else form

    def _touch(self, pointer: Affine, mask: Mask) -> tuple[list[int], tuple[int, ...], tuple[int, ...]]:
        where, reads, blocks = affine_table(self.emitter, pointer)
        which, more, flags = mask_table(self.emitter, mask)
        return [*where, *which], (*reads, *more), (*blocks, *flags)

    # --- writes

    def stored(self, op: Op, pointer: Affine, mask: Mask, value: Form) -> None:
        """Append a store of known integers."""
        algebra = self.algebra
        held = algebra.lanes(algebra.as_affine(value, ALL))
        table, reads, blocks = self._touch(pointer, mask)
        table = [*padded(pointer.shape, 1), _kind(op.operands[0]), *lanes_table(held), *table]
        self._write(Opcode.STORE_LANES, table, reads, (*blocks, held.block))

    def tainted(self, pointer: Affine) -> None:
        """Append the note that a slice does not know what is stored through a pointer."""
        address = self.algebra.first(pointer)
        self.emitter.append(Instruction(Opcode.TAINT, b=address, reads=(address,), effect=True))

    def atomic(self, op: Op, pointer: Affine, mask: Mask, values: Sequence[Form]) -> Form | None:
        """Append an atomic on integers, in program order, and return what memory held before."""
        algebra = self.algebra
        kind = str(op.attrs.get("kind", ""))
        code: int = {"tt.atomic_cas": SWAP, "tt.atomic_load": FETCH, "tt.atomic_poll": FETCH}.get(op.name, EXCHANGE)
        if op.name == "tt.atomic_rmw" and kind != "exch":
            code = _ATOMICS[kind]
        zero = algebra.uniform(pointer.shape, algebra.constant(0))
        forms = [*(algebra.as_affine(value, ALL) for value in values), zero, zero]
        held = [algebra.lanes(form) for form in forms[:2]]
        made = algebra.new_lanes(pointer.shape, [size > 1 for size in pointer.shape])
        table, reads, blocks = self._touch(pointer, mask)
        head = [*place_table(made, pointer.shape), _kind(op.operands[0]), code]
        table = [*head, *lanes_table(held[0]), *lanes_table(held[1]), *table]
        place = self.emitter.table(table)
        lanes = (*blocks, held[0].block, held[1].block)
        self.emitter.append(
            Instruction(
                Opcode.ATOMIC_LANES, a=place, reads=reads, lanes_read=lanes, lanes_written=made.block, effect=True
            )
        )
        if not op.results:
            return None
        if not pointer.shape:
            return Affine((), algebra.first(algebra.held((), made)))
        return algebra.held(pointer.shape, made)

    def _write(self, code: Opcode, table: list[int], reads: tuple[int, ...], lanes: tuple[int, ...]) -> None:
        place = self.emitter.table(table)
        self.emitter.append(Instruction(code, a=place, reads=reads, lanes_read=lanes, effect=True))

    # --- shared memory

    def allocated(self, kind: MemDesc, level: int) -> Shared:
        """Return new shared memory; one lane is kept of each slot where lane 0 is enough."""
        first_only = level == FIRST
        slots = kind.shape[0] if first_only and len(kind.shape) > 1 else 1
        start = self.emitter.lanes(slots if first_only else kind.size)
        return Shared(start, start, self.algebra.constant(0), kind.shape, first_only)

    def indexed(self, whole: Shared, index: int) -> Shared:
        """Return the slot number `index` (a register)."""
        shape = whole.shape[1:]
        size = self.algebra.constant(1 if whole.first_only else prod(shape))
        pure = self.emitter.pure
        offset = pure(Opcode.ADD, whole.offset, pure(Opcode.MUL, index, size))
        return Shared(whole.start, whole.block, offset, shape, whole.first_only)

    def put(self, into: Shared, value: Form) -> None:
        """Append the write of a tensor to shared memory."""
        algebra = self.algebra
        form = algebra.as_affine(value, FIRST if into.first_only else ALL)
        if into.first_only:
            register = algebra.first(form)
            self.emitter.append(
                Instruction(
                    Opcode.SET,
                    -1,
                    into.start,
                    into.offset,
                    register,
                    reads=(into.offset, register),
                    lanes_written=into.block,
                )
            )
            return
        dense = algebra.new_lanes(form.shape, [size > 1 for size in form.shape])
        algebra.copy_lanes(form, dense)
        self._copy(
            prod(form.shape), (into.start, into.offset, into.block), (dense.start, algebra.constant(0), dense.block)
        )

    def fetched(self, op: Op, source: Shared) -> Form:
        """Return the tensor that shared memory holds now."""
        algebra = self.algebra
        shape = op.result.shape
        if source.first_only:
            register = self.emitter.register()
            self.emitter.append(
                Instruction(
                    Opcode.GET,
                    register,
                    source.start,
                    source.offset,
                    reads=(source.offset,),
                    lanes_read=(source.block,),
                )
            )
            zero = algebra.constant(0)
            return Affine(shape, register, tuple(None if size > 1 else zero for size in shape))
        made = algebra.new_lanes(shape, [size > 1 for size in shape])
        self._copy(
            prod(shape), (made.start, algebra.constant(0), made.block), (source.start, source.offset, source.block)
        )
        return self._as_result(algebra.held(shape, made), op)

    def _copy(self, count: int, into: tuple[int, int, int], source: tuple[int, int, int]) -> None:
        self.emitter.append(
            Instruction(
                Opcode.COPY, count, into[0], into[1], source[0], source[1], (into[1], source[1]), (source[2],), into[2]
            )
        )


def _kind(pointer: Value) -> int:
    """Return how elements behind a pointer are read: the logarithm of their bytes, 4 for truth values."""
    if str(element_of(pointer).pointee) == "i1":  # type: ignore[union-attr]
        return 4
    return element_bytes(pointer).bit_length() - 1
