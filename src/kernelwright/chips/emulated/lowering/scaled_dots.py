"""Which lowered products were `tt.dot_scaled`, whose narrow operands capability 8.9 widens to bf16 first.

Assumed: a chip of capability 8.9 that has rates for f8 and f4 multiplies scaled operands as they are. So the product is
marked with their type (the wider one), and the widening and scaling in front of it costs nothing.
"""

import re
from dataclasses import dataclass

from kernelwright.chips.emulated.lowering.barriers import has_scratch
from kernelwright.chips.emulated.lowering.ttgir import GpuModule, Op, walk
from kernelwright.compiler.reader.locations import LocationTable

_SCALED = re.compile(r"tt\.dot_scaled .*? lhs = (\w+) rhs = (\w+).* loc\((.*)\)$")
_NARROW = {"e2m1": "f4", "e4m3": "f8", "e5m2": "f8"}
_INNER = frozenset(
    {
        "ttg.convert_layout", "arith.mulf", "tt.reshape", "tt.broadcast", "math.fma", "tt.bitcast", "arith.maxui",
        "arith.shli", "arith.select", "arith.cmpi", "tt.trans",
    }
)  # fmt: skip
_FIRST = frozenset({"tt.fp_to_fp", "ttg.fp4_to_fp", "arith.extui"})


@dataclass(frozen=True)
class ScaledDots:
    """The type that each such product multiplies, and the ops that widen and scale for them."""

    dtypes: dict[Op, str]
    conversions: frozenset[Op]


def find_scaled_dots(module: GpuModule, ttir: str, capability: int) -> ScaledDots:
    """Return the scaled products of a kernel, known by the source line that they share with one in the Triton IR."""
    if capability < 89 or "tt.dot_scaled" not in ttir:
        return ScaledDots({}, frozenset())
    lines = ttir.split("\n")
    aliases = {
        name: rest[4:-1] for name, _, rest in (line.partition(" = ") for line in lines if line.startswith("#loc"))
    }
    table = LocationTable(aliases, "")
    kinds: dict[int, str] = {}
    for found in map(_SCALED.search, lines):
        if found is not None and {found[1], found[2]} <= set(_NARROW):
            kinds[table.resolve(found[3]).line] = max(_NARROW[found[1]], _NARROW[found[2]], key=_width)
    dtypes: dict[Op, str] = {}
    conversions: set[Op] = set()
    for op in walk(module.body):
        if op.name == "tt.dot" and op.line in kinds:
            dtypes[op] = kinds[op.line]
            _collect(op, conversions)
    return ScaledDots(dtypes, frozenset(conversions))


def _width(dtype: str) -> int:
    return int(dtype[1:])


def _collect(dot: Op, found: set[Op]) -> None:
    waiting = [value.op for value in dot.operands[:2]]
    while waiting:
        op = waiting.pop()
        if op is None or op in found or op.name not in _INNER | _FIRST or has_scratch(op):
            continue
        found.add(op)
        if op.name not in _FIRST:
            waiting += [value.op for value in op.operands]
