"""What there is: problems, engineers."""

from kernelwright.cli.arguments import Json
from kernelwright.cli.output import Output, show_rows


def problems(json: Json = False) -> None:
    """List the problems."""
    from kernelwright.problems import load_problem, problem_names  # noqa: PLC0415  # needs torch

    found = [load_problem(name) for name in problem_names()]
    rows = [{"problem": p.name, "title": p.title, "entry": p.entry, "suites": list(p.suites)} for p in found]
    show_rows(Output(json), "problems", rows, "kernelwright judge PROBLEM --chip cpu --candidate FILE.py")


def engineers(json: Json = False) -> None:
    """List the engineers."""
    from kernelwright.engineers.catalogue import engineer_names, kinds_of  # noqa: PLC0415  # lazy

    rows = [{"engineer": kind} for name in engineer_names() for kind in kinds_of(name)]
    show_rows(Output(json), "engineers", rows, "kernelwright run extend-attention --chip cpu --engineer ENGINEER")
