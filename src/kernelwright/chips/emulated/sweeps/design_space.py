"""Sweeps over designs: one factor at a time and pairs of factors; what time depends on, and what it costs in area."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.sweeps.area import area_proxy
from kernelwright.chips.emulated.sweeps.factors import FACTORS, Vary, factor_values

# Values a factor has in a pair: more would hide the front, not move it.
_PAIR_VALUES = 4


@dataclass(frozen=True)
class WorkloadTime:
    """One workload on one design: emulated ns, None where no kernel runs (`reason`), and the kernel that was best."""

    name: str
    regime: str
    time_ns: int | None
    kernel: str = ""
    reason: str = ""


@dataclass(frozen=True)
class DesignPoint:
    """One design: what differs from the profile, its area proxy (assumed), and times of all workloads."""

    changes: Mapping[str, float]
    area: float
    times: tuple[WorkloadTime, ...]

    @property
    def name(self) -> str:
        """Return the changes in words; "as the profile has it" without any."""
        words = (f"{name} {value:.5g}" for name, value in self.changes.items())
        return ", ".join(words) or "as the profile has it"


@dataclass(frozen=True)
class Sensitivity:
    """One factor: elasticity of the geometric mean of times at the profile's value, by regime too; None where unknown.

    Elasticity is the change of log time over the change of log factor between the nearest values around the profile's.
    """

    factor: str
    base: float
    low: float
    high: float
    elasticity: float | None
    by_regime: Mapping[str, float | None] = field(default_factory=dict)


Timer = Callable[[Machine], tuple[WorkloadTime, ...]]
Progress = Callable[[int, int], None]


def sweep_lines(machine: Machine, varies: Sequence[Vary]) -> tuple[dict[str, float], ...]:
    """Return the changes of one factor at a time, the profile itself first."""
    found: list[dict[str, float]] = [{}]
    for vary in varies:
        base = FACTORS[vary.name].read(machine)
        found += [{vary.name: value} for value in factor_values(vary, machine) if value != base]
    return tuple(found)


def sweep_pairs(machine: Machine, varies: Sequence[Vary]) -> tuple[dict[str, float], ...]:
    """Return the changes of two factors together, over a few values of each."""
    found = []
    for first, second in combinations(varies, 2):
        bases = [FACTORS[vary.name].read(machine) for vary in (first, second)]
        values = [_few(factor_values(vary, machine)) for vary in (first, second)]
        for one, two in product(*values):
            if one != bases[0] and two != bases[1]:
                found.append({first.name: one, second.name: two})
    return tuple(found)


def _few(values: Sequence[float]) -> tuple[float, ...]:
    if len(values) <= _PAIR_VALUES:
        return tuple(values)
    last = len(values) - 1
    return tuple(values[round(index * last / (_PAIR_VALUES - 1))] for index in range(_PAIR_VALUES))


def changed_machine(machine: Machine, changes: Mapping[str, float]) -> Machine:
    """Return the machine with all changes."""
    for name, value in changes.items():
        machine = FACTORS[name].applied(machine, value)
    return machine


def run_sweep(
    machine: Machine, designs: Sequence[Mapping[str, float]], timer: Timer, progress: Progress
) -> tuple[DesignPoint, ...]:
    """Return one point a design, in order."""
    points = []
    for number, changes in enumerate(designs):
        progress(number, len(designs))
        design = changed_machine(machine, changes)
        points.append(DesignPoint(dict(changes), area_proxy(design), timer(design)))
    return tuple(points)


def relative_time(point: DesignPoint, base: DesignPoint, regime: str | None = None) -> float | None:
    """Return the geometric mean of times over those of `base`; None where a workload has no time on either."""
    pairs = [(one, two) for one, two in zip(point.times, base.times, strict=True) if regime in (None, one.regime)]
    if not pairs or any(one.time_ns is None or two.time_ns is None for one, two in pairs):
        return None
    logs = [math.log(one.time_ns / two.time_ns) for one, two in pairs if one.time_ns and two.time_ns]
    return math.exp(sum(logs) / len(logs))


def regimes_of(point: DesignPoint) -> tuple[str, ...]:
    """Return the regimes in the order of workloads."""
    return tuple(dict.fromkeys(time.regime for time in point.times))


def line_of(points: Iterable[DesignPoint], machine: Machine, factor: str) -> tuple[tuple[float, DesignPoint], ...]:
    """Return the points that change `factor` alone, and the profile itself, by value."""
    base = FACTORS[factor].read(machine)
    found = [(point.changes.get(factor, base), point) for point in points if set(point.changes) <= {factor}]
    return tuple(sorted(found, key=lambda pair: pair[0]))


def sensitivities(points: Sequence[DesignPoint], machine: Machine, varies: Sequence[Vary]) -> tuple[Sensitivity, ...]:
    """Return one sensitivity a factor, in the order of `varies`; `points[0]` is the profile itself."""
    return tuple(_sensitivity(line_of(points, machine, vary.name), points[0], vary.name) for vary in varies)


def _sensitivity(line: Sequence[tuple[float, DesignPoint]], base: DesignPoint, factor: str) -> Sensitivity:
    place = next(index for index, (_, point) in enumerate(line) if not point.changes)
    below, above = line[max(place - 1, 0)], line[min(place + 1, len(line) - 1)]
    by_regime = {regime: _slope(below, above, base, regime) for regime in regimes_of(base)}
    return Sensitivity(
        factor, line[place][0], line[0][0], line[-1][0], _slope(below, above, base, None), by_regime
    )  # fmt: skip


def strongest(found: Sequence[Sensitivity], varies: Sequence[Vary], count: int) -> tuple[Vary, ...]:
    """Return the `count` factors with the largest elasticities of either sign, in the order of `varies`."""
    ranked = sorted(found, key=lambda one: (-abs(one.elasticity or 0.0), one.factor))
    names = {one.factor for one in ranked[:count]}
    return tuple(vary for vary in varies if vary.name in names)


def _slope(
    below: tuple[float, DesignPoint], above: tuple[float, DesignPoint], base: DesignPoint, regime: str | None
) -> float | None:
    first, last = relative_time(below[1], base, regime), relative_time(above[1], base, regime)
    if first is None or last is None or below[0] == above[0]:
        return None
    return math.log(last / first) / math.log(above[0] / below[0])


def pareto_front(points: Sequence[DesignPoint]) -> tuple[DesignPoint, ...]:
    """Return the designs that no other beats in area and time, smallest area first; `points[0]` is the profile."""
    rated = [(point.area, time, point) for point in points if (time := relative_time(point, points[0])) is not None]
    front: list[DesignPoint] = []
    best = math.inf
    for _, time, point in sorted(rated, key=lambda item: (item[0], item[1], item[2].name)):
        if time < best:
            best = time
            front.append(point)
    return tuple(front)
