"""Memory that does not exist: buffers at made-up addresses, so that pointers can be told apart."""

import bisect
from dataclasses import dataclass

from kernelwright.core.plan import BufferRole

FIRST_ADDRESS = 1 << 45
# Distance between buffers: no view of one can reach into another, and every start is a page.
GUARD_BYTES = 1 << 16


@dataclass(frozen=True, eq=False)
class Block:
    """One allocation or tensor argument; `call` numbers the capture that it belongs to."""

    name: str
    role: BufferRole
    dtype: str
    size_bytes: int
    start: int
    call: int
    fill: float | None = None
    data: tuple[int, ...] = ()
    is_plan_input: bool = False

    @property
    def has_contents(self) -> bool:
        """Return whether host code may read values: plan inputs, and constants that it made itself."""
        return self.is_plan_input or self.role == "constant"


class AddressSpace:
    """Hands out addresses that are never reused, and finds the block behind one."""

    def __init__(self) -> None:
        self._next = FIRST_ADDRESS
        self._starts: list[int] = []
        self._blocks: list[Block] = []

    def reserve(self, size_bytes: int) -> int:
        """Return the start of a fresh range of `size_bytes`."""
        start = self._next
        self._next += -(-size_bytes // GUARD_BYTES) * GUARD_BYTES + GUARD_BYTES
        return start

    def add(self, block: Block) -> None:
        """Register the block that lies at a reserved start; starts must ascend."""
        self._starts.append(block.start)
        self._blocks.append(block)

    def find(self, address: int) -> tuple[Block, int] | None:
        """Return (block, offset in bytes) of an address, its end included, or None."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        block = self._blocks[index]
        offset = address - block.start
        return (block, offset) if offset <= block.size_bytes else None
