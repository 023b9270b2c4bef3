"""What works on this machine, and how it compares."""

from typing import Annotated

import typer

from kernelwright.cli.arguments import Json
from kernelwright.cli.output import Output


def doctor(json: Json = False) -> int:
    """Say what works on this machine, and what to do about what does not; exit 1 if a run cannot."""
    from kernelwright.cli.checkup import checkup  # noqa: PLC0415  # lazy: needs torch
    from kernelwright.report import Table, print_table  # noqa: PLC0415

    checks = checkup()
    rows = tuple((("ok" if c.ok else "-" if c.optional else "FAILS"), c.name, c.found, c.advice) for c in checks)
    is_ok = all(check.ok or check.optional for check in checks)
    table = Table("", ("", "what", "found", "advice"), rows, left=4)
    output = Output(json)
    output.result({"ok": is_ok, "checks": checks}, lambda console: print_table(table, console))
    output.next("make run" if is_ok else "follow the advice above, then kernelwright doctor")
    return 0 if is_ok else 1


def bench(
    suite: Annotated[str, typer.Argument(metavar="[SUITE]", help="A suite of comparisons: compiler or dot.")] = "dot",
    only: Annotated[str | None, typer.Option("--only", help="Part of the names of rows, for suite compiler.")] = None,
    json: Json = False,
) -> int:
    """Measure this machine's compiled kernels against peers, as ratios.

    Suite compiler runs ordinary Triton kernels against torch and Triton's interpreter; it exits with 1 if a result is
    wrong or a kernel does not compile.
    """
    from kernelwright.cli.peers import DURATIONS, compare, require_suite  # noqa: PLC0415  # lazy: needs torch
    from kernelwright.report import Table, format_ratio, print_table  # noqa: PLC0415

    require_suite(suite, only)
    output = Output(json)
    output.say(f"bench {suite}: {DURATIONS[suite] if only is None else 'rows with ' + repr(only)}")
    found = compare(suite, only, output.phase)
    rows = tuple(
        (
            c.what,
            c.ours,
            c.peer,
            format_ratio(c.ratio, c.ci95),
            format_ratio(c.target),
            c.failure or {True: "met", False: "NOT MET", None: ""}[c.met],
        )
        for c in found
    )
    table = Table("", ("what", "ours", "peer", "ours over peer", "target", ""), rows, left=3)
    output.result({"suite": suite, "comparisons": found}, lambda console: print_table(table, console))
    return 1 if any(c.failure for c in found) else 0
