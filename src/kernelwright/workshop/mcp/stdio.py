"""The tools over standard input and output, for a client that started this process."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from mcp.server.stdio import stdio_server
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError

from kernelwright.workshop.mcp.server import ToolServer

# After its last message a client still gets the answers that are ready this soon.
GRACE_S = 2.0
_STEP_S = 0.05


@contextlib.contextmanager
def served_stdio(tools: ToolServer, on_leave: Callable[[], None]) -> Iterator[None]:
    """Serve tools from a thread of their own until the context ends; `on_leave` is called when the client leaves first.

    Standard output belongs to the protocol from the moment the context begins: what else is printed goes to standard
    error. When the context ends, what is in hand is answered if that takes no longer than two seconds.
    """
    ready, is_ending = threading.Event(), threading.Event()

    async def serve() -> None:
        async with stdio_server() as (read, write):
            ready.set()
            server = tools.sdk_server()
            incoming = _Incoming(read, write, tools)
            await server.run(incoming, write, server.create_initialization_options())

    def run() -> None:
        # Whatever ends the connection, a closed pipe or a fault in it: the client is gone.
        with contextlib.suppress(Exception):
            asyncio.run(serve())
        ready.set()
        if not is_ending.is_set():
            on_leave()

    threading.Thread(target=run, name="mcp-stdio", daemon=True).start()
    ready.wait()
    try:
        yield
    finally:
        is_ending.set()
        deadline = time.monotonic() + GRACE_S
        while tools.requests_in_hand and time.monotonic() < deadline:
            time.sleep(_STEP_S)
        time.sleep(_STEP_S)


class _Incoming:
    """The messages of the client; after the last one, requests in hand get a moment to be answered.

    What is no message is answered by an error, where the SDK says nothing and lets the client wait.
    """

    def __init__(
        self, read: ReadStream[SessionMessage | Exception], write: WriteStream[SessionMessage], tools: ToolServer
    ) -> None:
        self._read, self._write, self._tools = read, write, tools

    @property
    def last_context(self) -> object:
        return getattr(self._read, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        return await self._read.receive()

    async def aclose(self) -> None:
        await self._read.aclose()

    def __aiter__(self) -> "_Incoming":
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        while True:
            try:
                item = await self._read.__anext__()
            except StopAsyncIteration:
                await self._answer_what_is_in_hand()
                raise
            if isinstance(item, SessionMessage):
                return item
            error = ErrorData(code=PARSE_ERROR, message="a message must be one line of JSON-RPC 2.0, one was not")
            await self._write.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=None, error=error)))

    async def _answer_what_is_in_hand(self) -> None:
        deadline = time.monotonic() + GRACE_S
        await asyncio.sleep(_STEP_S)
        while self._tools.requests_in_hand and time.monotonic() < deadline:
            await asyncio.sleep(_STEP_S)
        await asyncio.sleep(_STEP_S)

    async def __aenter__(self) -> "_Incoming":
        await self._read.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._read.__aexit__(kind, error, trace)
