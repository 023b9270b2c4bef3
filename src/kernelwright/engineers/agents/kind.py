"""What is known of starting one client without a screen: its command line, its files, and what its output says."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kernelwright.workshop.clients.connection import Remote


@dataclass(frozen=True)
class Said:
    """Words of the client's model, or of the client itself."""

    text: str


@dataclass(frozen=True)
class Used:
    """What requests to a model took, beyond what was reported before; `usd` is None where the client names no price."""

    model: str
    input_tokens: int
    output_tokens: int
    usd: float | None = None


Report = Said | Used


class Reader(Protocol):
    """Makes reports of a client's standard output."""

    def line(self, text: str) -> Iterable[Report]:
        """Return what one line reports; a line that cannot be read reports nothing."""

    def end(self) -> Iterable[Report]:
        """Return what is known only after the client has ended."""


@dataclass(frozen=True)
class Task:
    """One session to start.

    `program` is the client's absolute path, `tools` where it finds ours, with the token in the environment. It works in
    `folder`, which is empty; `state` is for files of the session that nobody else reads. `home` and `environment` are
    the user's, whose login and keys the client uses. `model` is None for the client's own choice; `usd_left` what may
    still be spent, None without a limit.
    """

    program: str
    tools: Remote
    token: str
    folder: Path
    state: Path
    prompt: str
    home: Path
    environment: Mapping[str, str]
    model: str | None = None
    usd_left: float | None = None

    def user_folder(self, variable: str, otherwise: str) -> Path:
        """Return the user's folder of a client: what the environment names, else one below the home."""
        named = self.environment.get(variable)
        return Path(named).expanduser().absolute() if named else self.home / otherwise


@dataclass(frozen=True)
class Launch:
    """How a session is started: `environment` is added to the user's, names in `without` are left out of it.

    `files` are written before, readable by the user alone; `links` are made where what they lead to exists.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    files: Mapping[Path, str] = field(default_factory=dict)
    links: Mapping[Path, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """One client as an engineer; `name` is that of `workshop.clients`, `program` its command.

    `limits_money` says that it tells what it spent, and keeps to a limit itself.
    """

    name: str
    program: str
    launch: Callable[[Task], Launch]
    reader: Callable[[Task], Reader]
    version: tuple[str, ...] = ("--version",)
    limits_money: bool = False
