"""What is known of one client: its file, what stands there, and where it looks for skills."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kernelwright.workshop.clients.connection import Connection
from kernelwright.workshop.clients.documents import Setting


@dataclass(frozen=True)
class Surroundings:
    """Where a client is set up: for `project`, or `for_user` everywhere, where it knows both.

    `existing` returns the text of a file, None where there is none.
    """

    project: Path
    home: Path
    environment: Mapping[str, str]
    existing: Callable[[Path], str | None]
    for_user: bool = False

    def folder(self, variable: str, otherwise: str) -> Path:
        """Return the folder that the environment names, else the one below the user's home."""
        named = self.environment.get(variable)
        return Path(named).expanduser().absolute() if named else self.home / otherwise


@dataclass(frozen=True)
class ConfigFile:
    """A client's file and the setting that points it at the tools."""

    path: Path
    setting: Setting


@dataclass(frozen=True)
class Client:
    """One client. `then` is what is left to do after its file is written, a line; empty where nothing is."""

    name: str
    title: str
    install: str
    file: Callable[[Connection, Surroundings], ConfigFile]
    skill: Callable[[Surroundings], Path]
    then: str = ""
