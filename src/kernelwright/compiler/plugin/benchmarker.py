"""Wall-clock timing of a call, for Triton's autotuner on the CPU."""

import statistics
import time
from collections.abc import Callable, Sequence

MIN_CALLS = 3


def do_bench(
    call: Callable[[], object], *, quantiles: Sequence[float] | None = None, rep: float = 100, **_: object
) -> float | list[float]:
    """Return the median time of `call` in ms, or its `quantiles`; calls for about `rep` ms, at least 3 times."""
    call()
    times: list[float] = []
    while len(times) < MIN_CALLS or sum(times) < rep:
        start = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - start) / 1e6)
    if quantiles is None:
        return statistics.median(times)
    times.sort()
    return [times[min(len(times) - 1, int(q * len(times)))] for q in quantiles]
