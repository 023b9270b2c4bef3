"""Why a kernel takes its time on an emulated chip."""

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kernelwright.cli.arguments import ChipName, Json, ProblemName, SuiteName, Unsafe
from kernelwright.cli.output import Output, write_text
from kernelwright.core.errors import CompileError, RequestError

if TYPE_CHECKING:
    from rich.console import Console

    from kernelwright.chips.emulated.insight.counters import TimedLaunch
    from kernelwright.chips.emulated.machine import Machine
    from kernelwright.chips.emulated.sweeps.traced_plan import TimedPlan
    from kernelwright.cli.captured import CapturedWorkload
    from kernelwright.problems.contract import LoadedProblem
    from kernelwright.report.profile import LaunchView, WorkloadView


def profile(  # noqa: PLR0913, PLR0917  # options of a command
    problem: ProblemName,
    chip: ChipName,
    candidate: Annotated[
        Path | None, typer.Option("--candidate", metavar="FILE.py", help="The candidate [default: the reference].")
    ] = None,
    suite: SuiteName = None,
    workload: Annotated[str | None, typer.Option("--workload", help="One workload [default: all public ones].")] = None,
    trace: Annotated[
        Path | None, typer.Option("--trace", metavar="FILE.json", help="Write a trace for Perfetto; with --workload.")
    ] = None,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Write the roofline plot.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one page with everything.")] = None,
    unsafe: Unsafe = False,
    json: Json = False,
) -> int:
    """Show why a kernel takes its time on an emulated chip: counters, what bounds it, what to change.

    Counters carry the names of the vendor's profiler. Everything is emulated, nothing was measured on silicon.
    """
    from kernelwright.cli.captured import capture_all, public_workloads, timing_inputs  # noqa: PLC0415  # lazy
    from kernelwright.cli.emulation import load_emulated  # noqa: PLC0415
    from kernelwright.cli.judging import read_source  # noqa: PLC0415
    from kernelwright.cli.suites import choose_suite  # noqa: PLC0415
    from kernelwright.problems import load_problem  # noqa: PLC0415
    from kernelwright.report.profile import profile_page  # noqa: PLC0415
    from kernelwright.sandbox import CaptureService, choose_sandbox  # noqa: PLC0415

    chosen, machine = choose_suite(problem, chip, suite), load_emulated(chip)
    loaded, output = load_problem(problem), Output(json)
    wanted = public_workloads(loaded, chosen, workload)
    if trace is not None and len(wanted) != 1:
        raise RequestError("a trace holds one workload: add --workload NAME")
    source = loaded.baselines.reference() if candidate is None else read_source(candidate)
    output.phase("capturing launch plans")
    with CaptureService(choose_sandbox(unsafe), cores=1) as service:
        captured = capture_all(service, loaded, source, timing_inputs(loaded, wanted))
    views, plans = [], []
    for number, one in enumerate(captured, start=1):
        output.phase(f"timing {one.workload.name}, {number} of {len(captured)}")
        view, plan = _timed(machine, one, timeline=trace is not None)
        views.append(view)
        plans.append(plan)
    what = f"{problem} on {machine.name}, suite {chosen}, {'reference' if candidate is None else candidate.name}"
    if trace is not None and plans[0] is not None:
        write_text(trace, _trace_text(machine, plans[0], f"{what}, {wanted[0].name}"), "trace")
    plot = _roofline(machine, loaded, captured, views, f"{what} (emulated)")
    if svg is not None:
        write_text(svg, plot, "plot")
    if html is not None:
        write_text(html, profile_page(f"Profile: {what}", _lead(machine), plot, views), "page")
    value = {"problem": problem, "chip": chip, "suite": chosen, "emulated": True, "workloads": views}
    output.result(value, lambda console: _draw(machine, views, workload is not None, console))
    output.next(f"kernelwright codesign {problem} --chip {chip} --vary units,hbm_gb_s")
    return 0 if any(plan is not None for plan in plans) else 1


def _timed(machine: "Machine", one: "CapturedWorkload", timeline: bool) -> "tuple[WorkloadView, TimedPlan | None]":
    from kernelwright.chips.emulated.sweeps.traced_plan import time_traced, trace_plan  # noqa: PLC0415  # lazy: Numba
    from kernelwright.report.profile import WorkloadView  # noqa: PLC0415

    name, regime = one.workload.name, one.workload.regime
    try:
        traced = trace_plan(one.plan, one.contents, machine.capability)
        plan = time_traced(machine, traced, timeline=timeline)
    except CompileError as error:
        return WorkloadView(name, regime, None, 0, (), str(error)), None
    launches = tuple(_view(machine, launch) for launch in plan.launches)
    return WorkloadView(name, regime, plan.time_ns, plan.fills_ns, launches), plan


def _view(machine: "Machine", launch: "TimedLaunch") -> "LaunchView":
    from kernelwright.chips.emulated.insight.counters import launch_counters  # noqa: PLC0415  # lazy
    from kernelwright.chips.emulated.insight.explain import explain, format_explanation  # noqa: PLC0415
    from kernelwright.report.profile import LaunchView  # noqa: PLC0415

    found, time = explain(machine, launch), launch.time
    counters = tuple((c.name, c.value, c.unit, c.standing) for c in launch_counters(machine, launch))
    held = time.occupancy
    return LaunchView(
        launch.kernel, launch.grid, time.time_ns, time.bound, held.waves, held.blocks_per_unit, held.limiter,
        time.busy, time.waits, counters, format_explanation(found), tuple(map(str, found)),
    )  # fmt: skip


def _roofline(
    machine: "Machine",
    problem: "LoadedProblem",
    captured: "tuple[CapturedWorkload, ...]",
    views: "list[WorkloadView]",
    title: str,
) -> str:
    from kernelwright.cli.emulation import roofs_of  # noqa: PLC0415  # lazy
    from kernelwright.report.roofline import RooflinePoint, roofline_plot  # noqa: PLC0415

    points = []
    for one, view in zip(captured, views, strict=True):
        if view.time_ns is not None:
            work = problem.work(one.workload)
            points.append(RooflinePoint(view.name, view.regime, work.dot_flops, work.moved_bytes, view.time_ns))
    return roofline_plot(title, roofs_of(machine), points)


def _trace_text(machine: "Machine", plan: "TimedPlan", title: str) -> str:
    from kernelwright.chips.emulated.insight.trace_events import trace_object  # noqa: PLC0415  # lazy

    return json_text.dumps(trace_object(machine, plan.launches, title), separators=(",", ":"))


def _lead(machine: "Machine") -> str:
    projected = " It is a projection." if machine.projected else ""
    return f"{machine.title}. Every time is emulated, none was measured.{projected}"


def _draw(machine: "Machine", views: "list[WorkloadView]", in_full: bool, console: "Console") -> None:
    from kernelwright.report import print_table  # noqa: PLC0415  # lazy
    from kernelwright.report.profile import breakdown_table, counter_table, explanations, launch_table  # noqa: PLC0415

    console.print(_lead(machine), soft_wrap=True)
    console.print()
    print_table(launch_table(views), console)
    for launch in views[0].launches if in_full else ():
        for table in (breakdown_table(launch), counter_table(launch)):
            console.print()
            print_table(table, console)
        for finding in launch.findings:
            console.print(f"{launch.kernel}: {finding}", soft_wrap=True)
    console.print()
    for line in explanations(views):
        console.print(line, soft_wrap=True)
