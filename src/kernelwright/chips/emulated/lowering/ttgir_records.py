"""TritonGPU IR as records: ops, values with layouts, regions and blocks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kernelwright.chips.emulated.lowering.ttgir_types import TensorType, Type
from kernelwright.compiler.ir import Location


@dataclass(eq=False, slots=True)
class Value:
    """One SSA value; `number` counts from 0 in the function, `op` makes it (None: an argument of a block)."""

    number: int
    name: str
    type: Type
    op: "Op | None" = field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of a tensor in registers, () for everything else."""
        return self.type.shape if isinstance(self.type, TensorType) else ()


@dataclass(eq=False, slots=True)
class Op:
    """One operation; `number` counts from 0 in the order of the text, `location` is its place in the source."""

    number: int
    name: str
    operands: tuple[Value, ...]
    results: tuple[Value, ...]
    attrs: Mapping[str, object]
    regions: "tuple[Region, ...]" = field(default=(), repr=False)
    successors: "tuple[tuple[Block, tuple[Value, ...]], ...]" = field(default=(), repr=False)
    location: Location = field(default_factory=Location)

    @property
    def result(self) -> Value:
        """Return the only result."""
        (value,) = self.results
        return value

    @property
    def line(self) -> int:
        """Return the source line, 0 when it is not known."""
        return self.location.line


@dataclass(eq=False, slots=True)
class Block:
    """Ops in order, the last one a terminator."""

    args: tuple[Value, ...]
    ops: list[Op] = field(default_factory=list, repr=False)


@dataclass(eq=False, slots=True)
class Region:
    """Blocks of a body, entry first; only a function's body has more than one."""

    blocks: list[Block]

    @property
    def block(self) -> Block:
        """Return the only block."""
        (block,) = self.blocks
        return block


@dataclass(eq=False, slots=True)
class GpuModule:
    """One lowered kernel. `attrs` are the module's ("ttg.num-warps", ...), `arg_attrs` each argument's, in order."""

    name: str
    args: tuple[Value, ...]
    arg_attrs: tuple[Mapping[str, object], ...]
    body: Region
    attrs: Mapping[str, object]
    values: int

    @property
    def warps(self) -> int:
        """Return the number of warps of a block."""
        number = self.attrs.get("ttg.num-warps")
        assert isinstance(number, int), self.attrs
        return number


def walk(region: Region) -> Iterator[Op]:
    """Yield every op of `region` in the order of the text, an op before those nested in it."""
    for block in region.blocks:
        for op in block.ops:
            yield op
            for inner in op.regions:
                yield from walk(inner)
