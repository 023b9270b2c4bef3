"""What one run came to, in the figures by which engineers are compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# Speedups whose evaluations are counted.
MILESTONES = (2.0, 4.0, 8.0)


@dataclass(frozen=True)
class ModelUsage:
    """What language models took: tokens in and out, US dollars (None where no price is known), names of models."""

    input_tokens: int
    output_tokens: int
    usd: float | None
    models: tuple[str, ...]


@dataclass(frozen=True)
class RunFigures:
    """One run; None where a figure does not apply.

    `speedup` over the reference is that of the final judgement where there is one (`is_final`), else of the best so
    far. `evaluations_to` gives, by milestone such as "2x", the counted evaluation at which the best so far reached it.
    `failed_share` are the shares, by status, of counted evaluations that were not accepted. `wall_s` lies between the
    first entry and the last, `active_s` of it a process worked. `best_so_far` are (counted evaluation, speedup) at
    each new best. `label` names the run's engineer among those it is compared with.
    """

    run: str
    label: str
    engineer: str
    seed: int
    phase: str
    final_status: str
    is_final: bool
    speedup: float | None
    ci95: tuple[float, float] | None
    evaluations: int
    evaluations_to: Mapping[str, int | None]
    failed_share: Mapping[str, float]
    redesigns: int
    tool_calls: int
    wall_s: float
    active_s: float
    usage: ModelUsage | None
    regret: float | None
    unsafe: bool
    best_so_far: tuple[tuple[int, float], ...] = field(default=())


def milestone_name(speedup: float) -> str:
    """Return how a milestone is called: 2x."""
    return f"{speedup:g}x"
