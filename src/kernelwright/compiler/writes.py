"""Which arguments of a kernel are written through."""

from kernelwright.compiler.ir import Function, Module, Op, Pointer, TensorType, Value, walk
from kernelwright.core.plan import ELEMENT_BYTES

_WRITERS = {"tt.store", "tt.atomic_rmw", "tt.atomic_cas", "tt.atomic_store"}
_TERMINATORS = {"scf.yield", "scf.condition"}
# Pointers that come out of memory or of integers may point anywhere.
_UNTRACED = {"tt.load", "tt.int_to_ptr", "tt.call", "tt.gather"}


def written_arguments(module: Module) -> frozenset[int]:
    """Return the numbers of the entry's pointer arguments that a store, an atomic or a called function may write.

    Never too few: pointers of unknown origin count as every pointer argument.
    """
    function = module.entry
    sources = _trace(function)
    written: set[int] = set()
    for op in walk(function.body):
        if op.name in _WRITERS:
            written |= sources.get(op.operands[0], set())
        elif op.name == "tt.call":
            written |= set().union(*(sources.get(value, set()) for value in op.operands))
    return frozenset(written)


def writing_lines(module: Module, argument: int) -> tuple[int, ...]:
    """Return the source lines, in order, of stores and atomics that may write through argument number `argument`."""
    sources = _trace(module.entry)
    found = {
        op.location.line
        for op in walk(module.entry.body)
        if op.name in _WRITERS and argument in sources.get(op.operands[0], set())
    }
    return tuple(sorted(found - {0}))


def stored_bytes(module: Module) -> int:
    """Return the bytes that one program stores if each of its stores is reached once."""
    total = 0
    for op in walk(module.entry.body):
        if op.name == "tt.store" and isinstance(op.operands[1].type, TensorType):
            element = op.operands[1].element
            total += op.operands[1].type.size * (8 if isinstance(element, Pointer) else ELEMENT_BYTES.get(element, 1))
    return total


def _trace(function: Function) -> dict[Value, set[int]]:
    """Return for every pointer value the arguments it may come from."""
    everything = {number for number, value in enumerate(function.args) if _is_pointer(value)}
    sources: dict[Value, set[int]] = {value: {i} for i, value in enumerate(function.args) if i in everything}
    ops = list(walk(function.body))
    changed = True
    while changed:
        changed = False
        for op in ops:
            for value, origins in _flows(op):
                found = everything if origins is None else set().union(*(sources.get(o, set()) for o in origins))
                known = sources.setdefault(value, set())
                if not found <= known:
                    known |= found
                    changed = True
    return sources


def _flows(op: Op) -> list[tuple[Value, list[Value] | None]]:
    """Return pairs of a pointer value that `op` defines or feeds, and the pointers it may equal; None for any."""
    origins = [value for value in op.operands if _is_pointer(value)]
    targets = [value for value in op.results if _is_pointer(value)]
    if op.name in _UNTRACED or (targets and not origins and not op.regions and not op.name.startswith("ub.")):
        return [(value, None) for value in targets]
    for region in op.regions:
        targets += [value for block in region.blocks[:1] for value in block.args if _is_pointer(value)]
    for block, args in op.successors:
        targets += [mine for mine, given in zip(block.args, args, strict=True) if _is_pointer(given)]
    owner = op.block.parent if op.block is not None and op.name in _TERMINATORS else None
    if owner is not None:
        targets += [value for value in owner.results if _is_pointer(value)]
        for region in owner.regions:
            targets += [value for block in region.blocks[:1] for value in block.args if _is_pointer(value)]
    return [(value, origins) for value in targets]


def _is_pointer(value: Value) -> bool:
    return isinstance(value.element, Pointer)
