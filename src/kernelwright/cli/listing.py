"""What there is: problems, chips, engineers."""

from collections.abc import Mapping, Sequence

from kernelwright.cli.arguments import Json
from kernelwright.cli.output import Output


def problems(json: Json = False) -> None:
    """List the problems."""
    from kernelwright.problems import load_problem, problem_names  # noqa: PLC0415  # needs torch

    found = [load_problem(name) for name in problem_names()]
    rows = [{"problem": p.name, "title": p.title, "entry": p.entry, "suites": list(p.suites)} for p in found]
    _show(Output(json), "problems", rows, "kernelwright judge PROBLEM --chip cpu --candidate FILE.py")


def chips(json: Json = False) -> None:
    """List the chips that work on this machine."""
    from kernelwright.chips.catalogue import chip_names, load_chip  # noqa: PLC0415  # lazy: chips are optional packages

    rows = []
    for name in chip_names():
        spec = load_chip(name).spec
        kind = "emulated" if spec.emulated else "real"
        rows.append({"chip": name, "title": spec.title, "kind": kind, "threads": spec.threads})
    _show(Output(json), "chips", rows, "kernelwright run extend-attention --chip CHIP --engineer search")


def engineers(json: Json = False) -> None:
    """List the engineers."""
    from kernelwright.engineers.catalogue import engineer_names  # noqa: PLC0415  # lazy

    rows = [{"engineer": name} for name in engineer_names()]
    _show(Output(json), "engineers", rows, "kernelwright run extend-attention --chip cpu --engineer ENGINEER")


def _show(output: Output, what: str, rows: Sequence[Mapping[str, object]], following: str) -> None:
    from kernelwright.report import Table, print_table  # noqa: PLC0415  # lazy

    headings = tuple(rows[0]) if rows else (what,)
    cells = tuple(tuple(_cell(value) for value in row.values()) for row in rows)
    table = Table("", headings, cells, left=len(headings))
    output.result({what: rows}, lambda console: print_table(table, console))
    output.next(following)


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
