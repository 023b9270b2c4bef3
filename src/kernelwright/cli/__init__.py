"""The front door: arguments and wiring. Rooms are imported by the command that needs them."""

from kernelwright.cli.entrance import main

__all__ = ["main"]
