"""Useful work of a workload and the roofline bound on its time."""

from dataclasses import dataclass
from typing import Literal

Bound = Literal["compute", "bandwidth", "latency"]


@dataclass(frozen=True)
class Work:
    """What a workload needs at least, whatever the kernel.

    `dot_flops`: floating-point operations of dot products, masked work not counted, by input type
    of the dot ("bf16", "f16", "f32"). `moved_bytes`: compulsory traffic, each input element that
    is needed read once, each output written once. `exp_count`: exponentials, reported only.
    """

    dot_flops: int
    dot_dtype: str
    moved_bytes: int
    exp_count: int = 0


@dataclass(frozen=True)
class Peaks:
    """Measured limits of one chip. Rates are of the whole chip with the judge's thread count."""

    stream_bytes_per_s: float
    dot_flops_per_s: dict[str, float]
    exp_per_s: float
    launch_ns: float
    source: str = ""


def compute_ns(work: Work, peaks: Peaks) -> float:
    """Return the time, in ns, that the dots of `work` need at the peak dot rate of their type; 0 without dots."""
    if not work.dot_flops:
        return 0.0
    rate = peaks.dot_flops_per_s.get(work.dot_dtype)
    if rate is None:
        raise KeyError(f"no peak dot rate for {work.dot_dtype}")
    return work.dot_flops / rate * 1e9


def stream_ns(work: Work, peaks: Peaks) -> float:
    """Return the time, in ns, that the compulsory traffic of `work` needs at stream bandwidth."""
    return work.moved_bytes / peaks.stream_bytes_per_s * 1e9


def roofline_ns(work: Work, peaks: Peaks) -> float:
    """Return the lower bound, in ns, on the time of `work` on a chip with `peaks`.

    The larger of compute time and memory time, cold caches, no launch cost.

    Source: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009.
    """
    return max(compute_ns(work, peaks), stream_ns(work, peaks))
