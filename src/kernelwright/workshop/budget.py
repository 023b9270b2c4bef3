"""What is left, in a form that the record takes."""

import math

from kernelwright.core.protocols import Recorder


def remaining_view(recorder: Recorder) -> dict[str, float | None]:
    """Return what is left of each budget; None where no limit is set."""
    return {name: left if math.isfinite(left) else None for name, left in recorder.remaining().items()}
