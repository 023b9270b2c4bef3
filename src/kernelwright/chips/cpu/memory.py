"""Memory for a plan's buffers: fresh addresses, poison, guards on both sides."""

import contextlib
import ctypes
import mmap
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

GUARD_BYTES = 4096
_LINE = 64
_JITTER_LINES = 64
_TILE_BYTES = 1 << 20
# Ten times as fast as comparing arrays element by element.
_MEMCMP = ctypes.CDLL(None).memcmp
_MEMCMP.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class Block:
    """Pages from the system; `view` is all of them."""

    def __init__(self, size_bytes: int) -> None:
        pages = mmap.mmap(-1, size_bytes)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            # Whether scattered rows miss the TLB should not depend on what the system had free.
            with contextlib.suppress(OSError):
                pages.madvise(mmap.MADV_HUGEPAGE)
        self.view: Bytes = np.frombuffer(pages, dtype=np.uint8)
        self.address = int(self.view.ctypes.data)

    @property
    def size_bytes(self) -> int:
        """Return the size."""
        return len(self.view)


class Store:
    """Blocks that are handed out and come back, so that runs do not pay for page faults again."""

    def __init__(self, most_kept_bytes: int) -> None:
        self._free: list[Block] = []
        self._most_kept_bytes = most_kept_bytes

    def take(self, size_bytes: int) -> Block:
        """Return a block of at least `size_bytes`, its contents left from earlier use."""
        fitting = [b for b in self._free if size_bytes <= b.size_bytes <= 2 * size_bytes + _TILE_BYTES]
        if not fitting:
            return Block(size_bytes)
        best = min(fitting, key=lambda block: block.size_bytes)
        self._free.remove(best)
        return best

    def give(self, block: Block) -> None:
        """Take a block back."""
        self._free.append(block)
        while sum(b.size_bytes for b in self._free) > self._most_kept_bytes:
            self._free.pop(0)


class Region:
    """Buffers of one run, laid out in a block at addresses that differ from run to run.

    `sizes` in bytes; `aligns[i]` is the largest power of two, up to 64, that divides address i.
    """

    def __init__(self, store: Store, sizes: Sequence[int], aligns: Sequence[int], rng: np.random.Generator) -> None:
        spare = 2 * GUARD_BYTES + (_JITTER_LINES + 2) * _LINE
        self._store = store
        self._block = store.take(sum(sizes) + spare * len(sizes) + _LINE)
        self._sizes = tuple(sizes)
        self._guard: Bytes = rng.integers(0, 256, 3 * GUARD_BYTES + _JITTER_LINES * _LINE, dtype=np.uint8)
        self.addresses = self._place(aligns, rng)
        for index in range(len(sizes)):
            for guard in self._guards(index):
                guard[:] = self._guard[: len(guard)]

    def _place(self, aligns: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
        cursor = self._block.address
        addresses = []
        for size, align in zip(self._sizes, aligns, strict=True):
            cursor += GUARD_BYTES + int(rng.integers(0, _JITTER_LINES)) * _LINE
            cursor += -cursor % _LINE
            start = cursor + (align if align < _LINE else 0)
            addresses.append(start)
            cursor = start + size + GUARD_BYTES
        return tuple(addresses)

    def view(self, index: int) -> Bytes:
        """Return the bytes of buffer `index`."""
        start = self.addresses[index] - self._block.address
        return self._block.view[start : start + self._sizes[index]]

    def _guards(self, index: int) -> tuple[Bytes, Bytes]:
        """Return what lies before buffer `index`, from the end of the one before it, and a guard behind it."""
        start = self.addresses[index] - self._block.address
        end = start + self._sizes[index]
        before = self.addresses[index - 1] - self._block.address + self._sizes[index - 1] if index else 0
        return self._block.view[before:start], self._block.view[end : end + GUARD_BYTES]

    def damaged(self) -> tuple[int, int] | None:
        """Return (buffer, offset in bytes from its start) of the first guard byte that was overwritten."""
        for index, size in enumerate(self._sizes):
            before, behind = self._guards(index)
            for guard, origin in ((before, -len(before)), (behind, size)):
                wrong = np.flatnonzero(guard != self._guard[: len(guard)])
                if len(wrong):
                    return index, origin + int(wrong[-1 if origin < 0 else 0])
        return None

    def release(self) -> None:
        """Give the block back; views must not be used any more."""
        self._store.give(self._block)


def is_same(left: Bytes, right: Bytes) -> bool:
    """Return whether two arrays of equal size hold the same bytes."""
    return len(left) == len(right) and _MEMCMP(left.ctypes.data, right.ctypes.data, len(left)) == 0


def poison(view: Bytes, seed: int) -> None:
    """Overwrite `view`: even seeds with 0xFF bytes (NaN in every float type, -1), odd ones with garbage of the seed."""
    if seed % 2 == 0:
        view.fill(0xFF)
        return
    tile = np.random.default_rng(seed).integers(0, 256, min(_TILE_BYTES, max(len(view), 1)), dtype=np.uint8)
    for start in range(0, len(view), len(tile)):
        part = view[start : start + len(tile)]
        part[:] = tile[: len(part)]
