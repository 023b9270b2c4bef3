"""The tools over MCP, for agents of other makers; everything here but `require_sdk` needs the extra `mcp`."""

from importlib.util import find_spec

from kernelwright.core.errors import RequestError


def require_sdk() -> None:
    """Raise RequestError unless the MCP SDK is installed; call it before importing the servers."""
    if find_spec("mcp") is None or find_spec("mcp_types") is None:
        raise RequestError(
            "the tools are served over MCP by package mcp, 2.3 or newer, which is not installed. "
            "Install it: pip install 'kernelwright[mcp]'"
        )
