"""What validation has to reach, written down before any profile was fitted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One anchor: the mean absolute percentage error to reach, and what an analytic study reached before (or None).

    `points` are those of the study; `library` says that the measured kernel is not a Triton kernel with known tiles.
    """

    chip: str
    workload: str
    mape: float
    floor: float | None
    points: int
    library: bool
    source: str


_TUNER = "tuner results in DeepGEMM-for-sail (MIT, T-Head)"
_LIBRARY = "PyPI aiconfigurator-core (Apache-2.0, NVIDIA)"

TARGETS = (
    Target("zw810e", "int8 GEMM", 10.0, 9.6, 770, False, _TUNER),
    Target("zw810", "int8 GEMM", 13.0, 12.3, 61, False, _TUNER),
    Target("a100", "bf16 GEMM", 10.0, 10.1, 35_742, True, _LIBRARY),
    Target("h100", "bf16 GEMM", 10.0, 8.3, 35_742, True, _LIBRARY),
    Target("h200", "bf16 GEMM", 10.0, 8.8, 35_742, True, _LIBRARY),
    Target("a100", "causal prefill attention", 15.0, 20.0, 1_122, True, _LIBRARY),
    Target("h100", "causal prefill attention", 15.0, 20.0, 1_122, True, _LIBRARY),
    Target("h200", "causal prefill attention", 15.0, 20.0, 1_122, True, _LIBRARY),
    Target("any", "memory-bound kernels", 8.0, None, 0, True, _LIBRARY),
)

LIBRARY_SENTENCE = "GPU anchors are library kernels; the emulator times Triton kernels."
"""Stands beside every number whose target says `library`."""

RANKING_TOP = 5
"""The vendor's winner must be among so many best tiles of the menu."""


def target_of(chip: str, workload: str) -> Target | None:
    """Return the target of `workload` on `chip`, None where none was set; one of "any" chip is every chip's."""
    return next((t for t in TARGETS if t.chip in (chip, "any") and t.workload == workload), None)
