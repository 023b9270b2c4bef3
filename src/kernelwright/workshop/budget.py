"""What is left, in a form that the record takes."""

import math

from kernelwright.core.protocols import Recorder


def remaining_view(recorder: Recorder) -> dict[str, float | None]:
    """Return what is left of each budget; None where no limit is set, tokens and money only where one is."""
    left = {name: value if math.isfinite(value) else None for name, value in recorder.remaining().items()}
    return {name: value for name, value in left.items() if value is not None or name in ("evaluations", "seconds")}
