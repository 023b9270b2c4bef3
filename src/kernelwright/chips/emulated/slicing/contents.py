"""Reading and writing integers in the virtual address space, in Numba.

`pages` gives the buffer of each page (-1: none); `buffers` int64 [n, 3] are start, size in bytes and where the contents
lie in `bytes_`, -1 for buffers whose contents a slice does not know. `views` are `bytes_` as int8, int16, int32, int64.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernelwright.chips.emulated.engine.jit import inlined

PAGE_BITS = 21

# What came of an access: done, outside of every buffer, or of contents that are not known.
DONE, OUTSIDE, UNKNOWN = 0, 1, 2


class Contents(NamedTuple):
    """Memory as the machine reads it; `fault` int64 [3]: status, address and bytes of the access that failed first."""

    pages: NDArray[np.int32]
    buffers: NDArray[np.int64]
    bytes1: NDArray[np.int8]
    bytes2: NDArray[np.int16]
    bytes4: NDArray[np.int32]
    bytes8: NDArray[np.int64]
    fault: NDArray[np.int64]


@inlined
def locate(memory: Contents, address: Any, size: int) -> Any:
    """Return where `size` bytes at an address lie in the contents; -1 and a fault where they do not."""
    page = address >> PAGE_BITS
    buffer = np.int64(memory.pages[page]) if 0 <= page < len(memory.pages) else np.int64(-1)
    if buffer >= 0:
        offset = address - memory.buffers[buffer, 0]
        if offset >= 0 and offset + size <= memory.buffers[buffer, 1]:
            if memory.buffers[buffer, 2] >= 0:
                return memory.buffers[buffer, 2] + offset
            return _failed(memory, UNKNOWN, address, size)
    return _failed(memory, OUTSIDE, address, size)


@inlined
def _failed(memory: Contents, status: int, address: Any, size: int) -> Any:
    if memory.fault[0] == DONE:
        memory.fault[0], memory.fault[1], memory.fault[2] = status, address, size
    return -1


@inlined
def read(memory: Contents, address: Any, kind: int) -> Any:
    """Return the integer at an address, with its sign; `kind` is the logarithm of its bytes, 4 a truth value."""
    size = 1 if kind == 4 else 1 << kind
    place = locate(memory, address, size)
    if place < 0:
        return 0
    if kind == 4:
        return 1 if memory.bytes1[place] != 0 else 0
    if place & (size - 1):
        return _read_unaligned(memory, place, size)
    if kind == 2:
        return np.int64(memory.bytes4[place >> 2])
    if kind == 3:
        return memory.bytes8[place >> 3]
    if kind == 1:
        return np.int64(memory.bytes2[place >> 1])
    return np.int64(memory.bytes1[place])


@inlined
def _read_unaligned(memory: Contents, place: Any, size: int) -> Any:
    value = np.int64(memory.bytes1[place + size - 1])
    for at in range(size - 2, -1, -1):
        value = (value << 8) | (np.int64(memory.bytes1[place + at]) & 255)
    return value


@inlined
def write(memory: Contents, address: Any, kind: int, value: Any) -> None:
    """Write an integer; nothing where the contents of the buffer are not known."""
    size = 1 if kind == 4 else 1 << kind
    place = locate(memory, address, size)
    if place < 0:
        if memory.fault[0] == UNKNOWN:
            memory.fault[0] = DONE
        return
    for at in range(size):
        memory.bytes1[place + at] = np.int8((value >> (8 * at)) & 255)


@inlined
def forget(memory: Contents, address: Any) -> None:
    """Note that the contents of the buffer at an address are not known from now on."""
    page = address >> PAGE_BITS
    if 0 <= page < len(memory.pages) and memory.pages[page] >= 0:
        memory.buffers[memory.pages[page], 2] = -1
