"""Triton IR as records: what the reader makes and the code generator walks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod


@dataclass(frozen=True)
class Pointer:
    """Type of a pointer to `pointee`, an element type name."""

    pointee: str


# Element types are names: i1 i8 i16 i32 i64 f16 bf16 f32 f64 f8e4m3fn f8e5m2; index is i64.
Element = str | Pointer


@dataclass(frozen=True)
class TensorType:
    """Type of a tensor value; `shape` in elements."""

    shape: tuple[int, ...]
    element: Element

    @property
    def size(self) -> int:
        """Return the number of elements."""
        return prod(self.shape)


Type = Element | TensorType


@dataclass(frozen=True)
class Location:
    """A place in the kernel's source; line 0 when unknown."""

    file: str = ""
    line: int = 0


@dataclass(eq=False)
class Value:
    """One SSA value; `op` is what makes it (None for arguments), `uses` the ops that read it."""

    number: int
    type: Type
    name: str = ""
    # Back references stay out of the text form, which would never end.
    op: "Op | None" = field(default=None, repr=False)
    uses: "list[Op]" = field(default_factory=list, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the tensor shape, () for a scalar."""
        return self.type.shape if isinstance(self.type, TensorType) else ()

    @property
    def element(self) -> Element:
        """Return the element type of a tensor, the type itself of a scalar."""
        return self.type.element if isinstance(self.type, TensorType) else self.type


@dataclass(eq=False)
class Op:
    """One operation. `attrs` holds parsed attributes, see `reader.attributes` for each op's names."""

    name: str
    operands: list[Value]
    results: list[Value]
    attrs: dict[str, object]
    regions: "list[Region]" = field(repr=False)
    location: Location
    successors: "list[tuple[Block, list[Value]]]" = field(default_factory=list, repr=False)
    block: "Block | None" = field(default=None, repr=False)

    @property
    def result(self) -> Value:
        """Return the only result."""
        (value,) = self.results
        return value


@dataclass(eq=False)
class Block:
    """Straight-line ops, the last one a terminator."""

    args: list[Value]
    ops: list[Op] = field(repr=False)
    parent: "Op | None" = field(default=None, repr=False)


@dataclass(eq=False)
class Region:
    """Blocks of an op's body, entry first."""

    blocks: list[Block]

    @property
    def block(self) -> Block:
        """Return the only block."""
        (block,) = self.blocks
        return block


@dataclass(eq=False)
class Function:
    """One function; `arg_attrs` holds e.g. {"tt.divisibility": 16} per argument."""

    name: str
    args: list[Value]
    arg_attrs: list[dict[str, int]]
    body: Region
    result_types: list[Type]
    is_public: bool


@dataclass(eq=False)
class Module:
    """The functions of one kernel; the public one is the entry."""

    functions: dict[str, Function]

    @property
    def entry(self) -> Function:
        """Return the kernel's entry function."""
        return next(f for f in self.functions.values() if f.is_public)


def walk(region: Region) -> Iterator[Op]:
    """Yield every op of `region` in order, an op before those nested in it."""
    for block in region.blocks:
        for op in block.ops:
            yield op
            for inner in op.regions:
                yield from walk(inner)
