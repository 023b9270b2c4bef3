"""How a client reaches the tools: a command that it starts, or an address that it calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# The server answers every call within 45 s; a machine that is busy may need longer to say so.
CALL_TIMEOUT_S = 300
START_TIMEOUT_S = 120
# Under this name the server stands in every client's file, and before the names of its tools.
SERVER = "kernelwright"
# Clients read the token of a served run from this variable; it stands in no file.
TOKEN_VARIABLE = "KERNELWRIGHT_TOKEN"


@dataclass(frozen=True)
class Local:
    """A server that the client starts; the program has an absolute path, since clients start it from anywhere."""

    program: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def entry(self) -> dict[str, object]:
        """Return `command`, `args` and, where there is any, `env`: what nearly every client calls them."""
        plain: dict[str, object] = {"command": self.program, "args": list(self.arguments)}
        return {**plain, **({"env": dict(self.environment)} if self.environment else {})}


@dataclass(frozen=True)
class Remote:
    """A server at `url`; it wants the token that the client's environment holds under `token_variable`."""

    url: str
    token_variable: str = TOKEN_VARIABLE

    @property
    def headers(self) -> dict[str, str]:
        """Return the header that carries the token, as clients write a variable of the environment."""
        return {"Authorization": f"Bearer ${{{self.token_variable}}}"}


Connection = Local | Remote
