"""What a slice keeps of a value: a few registers instead of a tensor.

Numbers below are registers of the slice program. Lanes of a tensor are numbered by dimension, i_0 slowest.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lanes:
    """Lanes held one by one in the arena, from `start`; `strides` by dimension, 0 where neighbours are the same."""

    start: int
    strides: tuple[int, ...]
    block: int


@dataclass(frozen=True)
class Affine:
    """Integers or pointers (in bytes): base + sum of stride_d * i_d + sum of coefficient * lanes.

    A scalar has no dimensions. A stride of None: only lane 0 is known along that dimension, neighbours lie at no fixed
    distance; `grains` are registers whose values divide what neighbours add, as far as that is known. Where a
    dimension has a register in `guards` (none at all: an empty tuple), its stride holds only while that is not 0, and
    only lane 0 is known.
    """

    shape: tuple[int, ...]
    base: int
    strides: tuple[int | None, ...] = ()
    terms: tuple[tuple[int, Lanes], ...] = ()
    grains: tuple[int, ...] = ()
    guards: tuple[int | None, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Return whether every lane is known, not lane 0 alone."""
        return None not in self.strides and not any(guard is not None for guard in self.guards)


@dataclass(frozen=True)
class Half:
    """The lanes where base + sum of stride_d * i_d is at least 0."""

    base: int
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Mask:
    """The lanes that meet every condition: register `gate` is not 0 (else none is left), within `spans` (first lane and
    the one behind the last, by dimension; None: all), in every half, and where lanes of `flags` are not 0.
    """

    shape: tuple[int, ...]
    gate: int
    spans: tuple[tuple[int, int] | None, ...]
    halves: tuple[Half, ...] = ()
    flags: tuple[Lanes, ...] = ()


@dataclass(frozen=True)
class Counted:
    """A mask as integers 0 and 1 (`dims` empty), or what is left of it when lanes along `dims` are combined.

    `how` is "any" (1 where any lane is left) or "count".
    """

    mask: Mask
    dims: tuple[int, ...]
    how: str


@dataclass(frozen=True)
class Shared:
    """Shared memory that holds integers, or the part of it that starts `offset` (a register) lanes behind `start`.

    `first_only` says that one lane is kept of each slot; a slot has `size` kept lanes, `shape` is that of this part.
    """

    start: int
    block: int
    offset: int
    shape: tuple[int, ...]
    first_only: bool


Form = Affine | Mask | Counted | Shared
