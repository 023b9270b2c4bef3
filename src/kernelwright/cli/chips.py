"""Chips: which there are, what is known of one, and drawing one that nobody knows."""

from pathlib import Path
from typing import Annotated

import typer

from kernelwright.cli.arguments import Json
from kernelwright.cli.output import Output, show_rows
from kernelwright.cli.validating import validate
from kernelwright.core.errors import RequestError

Name = Annotated[str, typer.Argument(metavar="CHIP", help="Name of an emulated chip, or a path to its TOML file.")]


def app() -> typer.Typer:
    """Return the group of commands; without a command it lists."""
    group = typer.Typer(help="List the chips that work on this machine; show one, draw one.", rich_markup_mode=None)
    group.callback(invoke_without_command=True)(chips)
    for function in (show, draw, validate):
        group.command(function.__name__, short_help=(function.__doc__ or "").splitlines()[0])(function)
    return group


def chips(context: typer.Context, json: Json = False) -> None:
    """List the chips that work on this machine; show one, draw one."""
    if context.invoked_subcommand is not None:
        return
    from kernelwright.chips.catalogue import chip_names, load_chip  # noqa: PLC0415  # lazy: chips are optional packages

    rows = []
    for name in chip_names():
        spec = load_chip(name).spec
        kind = "emulated" if spec.emulated else "real"
        rows.append({"chip": name, "title": spec.title, "kind": kind, "threads": spec.threads})
    show_rows(Output(json), "chips", rows, "kernelwright run extend-attention --chip CHIP --engineer search")


def show(chip: Name, json: Json = False) -> None:
    """Show what is known of an emulated chip: every number with standing, range and source."""
    from kernelwright.chips.emulated.profiles.profile import load_profile  # noqa: PLC0415  # lazy
    from kernelwright.chips.emulated.profiles.view import fact_rows  # noqa: PLC0415
    from kernelwright.report import chip_table, print_table  # noqa: PLC0415

    if chip == "cpu":
        raise RequestError("chip cpu is real and has no profile; its limits are measured. See 'kernelwright doctor'.")
    profile, output = load_profile(chip), Output(json)
    rows = fact_rows(profile)
    value = {
        "chip": profile.name,
        "title": profile.title,
        "emulated": True,
        "projected": profile.projected,
        "notes": profile.notes,
        "facts": rows,
    }
    table = chip_table(f"{profile.name}: {profile.title} (emulated)", rows)
    output.result(value, lambda console: print_table(table, console))
    if not json:
        for note in profile.notes:
            print(note)
    output.next(f"kernelwright judge extend-attention --chip {chip} --candidate FILE.py")


def draw(
    family: Annotated[str, typer.Option("--family", help="The chip whose prior is drawn from.")],
    seed: Annotated[
        int | None, typer.Option("--seed", help="Draw this one again [default: one nobody can guess].")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the TOML file there, not to stdout.")] = None,
) -> None:
    """Draw an undocumented chip: a TOML profile with hidden quirks, to keep from the engineer."""
    import secrets  # noqa: PLC0415  # only here

    from kernelwright.chips.emulated.profiles.drawing import draw_instance, format_instance  # noqa: PLC0415  # lazy
    from kernelwright.chips.emulated.profiles.profile import load_profile  # noqa: PLC0415

    chosen, output = secrets.randbits(63) if seed is None else seed, Output(False)
    text = format_instance(draw_instance(load_profile(family), chosen))
    if seed is None:
        output.say(f"drawn with --seed {chosen}")
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RequestError(f"--out {out} cannot be written: {error.strerror}. Choose another place.") from None
    output.next(f"kernelwright run extend-attention --chip {out} --engineer search")
