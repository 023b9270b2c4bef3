"""The engineer of a run that is worked on over MCP: whoever calls the tools."""

from kernelwright.core.errors import RequestError
from kernelwright.core.final import Setup
from kernelwright.core.protocols import Tools
from kernelwright.workshop.mcp.desk import Desk

STARTED_BY = "kernelwright mcp"


class ClientsEngineer:
    """Lets the clients at a desk work; without one it can only find that the run is over, or has to wait for them."""

    name = "mcp"
    repeats_calls = False
    started_by = STARTED_BY

    def __init__(self, desk: Desk | None = None) -> None:
        self._desk = desk

    def prepare(self, setup: Setup) -> tuple[str, ...]:
        """Raise RequestError: clients come by a server, and that is another command than `run`."""
        raise RequestError(
            f"engineer '{self.name}' is whoever connects, 'run' cannot wait for them. "
            f"Start the server: {STARTED_BY} --problem {setup.problem} --chip {setup.chip}"
        )

    def work(self, tools: Tools, seed: int) -> None:
        """Answer the calls of clients until the run is over; raises RequestError where no server brings any."""
        tools.heed()
        if self._desk is None:
            raise RequestError(
                f"engineer '{self.name}' must have clients, they come by a server. "
                f"Go on with '{STARTED_BY} --run RUN', or end the run with 'kernelwright stop RUN'."
            )
        self._desk.work(tools)
