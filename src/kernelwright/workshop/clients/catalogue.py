"""Clients by name."""

from collections.abc import Mapping

from kernelwright.core.errors import UnknownNameError
from kernelwright.workshop.clients import claude_code, codex, hermes, openclaw, qoder, qwen_code, qwenpaw
from kernelwright.workshop.clients.client import Client

CLIENTS: Mapping[str, Client] = {
    module.CLIENT.name: module.CLIENT for module in (claude_code, qwen_code, qoder, qwenpaw, openclaw, hermes, codex)
}


def find_client(name: str) -> Client:
    """Return the client of that name; raises UnknownNameError with the nearest."""
    if name not in CLIENTS:
        raise UnknownNameError("client", name, CLIENTS)
    return CLIENTS[name]
