"""The table of commands."""

from collections.abc import Callable
from typing import Any

import typer

from kernelwright.cli import (
    checking,
    chips,
    codesigning,
    comparing,
    compiling,
    connecting,
    initialising,
    judging,
    listing,
    profiling,
    proving,
    reading,
    running,
    serving,
    supervising,
)

_SECTIONS: dict[str, tuple[Callable[..., object], ...]] = {
    "Look": (listing.problems, chips.chips, listing.engineers, checking.doctor),
    "Work": (initialising.init, judging.judge, running.run, checking.bench, compiling.compile),
    "Lend": (serving.mcp, connecting.mcp_config, connecting.skill),
    "See why": (profiling.profile, codesigning.codesign),
    "Supervise": (
        supervising.status,
        supervising.watch,
        supervising.steer,
        supervising.pause,
        running.resume,
        supervising.stop,
    ),
    "Read and prove": (
        reading.report,
        comparing.compare,
        reading.history,
        reading.show,
        proving.export,
        proving.verify,
    ),
}


def command() -> Any:
    """Return the root command."""
    app = typer.Typer(
        name="kernelwright",
        help="Makes Triton kernels faster on a chip, proves them correct, and leaves a record anyone can re-run.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    functions = [function for section in _SECTIONS.values() for function in section]
    for function in functions:
        if function is not chips.chips:
            short = (function.__doc__ or "").splitlines()[0]
            app.command(_name_of(function), short_help=short)(function)
    app.add_typer(chips.app(), name="chips")
    root: Any = typer.main.get_command(app)
    # A group of commands would stand behind all commands.
    root.commands = {_name_of(function): root.commands[_name_of(function)] for function in functions}
    return root


def _name_of(function: Callable[..., object]) -> str:
    return function.__name__.replace("_", "-")


def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    """Makes Triton kernels faster on a chip, proves them correct, and leaves a record anyone can re-run."""
    if version:
        from kernelwright import __version__  # noqa: PLC0415  # only here

        typer.echo(f"kernelwright {__version__}")
        raise typer.Exit
