"""One verdict."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kernelwright.cli.arguments import ChipName, Json, ProblemName, SuiteName, Unsafe
from kernelwright.cli.output import Output
from kernelwright.core.errors import RequestError
from kernelwright.core.source_lines import format_code

if TYPE_CHECKING:
    from rich.console import Console

    from kernelwright.core.verdict import Verdict

EXIT_CODES = {"accepted": 0, "harness_error": 3}


def judge(
    problem: ProblemName,
    chip: ChipName,
    candidate: Annotated[Path, typer.Option("--candidate", metavar="FILE.py", help="The candidate's source.")],
    suite: SuiteName = None,
    unsafe: Unsafe = False,
    json: Json = False,
) -> int:
    """Judge one candidate: correctness on hidden workloads too, then time against the reference."""
    from kernelwright.chips.catalogue import load_chip  # noqa: PLC0415  # lazy: these rooms need torch
    from kernelwright.cli.suites import choose_suite  # noqa: PLC0415
    from kernelwright.core.candidate import Candidate  # noqa: PLC0415
    from kernelwright.engineers.catalogue import engineers_for  # noqa: PLC0415
    from kernelwright.judge import make_judge, verdict_json  # noqa: PLC0415
    from kernelwright.problems import load_problem  # noqa: PLC0415
    from kernelwright.sandbox import CaptureService, choose_sandbox  # noqa: PLC0415

    kernel = Candidate(read_source(candidate))
    loaded, secret, output = load_problem(problem), secrets.randbits(62), Output(json)
    chosen, machine = choose_suite(problem, chip, suite), load_chip(chip)
    with CaptureService(choose_sandbox(unsafe), cores=machine.spec.threads) as capture:
        judging = make_judge(loaded, chosen, machine, capture, secret, secret)
        try:
            verdict = judging(kernel, secrets.randbits(62), output.phase)
        finally:
            judging.close()
    output.result(verdict_json(verdict), lambda console: draw_verdict(verdict, console))
    fitting = engineers_for(loaded.address, without_options=True)
    if fitting:
        output.next(f"kernelwright run {problem} --chip {chip} --engineer {fitting[0]}")
    else:
        output.next(f"change {candidate}, then kernelwright judge {problem} --chip {chip} --candidate {candidate}")
    return EXIT_CODES.get(verdict.status, 1)


def read_source(file: Path) -> str:
    """Return the text of a candidate file. Raises RequestError when it is missing or no UTF-8 text."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise RequestError(f"a candidate must be a file that can be read, {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RequestError(f"a candidate must be UTF-8 text, {file} is not") from None


def draw_verdict(verdict: "Verdict", console: "Console") -> None:
    """Print the table of workloads and one line of outcome."""
    from kernelwright.report import (  # noqa: PLC0415  # lazy
        format_conditions,
        format_noise,
        format_percent,
        format_ratio,
        format_split,
        print_table,
        workload_table,
    )

    if verdict.workloads:
        print_table(workload_table(verdict), console)
    if not verdict.is_accepted:
        console.print(f"{verdict.status}  {verdict.reason}", soft_wrap=True)
        for line in format_code(verdict.facts):
            console.print(f"  {line}", soft_wrap=True)
    else:
        hidden = sum(result.hidden for result in verdict.workloads)
        noise = "times are emulated and exact" if verdict.emulated else f"A/A noise {format_noise(verdict.noise_floor)}"
        console.print(
            f"accepted  geomean {format_ratio(verdict.geomean_speedup, verdict.ci95)} over the {verdict.baseline}   "
            f"roofline {format_percent(verdict.roofline_fraction)}   hidden {hidden}/{hidden}   {noise}",
            soft_wrap=True,
        )
        if verdict.conditions is not None:
            console.print(f"timed     {format_conditions(verdict.conditions)}", soft_wrap=True)
    if verdict.seconds:
        console.print(f"took      {format_split(verdict.seconds)}", soft_wrap=True)
    if verdict.unsafe:
        console.print("unsafe: no sandbox held the candidate, the verdict holds against honest ones only")
    for text in (*verdict.flags, *verdict.advice):
        console.print(f"note: {text}", soft_wrap=True)
