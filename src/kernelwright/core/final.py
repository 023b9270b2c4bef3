"""The last word on a run: its setup, baseline 2, and the final kernel against every baseline."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kernelwright.core.verdict import Verdict

# The regime that every ratio is also given without: exits for empty tiles alone are worth much there.
RAGGED = "ragged"


@dataclass(frozen=True)
class Setup:
    """What is fixed when a run opens.

    `evaluations` and `seconds` are the budgets, None where there is none. `machine` and
    `versions` say where it ran. `unsafe` is true when no sandbox holds candidates. `problem_sha256` is the
    identity of the files of a problem that is a folder by path, empty for a registered one, `chip_sha256` that of the
    numbers of an emulated chip. `regret` asks for the distance to the optimum of a fixed space of candidates.
    `options` are those of the engineer, by name; `tokens` and `usd` what language models may take, None where there is
    no limit.
    """

    problem: str
    chip: str
    engineer: str
    suite: str
    seed: int
    evaluations: int | None
    seconds: float | None
    emulated: bool = False
    unsafe: bool = False
    machine: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    problem_sha256: str = ""
    chip_sha256: str = ""
    regret: bool = False
    options: Mapping[str, object] = field(default_factory=dict)
    tokens: int | None = None
    usd: float | None = None


@dataclass(frozen=True)
class TunedBaseline:
    """Baseline 2: the reference tuned with the run's own budget.

    `configs` says in words what was chosen for each tuning key; `evaluations` what was spent.
    """

    source: str
    configs: Mapping[str, str]
    evaluations: int


@dataclass(frozen=True)
class ComparedWorkload:
    """The final kernel and one baseline on one workload; medians in ns."""

    name: str
    regime: str
    hidden: bool
    baseline_ns: float
    candidate_ns: float
    speedup: float
    ci95: tuple[float, float]
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """The final kernel against one baseline over all workloads, measured in one session."""

    baseline: str
    geomean_speedup: float
    ci95: tuple[float, float]
    workloads: tuple[ComparedWorkload, ...]

    def without(self, regime: str) -> float | None:
        """Return the geometric mean with one regime left out, None if nothing is left."""
        return geomean(w.speedup for w in self.workloads if w.regime != regime)


@dataclass(frozen=True)
class RegretWorkload:
    """The final kernel and the best of the space on one public workload, emulated, in ns; `label` names that one."""

    name: str
    regime: str
    candidate_ns: int
    optimum_ns: int
    label: str


@dataclass(frozen=True)
class Regret:
    """How much slower than the optimum the final kernel is on an emulated chip, 0.25 is a quarter.

    `value` is the geometric mean of the ratios of times, minus 1. `candidates` are those of the fixed space, `failed`
    of them did not come through.
    """

    value: float
    candidates: int
    failed: int
    workloads: tuple[RegretWorkload, ...]


@dataclass(frozen=True)
class FinalFigures:
    """Everything measured again, fresh: picking the best of many noisy figures flatters it."""

    verdict: Verdict
    tuned: Comparison | None = None
    library: Comparison | None = None
    regret: Regret | None = None


def geomean(values: Iterable[float]) -> float | None:
    """Return the geometric mean of positive values, None of nothing."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else None
