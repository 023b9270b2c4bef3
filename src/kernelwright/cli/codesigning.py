"""How time and the best kernel move with the hardware and with the model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kernelwright.cli.arguments import ChipName, Json, ProblemName, SuiteName, Unsafe
from kernelwright.cli.output import Output, write_text

if TYPE_CHECKING:
    from rich.console import Console

    from kernelwright.report.codesign import SweepView

# Designs of the front that the event engine times again.
CONFIRMED = 6


def codesign(  # noqa: PLR0913, PLR0917  # options of a command
    problem: ProblemName,
    chip: ChipName,
    vary: Annotated[
        str,
        typer.Option(
            "--vary",
            metavar="FACTORS",
            help="NAME, NAME=LOW:HIGH:STEP or NAME=A/B, separated by commas: factors of the chip (units, hbm_gb_s, "
            "llc_mib, shared_kib, exp_rate, ...) and of the model (kv_heads, head_dim, window, kv_dtype).",
        ),
    ],
    candidate: Annotated[
        Path | None, typer.Option("--candidate", metavar="FILE.py", help="The candidate [default: the reference].")
    ] = None,
    tune_kernel: Annotated[
        bool, typer.Option("--tune-kernel", help="At each design take the best of a few tiles, warps and stages.")
    ] = False,
    kernels: Annotated[int, typer.Option("--kernels", help="How many kernels --tune-kernel chooses from.")] = 8,
    suite: SuiteName = None,
    workload: Annotated[str | None, typer.Option("--workload", help="One workload [default: all public ones].")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one page with plots.")] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="STEM", help="Write plots to STEM-sensitivity.svg and so on.")
    ] = None,
    unsafe: Unsafe = False,
    json: Json = False,
) -> None:
    """Sweep designs around an emulated chip, and models: what time depends on, what that costs in area.

    One factor at a time, then pairs of the four that matter most, in the wave tier; the best designs are timed again by
    the event engine. Areas are a proxy whose coefficients are assumed. Everything is emulated.
    """
    from kernelwright.cli.emulation import load_emulated  # noqa: PLC0415  # lazy: Numba, torch
    from kernelwright.cli.judging import read_source  # noqa: PLC0415
    from kernelwright.cli.suites import choose_suite  # noqa: PLC0415
    from kernelwright.cli.sweeping import Request, sweep  # noqa: PLC0415
    from kernelwright.problems import load_problem  # noqa: PLC0415
    from kernelwright.report.codesign import bars_of, curves_of, sweep_page, trades_of  # noqa: PLC0415

    chosen, machine = choose_suite(problem, chip, suite), load_emulated(chip)
    source = None if candidate is None else read_source(candidate)
    output = Output(json)
    request = Request(
        load_problem(problem), machine, chosen, vary, source, kernels if tune_kernel else 0, workload, unsafe, CONFIRMED
    )
    view = sweep(request, output.phase)
    if html is not None:
        write_text(html, sweep_page(view, f"{machine.title}. {view.area_note}. Times are emulated."), "page")
    for name, plot in (("sensitivity", bars_of(view)), ("factors", curves_of(view)), ("area", trades_of(view))):
        if svg is not None and plot:
            write_text(svg.with_name(f"{svg.name}-{name}.svg"), plot, "plot")
    output.result({"emulated": True, **_value(view)}, lambda console: _draw(view, machine.title, console))
    output.next(f"kernelwright profile {problem} --chip {chip}")


def _value(view: "SweepView") -> dict[str, object]:
    return {**view.__dict__, "area_standing": "assumed"}


def _draw(view: "SweepView", title: str, console: "Console") -> None:
    from kernelwright.report import print_table  # noqa: PLC0415  # lazy
    from kernelwright.report.codesign import not_run, tables_of  # noqa: PLC0415

    console.print(f"{title}. Times are emulated; {view.area_note}.", soft_wrap=True)
    for table in tables_of(view):
        console.print()
        print_table(table, console)
    for line in not_run(view):
        console.print(f"note: {line}", soft_wrap=True)
