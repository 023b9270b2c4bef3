"""The rooms of one design sweep, wired together."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kernelwright.chips.emulated.machine import Machine
from kernelwright.chips.emulated.sweeps.area import AREA_LABEL, area_parts
from kernelwright.chips.emulated.sweeps.design_space import (
    DesignPoint,
    WorkloadTime,
    changed_machine,
    line_of,
    pareto_front,
    regimes_of,
    relative_time,
    run_sweep,
    sensitivities,
    strongest,
    sweep_lines,
    sweep_pairs,
)
from kernelwright.chips.emulated.sweeps.factors import FACTORS, Vary, parse_vary
from kernelwright.chips.emulated.sweeps.kernel_choice import KernelChoice, best_times
from kernelwright.chips.emulated.sweeps.traced_plan import TracedPlan, trace_plan
from kernelwright.cli.captured import capture_all, public_workloads, timing_inputs
from kernelwright.core.errors import CompileError, RequestError
from kernelwright.core.problem import Workload
from kernelwright.problems.contract import LoadedProblem
from kernelwright.problems.kernel_set import kernel_set
from kernelwright.problems.variants import MODEL_FACTORS, vary_workload
from kernelwright.report.codesign import FactorView, ModelView, SweepView, TradeView, ValueView
from kernelwright.sandbox import CaptureService, choose_sandbox

# Factors whose pairs are swept: those on which time depends most.
PAIRED = 4
Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What a sweep was asked for; `kernels` above 0 tunes over so many, `confirmed` designs are timed by events too."""

    problem: LoadedProblem
    machine: Machine
    suite: str
    vary: str
    source: str | None
    kernels: int
    workload: str | None
    unsafe: bool
    confirmed: int


def sweep(request: Request, say: Say) -> SweepView:
    """Return what the sweep came to; `say` gets lines of progress with the time left."""
    varies = parse_vary(request.vary, (*FACTORS, *MODEL_FACTORS))
    hardware = tuple(vary for vary in varies if vary.name in FACTORS)
    model = tuple(vary for vary in varies if vary.name in MODEL_FACTORS)
    workloads = public_workloads(request.problem, request.suite, request.workload)
    with CaptureService(choose_sandbox(request.unsafe), cores=1) as service:
        bench = _Bench(request, service, say)
        choices = bench.choices(workloads)
        base = best_times(request.machine, choices, "wave")
        _require_base(base)
        points = _points(request, choices, hardware, say)
        model_views = _model(request, bench, tuple(zip(workloads, choices, strict=True)), model, say)
    front = pareto_front(points)
    confirmed = _confirmed(request, choices, points[0], front, say)
    machine = request.machine
    return SweepView(
        request.problem.name, machine.name, request.suite, "wave", AREA_LABEL, _area_note(machine),
        {one.name: one.time_ns for one in base}, {one.name: one.kernel for one in base},
        _factor_views(points, machine, hardware),
        tuple(_trade(point, points[0], front, confirmed) for point in points) if hardware else (),
        model_views,
    )  # fmt: skip


class _Bench:
    """Captures and traces kernels on workloads."""

    def __init__(self, request: Request, service: CaptureService, say: Say) -> None:
        self._request, self._service, self._say = request, service, say

    def choices(self, workloads: Sequence[Workload]) -> tuple[KernelChoice, ...]:
        """Return the kernels that each workload can choose from."""
        request = self._request
        sources = self._sources(workloads)
        inputs = timing_inputs(request.problem, workloads)
        plans: list[list[tuple[str, TracedPlan]]] = [[] for _ in workloads]
        reasons = [""] * len(workloads)
        progress = with_time_left(self._say, "capturing and lowering kernel")
        for number, (label, source) in enumerate(sources):
            progress(number, len(sources))
            captured = capture_all(self._service, request.problem, source, inputs)
            for place, one in enumerate(captured):
                try:
                    plans[place].append((label, trace_plan(one.plan, one.contents, request.machine.capability)))
                except CompileError as error:
                    reasons[place] = reasons[place] or f"{label}: {error}"
        return tuple(
            KernelChoice(workload.name, workload.regime, tuple(found), reason)
            for workload, found, reason in zip(workloads, plans, reasons, strict=True)
        )

    def _sources(self, workloads: Sequence[Workload]) -> tuple[tuple[str, str], ...]:
        request = self._request
        if request.source is not None:
            return (("candidate", request.source),)
        if not request.kernels:
            return (("reference", request.problem.baselines.reference()),)
        return kernel_set(request.problem, workloads, request.kernels)


def _require_base(base: Sequence[WorkloadTime]) -> None:
    if all(one.time_ns is None for one in base):
        raise RequestError(f"a sweep needs a workload that the chip runs, {base[0].name}: {base[0].reason}")


def _points(
    request: Request, choices: Sequence[KernelChoice], varies: Sequence[Vary], say: Say
) -> tuple[DesignPoint, ...]:
    """Return the timed designs; workloads that the profile itself does not run are left out of all means."""
    base = best_times(request.machine, choices, "wave")
    kept = [choice for choice, one in zip(choices, base, strict=True) if one.time_ns is not None]
    machine = request.machine

    def timer(design: Machine) -> tuple[WorkloadTime, ...]:
        return best_times(design, kept, "wave")

    lines = run_sweep(machine, sweep_lines(machine, varies), timer, with_time_left(say, "timing design"))
    paired = strongest(sensitivities(lines, machine, varies), varies, PAIRED)
    pairs = run_sweep(machine, sweep_pairs(machine, paired), timer, with_time_left(say, "timing pair"))
    return (*lines, *pairs)


def _confirmed(
    request: Request, choices: Sequence[KernelChoice], base: DesignPoint, front: Sequence[DesignPoint], say: Say
) -> dict[str, float | None]:
    """Return event times over the base's event times by name of design, for an even pick of the front."""
    names = [one.name for one in base.times]
    kept = [choice for choice in choices if choice.workload in names]
    picked = _even(front, request.confirmed)
    if not base.changes and len(front) <= 1:
        picked = []
    found: dict[str, float | None] = {}
    progress = with_time_left(say, "confirming with events, design")
    own = DesignPoint({}, base.area, best_times(request.machine, kept, "event")) if picked else base
    for number, point in enumerate(picked):
        progress(number, len(picked))
        machine = changed_machine(request.machine, point.changes)
        timed = DesignPoint(point.changes, point.area, best_times(machine, kept, "event"))
        found[point.name] = relative_time(timed, own)
    return found


def _even(front: Sequence[DesignPoint], count: int) -> list[DesignPoint]:
    if len(front) <= count:
        return list(front)
    return [front[round(index * (len(front) - 1) / (count - 1))] for index in range(count)]


def _factor_views(points: Sequence[DesignPoint], machine: Machine, varies: Sequence[Vary]) -> tuple[FactorView, ...]:
    views = []
    for found in sensitivities(points, machine, varies):
        factor = FACTORS[found.factor]
        values = tuple(_value(value, point, points[0]) for value, point in line_of(points, machine, found.factor))
        views.append(
            FactorView(factor.name, factor.unit, factor.moves, found.base, found.elasticity, found.by_regime, values)
        )
    return tuple(views)


def _value(value: float, point: DesignPoint, base: DesignPoint) -> ValueView:
    regimes = {regime: relative_time(point, base, regime) for regime in regimes_of(base)}
    kernels = {one.name: one.kernel for one in point.times if one.time_ns is not None}
    reasons = {one.name: one.reason for one in point.times if one.time_ns is None}
    return ValueView(value, point.area, relative_time(point, base), regimes, kernels, reasons)


def _trade(
    point: DesignPoint, base: DesignPoint, front: Sequence[DesignPoint], confirmed: dict[str, float | None]
) -> TradeView:
    time_over_base = relative_time(point, base)
    return TradeView(
        point.name, point.area, time_over_base, confirmed.get(point.name), point in front, not point.changes
    )


def _model(
    request: Request,
    bench: _Bench,
    own: Sequence[tuple[Workload, KernelChoice]],
    varies: Sequence[Vary],
    say: Say,
) -> tuple[ModelView, ...]:
    """Return one view for each value of a model factor; timed on the workloads that it applies to."""
    views = []
    for vary in varies:
        factor = MODEL_FACTORS[vary.name]
        for value in _values(vary, factor.defaults):
            say(f"model with {vary.name} {value}")
            pairs = [(choice, changed) for one, choice in own if (changed := vary_workload(one, vary.name, value))]
            if not pairs:
                views.append(ModelView(vary.name, value, factor.moves, None, {}, 0))
                continue
            base = _design(request, [choice for choice, _ in pairs])
            point = _design(request, bench.choices([changed for _, changed in pairs]))
            seen = _value(0.0, point, base)
            views.append(
                ModelView(
                    vary.name, value, factor.moves, seen.time, seen.by_regime, len(pairs), seen.kernels, seen.reasons
                )
            )
    return tuple(views)


def _values(vary: Vary, defaults: tuple[str, ...]) -> tuple[str, ...]:
    if vary.values is None:
        return defaults
    return tuple(value if isinstance(value, str) else f"{value:g}" for value in vary.values)


def _design(request: Request, choices: Sequence[KernelChoice]) -> DesignPoint:
    return DesignPoint({}, 0.0, best_times(request.machine, choices, "wave"))


def _area_note(machine: Machine) -> str:
    parts = area_parts(machine)
    total = sum(parts.values())
    shares = ", ".join(f"{name} {share / total:.0%}" for name, share in parts.items() if share)
    return f"areas are a proxy with assumed coefficients: of the profile's, {shares}"


def with_time_left(say: Say, what: str) -> Callable[[int, int], None]:
    """Return a progress of (done, of) that says how much time is left, at the pace so far."""
    start = time.monotonic()

    def progress(done: int, of: int) -> None:
        spent = time.monotonic() - start
        left = f", about {spent / done * (of - done):.0f} s left" if done else ""
        say(f"{what} {done + 1} of {of}{left}")

    return progress
