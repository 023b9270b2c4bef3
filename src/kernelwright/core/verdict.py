"""The judge's answer on one candidate."""

from dataclasses import dataclass, field

from kernelwright.core.fault import Status
from kernelwright.core.timing import Conditions


@dataclass(frozen=True)
class WorkloadResult:
    """Times and error on one workload; times are robust means in ns, and `speedup` is their ratio.

    `rel_l2` is the largest relative L2 error of any (request, head) over all checked inputs,
    `roofline_ns` the lower bound on time, `bound` what sets it.
    """

    name: str
    regime: str
    hidden: bool
    baseline_ns: float
    candidate_ns: float
    speedup: float
    ci95: tuple[float, float]
    rel_l2: float
    rel_l2_gate: float
    roofline_ns: float
    bound: str


@dataclass(frozen=True)
class Direct:
    """A candidate timed in turn with the best so far, on the same inputs in the same minutes.

    `best_sha256` names the best's source, `speedup` is its time over the candidate's, geometric mean over
    all workloads, `noise_floor` how far the best seemed from itself. The comparison ended after `blocks` blocks of
    every workload; `ci95` holds the truth in 95 of 100 comparisons, wherever they end.
    """

    best_sha256: str
    speedup: float
    ci95: tuple[float, float]
    noise_floor: float
    blocks: int = 0
    conditions: Conditions | None = None

    @property
    def is_gain(self) -> bool:
        """Return whether the interval lies above 1 plus the noise floor: only this makes a candidate the best."""
        return self.ci95[0] > 1.0 + self.noise_floor


@dataclass(frozen=True)
class Verdict:
    """What the judge found. Figures are None unless `status` is accepted.

    `geomean_speedup` is over all workloads against the baseline named in `baseline`; `ci95` its
    interval; `noise_floor` how far the A/A interval of the same session reaches from 1, `conditions` what the
    machine did meanwhile. `unsafe` says that no sandbox held the candidate. `seconds` splits the wall time of the
    judgement by phase, with what of it kernels took. `over_best` is there when the candidate was timed against the
    best of its run as well.
    """

    status: Status
    reason: str
    facts: dict[str, object] = field(default_factory=dict)
    geomean_speedup: float | None = None
    ci95: tuple[float, float] | None = None
    noise_floor: float | None = None
    roofline_fraction: float | None = None
    roofline_fraction_bound: float | None = None
    workloads: tuple[WorkloadResult, ...] = ()
    plan_sha256: str = ""
    machine_sha256: str = ""
    architecture: str = ""
    baseline: str = ""
    emulated: bool = False
    unsafe: bool = False
    advice: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    over_best: Direct | None = None
    conditions: Conditions | None = None

    @property
    def is_accepted(self) -> bool:
        """Return whether the candidate is correct and honestly timed."""
        return self.status == "accepted"
