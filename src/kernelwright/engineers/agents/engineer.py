"""The engineer `agent:KIND`: a client of another maker, started without a screen and supervised like any engineer."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.core.final import Setup
from kernelwright.core.protocols import Tools
from kernelwright.engineers.agents.catalogue import KINDS
from kernelwright.engineers.agents.kind import Kind
from kernelwright.workshop.clients.catalogue import CLIENTS

if TYPE_CHECKING:
    from kernelwright.engineers.agents.supervision import Rules

FAMILY = "agent"
_OPTIONS = ("model",)
_VERSION_S = 60.0


class AgentEngineer:
    """Works by a client: `with_options` says which."""

    name = FAMILY
    repeats_calls = False
    kinds = tuple(KINDS)

    def with_options(self, kind: str, options: Mapping[str, object]) -> "AgentEngineer | ClientAtWork":
        """Return the engineer that works by the client `kind`; without one, only a name in lists.

        Raises UnknownNameError for other clients and options.
        """
        for option in options:
            if option not in _OPTIONS:
                raise UnknownNameError(f"option of engineer {FAMILY}", option, _OPTIONS)
        if not kind:
            return self
        if kind not in KINDS:
            raise UnknownNameError("agent", kind, KINDS)
        model = options.get("model")
        return ClientAtWork(KINDS[kind], None if model is None else str(model))

    def prepare(self, setup: Setup) -> Sequence[str]:
        """Raise RequestError: a client must be named."""
        raise RequestError(f"engineer '{FAMILY}' must name a client, {FAMILY}:NAME; names: {', '.join(KINDS)}")

    def work(self, tools: Tools, seed: int) -> None:
        """Raise RequestError: a client must be named."""
        raise RequestError(f"engineer '{FAMILY}' must name a client, {FAMILY}:NAME; names: {', '.join(KINDS)}")


@dataclass(frozen=True)
class ClientAtWork:
    """One client, and the model it is told to use; `environment` is the user's where none is given."""

    kind: Kind
    model: str | None = None
    environment: Mapping[str, str] | None = None
    rules: "Rules | None" = None
    repeats_calls = False

    @property
    def name(self) -> str:
        """Return the public name."""
        return f"{FAMILY}:{self.kind.name}"

    def prepare(self, setup: Setup) -> Sequence[str]:
        """Return which client will work; raises RequestError where it is not installed, or cannot keep a budget."""
        program = self._program()
        if setup.usd is not None and not self.kind.limits_money:
            raise RequestError(
                f"--usd needs a client that tells what it spends, {CLIENTS[self.kind.name].title} does not always. "
                "Limit --tokens or --hours"
            )
        return (f"{CLIENTS[self.kind.name].title} works: {_version(program, self.kind.version)}, {program}",)

    def work(self, tools: Tools, seed: int) -> None:
        """Start the client, and again when it leaves early, until the run is over."""
        from kernelwright.engineers.agents.supervision import AtWork, Rules, Supervisor  # noqa: PLC0415  # needs the extra

        program = self._program()
        client = AtWork(self.kind, program, _version(program, self.kind.version), self.model, self._environment())
        Supervisor(client, tools, self.rules or Rules()).work()

    def _program(self) -> str:
        found = shutil.which(self.kind.program, path=self._environment().get("PATH"))
        if found is None:
            client = CLIENTS[self.kind.name]
            raise RequestError(
                f"engineer '{self.name}' works by {client.title}, whose command {self.kind.program} is not on "
                f"the path. Install it: {client.install}"
            )
        _require_server()
        return str(Path(found).absolute())

    def _environment(self) -> Mapping[str, str]:
        return os.environ if self.environment is None else self.environment


@cache
def _version(program: str, arguments: tuple[str, ...]) -> str:
    """Return what a client says of its version; some need many seconds to say it."""
    try:
        told = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=_VERSION_S, check=False,
            stdin=subprocess.DEVNULL, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return "version unknown"
    lines = told.stdout.strip().splitlines()
    return lines[0][:80] if lines else "version unknown"


def _require_server() -> None:
    from kernelwright.workshop.mcp import require_sdk  # noqa: PLC0415  # lazy

    require_sdk()
