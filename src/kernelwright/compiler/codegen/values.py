"""What an evaluated chunk can be: an index, an affine integer, an address, a buffer."""

from dataclasses import dataclass, field

from kernelwright.compiler.codegen.text import ELEMENT_BITS, Reg


@dataclass(frozen=True, slots=True)
class Lane:
    """An index that takes `lanes` consecutive positions from `base`."""

    base: Reg
    lanes: int


Index = Reg | Lane


@dataclass(frozen=True, slots=True)
class Affine:
    """A vector of integers base, base + stride, ...; kept so that memory sees runs, not vectors."""

    element: str
    lanes: int
    base: Reg
    stride: int | Reg


@dataclass(frozen=True, slots=True)
class Address:
    """Pointers to `pointee` elements: `base` (scalar, or a vector of pointers) plus `offset` elements."""

    base: Reg
    pointee: str
    offset: "Affine | Reg | None" = None

    @property
    def lanes(self) -> int:
        """Return the number of pointers, 0 for one."""
        return max(self.base.lanes, self.offset.lanes if self.offset is not None else 0)


Chunk = Reg | Affine | Address


def storage_bytes(element: str) -> int:
    """Return the bytes of one stored element; i1 takes a byte."""
    return max(1, ELEMENT_BITS[element] // 8)


@dataclass(eq=False)
class Buffer:
    """A tensor in the thread's scratch memory; `order` lists dimensions, the contiguous one first."""

    shape: tuple[int, ...]
    element: str
    order: tuple[int, ...]
    pointer: str
    strides: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        strides = [0] * len(self.shape)
        step = storage_bytes(self.element)
        for dim in self.order:
            strides[dim] = step
            step *= self.shape[dim]
        self.strides = tuple(strides)

    @property
    def size_bytes(self) -> int:
        """Return the bytes that the tensor takes."""
        size = storage_bytes(self.element)
        for extent in self.shape:
            size *= extent
        return size
