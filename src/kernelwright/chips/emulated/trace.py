"""What each block of a launch does: the segments that it runs, and where its accesses go."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class AccessFacts:
    """What running the address slice showed of one access, over all programs; strides in elements.

    `strides` by dimension, None where neighbours lie at no fixed distance (gathered through an index); `align_bytes`
    the largest power of two, up to 128, that divides every address seen; `run_elements` how many elements along the
    fastest dimension lie next to each other.
    """

    strides: tuple[int | None, ...]
    align_bytes: int
    run_elements: int


@dataclass(frozen=True)
class Trace:
    """One launch, programs in order of dispatch (x fastest).

    `first_step` int64 [programs + 1]; `segments` int32 [steps]; `first_access` int64 [steps + 1]; `addresses` int64
    [accesses], the address of element 0 in a virtual space where buffers lie apart; `active` int32 [accesses], the
    elements that the mask leaves. `facts` has one item an access of the tile program.
    """

    first_step: NDArray[np.int64]
    segments: NDArray[np.int32]
    first_access: NDArray[np.int64]
    addresses: NDArray[np.int64]
    active: NDArray[np.int32]
    facts: tuple[AccessFacts, ...]

    @property
    def programs(self) -> int:
        """Return the number of programs."""
        return len(self.first_step) - 1
