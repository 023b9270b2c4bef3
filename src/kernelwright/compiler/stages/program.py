"""How the code generator structured a kernel: its records with what was written for each op."""

from dataclasses import dataclass

from kernelwright.compiler.codegen.dot import Product, register_tile
from kernelwright.compiler.codegen.generate import Generated
from kernelwright.compiler.codegen.journal import Space
from kernelwright.compiler.codegen.layout import Layout
from kernelwright.compiler.codegen.nests import Keep, Nest, Pack, Reduce, RowPointers, combiner_name
from kernelwright.compiler.features import HostFeatures
from kernelwright.compiler.ir import Module, Op, Value
from kernelwright.compiler.reader.printing import OpNotes, format_type, format_value, print_module

_LOOPS = ("scf.for", "scf.while")


def program_text(module: Module, generated: Generated, features: HostFeatures) -> str:
    """Return the records of `module`, which `generated` was made from, with remarks behind semicolons.

    Remarks say along which dimension the lanes of a tensor run, which loops an op became, what lies in
    scratch memory and how large it is, and the tile of a dot that registers hold. An op without a
    remark below it is evaluated, chunk by chunk, inside the loops of those that need it.
    """
    assert generated.layout is not None
    remarks = _Remarks(generated, generated.layout, features)
    head = f"; vectors of {features.vector_bytes} bytes; scratch of a thread: {generated.scratch_bytes:,} bytes\n"
    return head + print_module(module, remarks.on)


@dataclass
class _Remarks:
    generated: Generated
    layout: Layout
    features: HostFeatures

    def on(self, op: Op) -> OpNotes:
        """Return the remarks on one op."""
        wide = [value for value in op.results if len(value.shape) > 1]
        beside = f"lanes along {self.layout.lane(wide[0])}" if wide else ""
        below = [f"loop of level {_level(op)}"] if op.name in _LOOPS else []
        records = self.generated.journal.records.get(op, [])
        spaces = {record.pointer: record for record in records if isinstance(record, Space)}
        for record in records:
            match record:
                case Product():
                    below.append(self._product(record, spaces))
                case (Nest() as nest, tuple(roots)):
                    below.extend(self._nest(nest, roots, spaces))
        if spaces:
            below.append(f"more scratch: {', '.join(f'{s.size_bytes:,}' for s in spaces.values())} bytes")
        return OpNotes(beside, tuple(below))

    def _nest(self, nest: Nest, roots: tuple[object, ...], spaces: dict[str, Space]) -> list[str]:
        loops = ", ".join(f"{dim} by {_step(nest, dim)}" for dim in nest.order)
        lanes = f", {nest.lanes} lanes along {nest.lane}" if nest.lanes > 1 else ""
        shape = "x".join(map(str, nest.shape)) or "scalars"
        return [f"nest {shape}: loops {loops or 'none'}{lanes}", *(f"  {self._root(r, spaces)}" for r in roots)]

    def _root(self, root: object, spaces: dict[str, Space]) -> str:
        match root:
            case Keep(value=value, buffer=buffer):
                return f"stores {_named(value)}{_taken(buffer.pointer, spaces)}"
            case Reduce(op=op, results=results):
                kept = "".join(_taken(b.pointer, spaces) for b in results if b is not None)
                return f"reduces {_named(op.operands[0])} along {root.axis} by {combiner_name(op) or 'a region'}{kept}"
            case Pack(value=value, group=group, element=element, pointer=pointer):
                return f"packs {_named(value)} in groups of {group} {element}{_taken(pointer, spaces)}"
            case RowPointers(load=load, pointer=pointer):
                return f"lists row pointers of {_named(load.result)}{_taken(pointer, spaces)}"
        written = getattr(root, "op", None)
        return f"writes {written.name}" if isinstance(written, Op) else type(root).__name__

    def _product(self, product: Product, spaces: dict[str, Space]) -> str:
        tiles, kind = product.tiles, product.kind
        vectors, rows = register_tile(product, self.features)
        lane_side = "rows where they lie" if product.lanes.is_table else "a packed copy"
        other = "rows where they lie" if product.broadcast.is_table else "memory"
        size = f"{tiles.lane_size} lanes by {tiles.rows} rows by {tiles.groups} groups of {kind.group} {kind.element}"
        return (
            f"dot of {size}: tile {vectors} vectors of {tiles.width} x {rows} rows, lanes along {product.lane_dim}, "
            f"lane side from {lane_side}, other side from {other}"
            + (f", prefetches {len(product.fetch.rows)} loads" if product.fetch is not None else "")
            + _taken(product.out.pointer, spaces, "; result in")
        )


def _taken(pointer: str, spaces: dict[str, Space], lead: str = ":") -> str:
    """Return the size of what `pointer` names, and take it off the list; empty if it was handed out for another op."""
    space = spaces.pop(pointer, None)
    return "" if space is None else f"{lead} {space.size_bytes:,} bytes of scratch"


def _named(value: Value) -> str:
    return f"{format_value(value)} {format_type(value.type)}"


def _step(nest: Nest, dim: int) -> int:
    return nest.lanes if dim == nest.lane else min(nest.steps.get(dim, 1), nest.shape[dim])


def _level(op: Op) -> int:
    """Return how many loops hold the body of loop `op`, itself included."""
    level, block = 1, op.block
    while block is not None and block.parent is not None:
        level += block.parent.name in _LOOPS
        block = block.parent.block
    return level
