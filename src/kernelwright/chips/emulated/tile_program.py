"""What one block of a kernel does, in pieces that take time: the records between lowering and the engine.

Nothing here depends on a machine's rates: one tile program serves every chip of equal capability.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Kind(IntEnum):
    """What an op of a tile program keeps busy.

    LANES vector arithmetic; SPECIAL exponentials and the like; DOT the matrix pipe; SHARED_READ and SHARED_WRITE the
    shared-memory port; LOAD global memory to registers; COPY global to shared memory, asynchronous; STORE registers to
    global memory; ATOMIC; COMMIT closes a group of copies, WAIT waits until at most `count` groups are open; BARRIER
    joins the warps of a block; MOVE renames a slot and takes no time.
    """

    LANES = 0
    SPECIAL = 1
    DOT = 2
    SHARED_READ = 3
    SHARED_WRITE = 4
    LOAD = 5
    COPY = 6
    STORE = 7
    ATOMIC = 8
    COMMIT = 9
    WAIT = 10
    BARRIER = 11
    MOVE = 12


@dataclass(frozen=True)
class DotShape:
    """One `tt.dot`: m x n x k of a block, cut over warps_m x warps_n warps; `dtype` f32, tf32, f16, bf16, f8, f4, i8.

    `imprecise` is along how many elements of k sums may lose precision before they are added up exactly; 0: none.
    """

    m: int
    n: int
    k: int
    warps_m: int
    warps_n: int
    dtype: str
    batch: int = 1
    imprecise: int = 0


@dataclass(frozen=True)
class Access:
    """One place of a kernel that touches global memory.

    `shape` in elements, slowest dimension first in memory terms is not implied: `order` lists dimensions, the one whose
    neighbours lie next to each other first. `vector_bytes` is the widest access of one thread that alignment and masks
    allow, `threads` how many threads take part in one pass. `priority` is keep, normal or stream (eviction hints).
    """

    is_write: bool
    shape: tuple[int, ...]
    element_bytes: int
    order: tuple[int, ...]
    vector_bytes: int
    threads: int
    priority: str = "normal"
    cache: str = ""
    line: int = 0


@dataclass(frozen=True)
class TileOp:
    """One op. `amounts` are totals of the whole block, all its warps together.

    LANES: thread operations by class (f32, int, wide, convert, divide, select, move). SPECIAL: results by class (exp,
    log, rsqrt, sincos, other). SHARED_*: {"bytes": ..., "wavefront_bytes": bytes times the bank-conflict degree}.
    ATOMIC: {"operations": ...}. DOT: `dot`. LOAD, COPY, STORE, ATOMIC: `access`, index into `TileProgram.accesses`.
    WAIT: `count`. `reads` are slots whose values must be there before it starts, `writes` the slots that are
    ready when it ends. Ops of a block are issued in order.
    """

    kind: Kind
    name: str
    reads: tuple[int, ...] = ()
    writes: tuple[int, ...] = ()
    amounts: Mapping[str, float] = field(default_factory=dict)
    dot: DotShape | None = None
    access: int = -1
    count: int = 0
    line: int = 0


@dataclass(frozen=True)
class Segment:
    """Straight-line ops; `name` says which part of the kernel it is, such as "for 41 body"."""

    name: str
    ops: tuple[TileOp, ...]

    @property
    def accesses(self) -> tuple[int, ...]:
        """Return the accesses in op order; a trace gives an address for each, step by step."""
        return tuple(op.access for op in self.ops if op.access >= 0)


@dataclass(frozen=True)
class TileProgram:
    """A lowered kernel. A block runs segments in the order that a trace gives."""

    name: str
    segments: tuple[Segment, ...]
    accesses: tuple[Access, ...]
    slots: int
    warps: int
    stages: int
    shared_bytes: int
    registers_per_thread: int
    capability: int
