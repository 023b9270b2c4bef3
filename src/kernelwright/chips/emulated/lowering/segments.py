"""Cuts a lowered kernel into straight-line stretches. Tile program and trace both number segments by this one cut.

A block of ops is cut behind every op that holds control flow (scf.for, scf.while, scf.if). A block with k such ops is
k + 1 stretches, also where a stretch has no ops; its terminator belongs to the last one. tt.reduce and tt.scan are
plain ops. Stretches are numbered in the order of the text: a stretch, then those inside the op behind it, then the
next stretch of the block. So a run through a block is, piece by piece,

    stretch                            its number goes into the trace, always, once for every time it is run
    scf.for                            a run through its body's block for every iteration (none: nothing)
    scf.if                             a run through the block of the branch taken (no else region: nothing)
    scf.while                          before; then (after, before) as often as scf.condition says so
    cf.br, cf.cond_br (last op)        behind the last stretch, a run through the block that is jumped to
    tt.return                          the end

Every op of `ACCESS_OPS` is one access of the tile program, numbered in the order of the text.
"""

from dataclasses import dataclass

from kernelwright.chips.emulated.lowering.ttgir import Block, GpuModule, Op, walk
from kernelwright.core.errors import UnsupportedOpError

ACCESS_OPS = frozenset(
    {
        "tt.load",
        "tt.store",
        "ttg.async_copy_global_to_local",
        "tt.atomic_rmw",
        "tt.atomic_cas",
        "tt.atomic_load",
        "tt.atomic_store",
        "tt.atomic_poll",
    }
)
CONTROL_OPS = frozenset({"scf.for", "scf.while", "scf.if"})
_PLAIN_REGION_OPS = frozenset({"tt.reduce", "tt.scan", "tt.map_elementwise"})


@dataclass(frozen=True, eq=False)
class Stretch:
    """Straight-line ops; `number` is the index of its segment in tile program and trace."""

    number: int
    name: str
    ops: tuple[Op, ...]


@dataclass(frozen=True, eq=False)
class Cut:
    """Stretches by number; `pieces` of a block are its stretches and control ops in order (keyed by the block)."""

    stretches: tuple[Stretch, ...]
    pieces: dict[Block, tuple[Stretch | Op, ...]]
    accesses: tuple[Op, ...]
    access_numbers: dict[Op, int]


def cut_segments(module: GpuModule) -> Cut:
    """Return the stretches and accesses of a kernel. Raises UnsupportedOpError for control flow of another kind."""
    stretches: list[Stretch] = []
    pieces: dict[Block, tuple[Stretch | Op, ...]] = {}

    def cut(block: Block, name: str) -> None:
        found: list[Stretch | Op] = []
        ops: list[Op] = []
        place = name

        def close() -> None:
            stretch = Stretch(len(stretches), place, tuple(ops))
            stretches.append(stretch)
            found.append(stretch)
            ops.clear()

        for op in block.ops:
            if op.regions and op.name not in CONTROL_OPS | _PLAIN_REGION_OPS:
                raise UnsupportedOpError(f"line {op.line}: op {op.name} must not hold control flow on an emulated chip")
            if op.name not in CONTROL_OPS:
                ops.append(op)
                continue
            close()
            found.append(op)
            kind = op.name.removeprefix("scf.")
            for region, part in zip(op.regions, _PARTS[kind], strict=False):
                cut(region.block, f"{kind} {op.line} {part}")
            place = f"{name}, after {kind} {op.line}"
        close()
        pieces[block] = tuple(found)

    for number, block in enumerate(module.body.blocks):
        cut(block, "entry" if number == 0 else f"block {number}")
    accesses = tuple(op for op in walk(module.body) if op.name in ACCESS_OPS)
    return Cut(tuple(stretches), pieces, accesses, {op: n for n, op in enumerate(accesses)})


_PARTS = {"for": ("body",), "while": ("before", "after"), "if": ("then", "else")}
