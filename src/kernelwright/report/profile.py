"""What a profile shows of launches on an emulated chip, as tables and a page. Every time in it is emulated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kernelwright.report.figures import NONE, format_number, format_percent
from kernelwright.report.pages import Section, format_page
from kernelwright.report.tables import Table

# Resources and reasons of waiting below this share are not listed in the breakdown.
_LEAST = 0.005


@dataclass(frozen=True)
class LaunchView:
    """One launch: times in ns, `busy` and `waits` as shares of 1, counters as (name, value, unit, standing)."""

    kernel: str
    grid: tuple[int, int, int]
    time_ns: int
    bound: str
    waves: float
    blocks_per_unit: int
    limiter: str
    busy: Mapping[str, float]
    waits: Mapping[str, float]
    counters: tuple[tuple[str, float, str, str], ...]
    explanation: str
    findings: tuple[str, ...]


@dataclass(frozen=True)
class WorkloadView:
    """One workload; without a time `reason` says why the chip does not take it."""

    name: str
    regime: str
    time_ns: int | None
    fills_ns: int
    launches: tuple[LaunchView, ...]
    reason: str = ""


def launch_table(workloads: Sequence[WorkloadView]) -> Table:
    """Return one row a launch: emulated time, what bounds it, how blocks sit on units, how busy the chip is."""
    rows = []
    for workload in workloads:
        for launch in workload.launches:
            rows.append((workload.name, workload.regime, launch.kernel, *_figures(launch)))
        if workload.time_ns is None:
            rows.append((workload.name, workload.regime, "not timed", NONE, NONE, *[NONE] * 8))
    headings = (
        "workload", "regime", "launch", "bound by", "limiter", "time (us, emulated)", "grid", "waves", "blocks/unit",
        "matrix", "special", "lanes", "memory",
    )  # fmt: skip
    return Table("Launches, emulated", headings, tuple(rows), left=5)


def _figures(launch: LaunchView) -> tuple[str, ...]:
    busy = [format_percent(launch.busy.get(name)) for name in ("matrix", "special", "lanes", "memory")]
    grid = "x".join(str(size) for size in launch.grid)
    time, waves = format_number(launch.time_ns / 1e3), format_number(launch.waves)
    return (launch.bound, launch.limiter, time, grid, waves, str(launch.blocks_per_unit), *busy)


def breakdown_table(launch: LaunchView) -> Table:
    """Return where a launch's time goes: how busy each resource is, what blocks wait for."""
    busy = sorted(launch.busy.items(), key=lambda item: (-item[1], item[0]))
    waits = sorted(launch.waits.items(), key=lambda item: (-item[1], item[0]))
    rows = [("busy", name, f"{share:.1%}") for name, share in busy if share >= _LEAST]
    rows += [("waiting", name, f"{share:.1%}") for name, share in waits if share >= _LEAST]
    return Table(f"{launch.kernel}: bound by {launch.bound} (emulated)", ("share", "of", "%"), tuple(rows), left=2)


def counter_table(launch: LaunchView) -> Table:
    """Return the counters; `name from` tells the vendor's own names from those in the same grammar."""
    rows = [(name, unit, _source(standing), _count(value)) for name, value, unit, standing in launch.counters]
    headings = ("counter (emulated)", "unit", "name from", "value")
    return Table(f"{launch.kernel}: counters (emulated)", headings, tuple(rows), left=3)


def _count(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else format_number(value)


def _source(standing: str) -> str:
    return "vendor" if standing == "published" else "same grammar"


def explanations(workloads: Sequence[WorkloadView]) -> tuple[str, ...]:
    """Return one line a workload: why its longest launch takes its time, and what to change."""
    lines = []
    for workload in workloads:
        if workload.time_ns is None:
            lines.append(f"{workload.name}: not timed: {workload.reason}")
        elif workload.launches:
            longest = max(workload.launches, key=lambda launch: launch.time_ns)
            lines.append(f"{workload.name}: {longest.explanation}")
    return tuple(lines)


def profile_page(title: str, lead: str, plot: str, workloads: Sequence[WorkloadView]) -> str:
    """Return the HTML page of a profile."""
    sections = [
        Section("Roofline, emulated", plot=plot),
        Section("Launches", tables=(replace(launch_table(workloads), title=""),)),
    ]
    for workload in workloads:
        total = NONE if workload.time_ns is None else f"{format_number(workload.time_ns / 1e3)} us (emulated)"
        sentences = [f"{workload.regime}, {total}" if workload.time_ns else f"not timed: {workload.reason}"]
        tables: list[Table] = []
        for launch in workload.launches:
            sentences += [f"{launch.kernel}: {finding}" for finding in launch.findings]
            tables += [breakdown_table(launch), counter_table(launch)]
        sections.append(Section(workload.name, tuple(sentences), tables=tuple(tables)))
    return format_page(title, lead, sections)
