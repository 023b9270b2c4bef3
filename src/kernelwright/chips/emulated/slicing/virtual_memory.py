"""Where the buffers of a plan lie in an emulated chip's address space, and the integers that they hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.slicing.contents import DONE, PAGE_BITS, Contents
from kernelwright.compiler.faults import MemoryRange
from kernelwright.core.plan import ELEMENT_BYTES, Buffer

# Buffers start on a page of their own, behind an empty one: what runs over the end of one meets no other.
_PAGE = 1 << PAGE_BITS
# The strictest alignment that a captured address tells; a buffer with less lies that far behind it.
_STRICTEST = 64


@dataclass(frozen=True, eq=False)
class VirtualMemory:
    """`starts` are the addresses of the buffers; `contents` what a slice reads and writes, its own copy."""

    starts: tuple[int, ...]
    buffers: tuple[Buffer, ...]
    contents: Contents

    def ranges(self) -> tuple[MemoryRange, ...]:
        """Return the buffers as faults tell them."""
        return tuple(
            MemoryRange(
                start, buffer.size_bytes, buffer.role not in ("input", "constant"), buffer.name or f"buffer {at}"
            )
            for at, (start, buffer) in enumerate(zip(self.starts, self.buffers, strict=True))
        )


def lay_out(buffers: Sequence[Buffer]) -> tuple[int, ...]:
    """Return the address of each buffer: the same on every machine, pages apart, aligned as captured."""
    starts: list[int] = []
    page = 1
    for buffer in buffers:
        starts.append(page * _PAGE + buffer.align % _STRICTEST)
        page += 1 + -(-(buffer.align % _STRICTEST + max(buffer.size_bytes, 1)) // _PAGE)
    return tuple(starts)


def virtual_memory(buffers: Sequence[Buffer], contents: Mapping[int, NDArray[Any]]) -> VirtualMemory:
    """Return the memory of a plan. `contents` by buffer number are arrays of integers, of any shape.

    Constants and integer scratch that is filled need none. Integers without contents, and floats, are not known.
    """
    starts = lay_out(buffers)
    arrays: list[NDArray[np.uint8]] = []
    table = np.full((max(len(buffers), 1), 3), -1, np.int64)
    pages = np.full((starts[-1] + max(buffers[-1].size_bytes, 1) >> PAGE_BITS) + 2 if buffers else 1, -1, np.int32)
    place = 0
    for number, (buffer, start) in enumerate(zip(buffers, starts, strict=True)):
        first, last = start >> PAGE_BITS, (start + max(buffer.size_bytes, 1) - 1) >> PAGE_BITS
        pages[first : last + 1] = number
        table[number, :2] = start, buffer.size_bytes
        held = _bytes_of(buffer, contents.get(number))
        if held is not None:
            table[number, 2] = place
            room = -(-len(held) // 8) * 8
            arrays.append(np.pad(held, (0, room - len(held))))
            place += room
    whole = np.concatenate(arrays) if arrays else np.zeros(8, np.uint8)
    views = (whole.view(np.int8), whole.view(np.int16), whole.view(np.int32), whole.view(np.int64))
    return VirtualMemory(starts, tuple(buffers), Contents(pages, table, *views, np.full(3, DONE, np.int64)))


def _bytes_of(buffer: Buffer, given: NDArray[Any] | None) -> NDArray[np.uint8] | None:
    """Return a copy of the bytes that a buffer holds before the first launch, None where a slice does not know them."""
    if given is not None:
        return np.ascontiguousarray(given).reshape(-1).view(np.uint8).copy()
    if buffer.dtype[0] not in "iu":
        return None
    kind = np.dtype(f"u{ELEMENT_BYTES[buffer.dtype]}")
    bits = 8 * kind.itemsize
    if buffer.role == "constant":
        return np.array([value % (1 << bits) for value in buffer.data], kind).view(np.uint8)
    if buffer.role == "scratch" and buffer.fill is not None:
        return np.full(buffer.size_bytes // kind.itemsize, int(buffer.fill) % (1 << bits), kind).view(np.uint8)
    if buffer.role in ("scratch", "output"):
        return np.zeros(buffer.size_bytes, np.uint8)
    return None
