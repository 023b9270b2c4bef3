"""What a design sweep came to, as tables, plots and a page. Times are emulated, areas are an assumed proxy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kernelwright.report.figures import NONE, format_number
from kernelwright.report.pages import Section, format_page
from kernelwright.report.sweep_plots import Bar, Curve, Panel, Trade, curves_plot, pareto_plot, sensitivity_plot
from kernelwright.report.tables import Table

_GEOMEAN = "all workloads"


@dataclass(frozen=True)
class ValueView:
    """One value of a factor: time over the base's (geometric mean, None where a workload does not run), by regime too.

    `kernels` is the best kernel by workload, `reasons` why a workload has no time.
    """

    value: float
    area: float
    time: float | None
    by_regime: Mapping[str, float | None]
    kernels: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FactorView:
    """One factor of the chip, its values in order; `base` is the profile's."""

    name: str
    unit: str
    moves: str
    base: float
    elasticity: float | None
    elasticity_by_regime: Mapping[str, float | None]
    values: tuple[ValueView, ...]


@dataclass(frozen=True)
class TradeView:
    """One design; `event_time` confirms with the event engine what the wave tier found, None where it was not asked."""

    name: str
    area: float
    time: float | None
    event_time: float | None
    on_front: bool
    is_base: bool


@dataclass(frozen=True)
class ModelView:
    """One change of the model: time over the base model's on the workloads it applies to, and how many those are."""

    factor: str
    value: str
    moves: str
    time: float | None
    by_regime: Mapping[str, float | None]
    workloads: int
    kernels: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SweepView:
    """A whole sweep; `tier` is what timed it, `area_note` what the proxy is made of."""

    problem: str
    chip: str
    suite: str
    tier: str
    area_label: str
    area_note: str
    base_ns: Mapping[str, int | None]
    base_kernels: Mapping[str, str]
    factors: tuple[FactorView, ...]
    designs: tuple[TradeView, ...]
    model: tuple[ModelView, ...]

    @property
    def title(self) -> str:
        """Return what was swept, in words."""
        return f"{self.problem} on designs around {self.chip}, suite {self.suite} (emulated)"


def sensitivity_table(view: SweepView) -> Table:
    """Return one row a factor: elasticity of all workloads and of each regime, and time at both ends of the range."""
    regimes = list(view.factors[0].elasticity_by_regime) if view.factors else []
    rows = []
    for factor in sorted(view.factors, key=lambda one: (-abs(one.elasticity or 0.0), one.name)):
        first, last = factor.values[0], factor.values[-1]
        span = f"{format_number(first.value)}..{format_number(last.value)}"
        rows.append(
            (
                factor.name,
                factor.unit,
                format_number(factor.base),
                span,
                _slope(factor.elasticity),
                *(_slope(factor.elasticity_by_regime.get(regime)) for regime in regimes),
                format_number(first.time),
                format_number(last.time),
            )
        )
    headings = ("factor", "unit", "profile", "range", "elasticity", *regimes, "time at low", "time at high")
    return Table("What time depends on (emulated; -1: twice the factor, half the time)", headings, tuple(rows), left=2)


def front_table(view: SweepView) -> Table:
    """Return the designs that no other beats in area and time."""
    rows = [
        (trade.name, format_number(trade.area), format_number(trade.time), format_number(trade.event_time))
        for trade in sorted(view.designs, key=lambda one: one.area)
        if trade.on_front or trade.is_base
    ]
    headings = ("design", view.area_label, f"time / base ({view.tier} tier)", "time / base (events)")
    return Table("Designs that no other beats (area assumed, time emulated)", headings, tuple(rows))


def model_table(view: SweepView) -> Table:
    """Return one row a change of the model."""
    regimes = list(dict.fromkeys(regime for one in view.model for regime in one.by_regime))
    rows = [
        (one.factor, one.value, str(one.workloads), format_number(one.time),
         *(format_number(one.by_regime.get(regime)) for regime in regimes))
        for one in view.model
    ]  # fmt: skip
    headings = ("model factor", "value", "workloads", "time / base", *regimes)
    return Table("What the model does (emulated; only workloads it applies to)", headings, tuple(rows), left=2)


def kernel_table(view: SweepView) -> Table:
    """Return how the best kernel moves: every workload and value at which it is another than on the profile."""
    rows = []
    for factor in view.factors:
        for value in factor.values:
            rows += [
                (factor.name, format_number(value.value), workload, view.base_kernels.get(workload, NONE), kernel)
                for workload, kernel in value.kernels.items()
                if kernel != view.base_kernels.get(workload)
            ]
    headings = ("factor", "value", "workload", "best on the profile", "best here")
    return Table("Where the best kernel becomes another (emulated)", headings, tuple(rows), left=5)


def workload_times(view: SweepView) -> Table:
    """Return the times on the profile itself."""
    rows = [
        (name, view.base_kernels.get(name) or NONE, NONE if time is None else format_number(time / 1e3))
        for name, time in view.base_ns.items()
    ]
    return Table("The chip as its profile has it", ("workload", "kernel", "time (us, emulated)"), tuple(rows), left=2)


def not_run(view: SweepView) -> tuple[str, ...]:
    """Return one line for each value at which some workload does not run, with the reason."""
    lines = []
    for factor in view.factors:
        for value in factor.values:
            lines += [
                f"{factor.name} {format_number(value.value)}: {workload} does not run: {reason}"
                for workload, reason in value.reasons.items()
            ]
    for one in view.model:
        lines += [f"{one.factor} {one.value}: {name} does not run: {why}" for name, why in one.reasons.items()]
    return tuple(lines)


def bars_of(view: SweepView) -> str:
    """Return the sensitivities as a plot; empty without one."""
    bars = [
        Bar(f"{factor.name} ({factor.unit})" if factor.unit else factor.name, factor.elasticity,
            f"at {format_number(factor.base)}")
        for factor in view.factors
        if factor.elasticity is not None
    ]  # fmt: skip
    subtitle = f"{view.problem}, suite {view.suite}, around {view.chip}; {view.tier} tier, emulated"
    return sensitivity_plot("What time depends on", bars, subtitle) if bars else ""


def curves_of(view: SweepView) -> str:
    """Return a panel a factor; empty without one."""
    panels = tuple(
        Panel(factor.name, factor.unit, factor.base, _curves(factor)) for factor in view.factors if _curves(factor)
    )
    subtitle = (
        f"{view.problem}, suite {view.suite}, around {view.chip}; {view.tier} tier, emulated; dashed: the profile"
    )
    return curves_plot("Time against each factor", panels, subtitle) if panels else ""


def _curves(factor: FactorView) -> tuple[Curve, ...]:
    every = tuple((value.value, value.time) for value in factor.values if value.time is not None)
    curves = [Curve(_GEOMEAN, every)] if len(every) > 1 else []
    for regime in factor.elasticity_by_regime:
        points = [(value.value, value.by_regime.get(regime)) for value in factor.values]
        known = tuple((value, time) for value, time in points if time is not None)
        if len(known) > 1:
            curves.append(Curve(regime, known))
    return tuple(curves)


def trades_of(view: SweepView) -> str:
    """Return designs by area and time as a plot; empty with fewer than two."""
    trades = [
        Trade(one.name, one.area, one.time, one.on_front, one.is_base) for one in view.designs if one.time is not None
    ]
    subtitle = f"{view.problem}, suite {view.suite}; times emulated ({view.tier} tier), coefficients of area assumed"
    return pareto_plot("Time against area", trades, subtitle, view.area_label) if len(trades) > 1 else ""


def sweep_page(view: SweepView, lead: str) -> str:
    """Return the HTML page of a sweep."""
    sections = [Section("The chip itself", tables=(workload_times(view),))]
    if view.factors:
        sections += [
            Section("Sensitivity", plot=bars_of(view), tables=(sensitivity_table(view),)),
            Section("Each factor", plot=curves_of(view)),
            Section("Time against area", (f"{view.area_note}.",), trades_of(view), (front_table(view),)),
        ]
    if view.model:
        moves = dict.fromkeys(f"{one.factor}: {one.moves}" for one in view.model)
        sections.append(Section("The model", tuple(moves), tables=(model_table(view),)))
    if kernel_table(view).rows:
        sections.append(Section("The kernel", tables=(kernel_table(view),)))
    if not_run(view):
        sections.append(Section("What does not run", not_run(view)))
    return format_page(view.title, lead, sections)


def tables_of(view: SweepView) -> Sequence[Table]:
    """Return the tables for a terminal, empty ones left out."""
    found = [workload_times(view)]
    found += [sensitivity_table(view), front_table(view)] if view.factors else []
    found += [model_table(view)] if view.model else []
    return [table for table in (*found, kernel_table(view)) if table.rows]


def _slope(value: float | None) -> str:
    return NONE if value is None else f"{value:+.2f}"
