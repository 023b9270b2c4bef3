"""The tools over streamable HTTP: everyone needs the token, and only this machine is served unless told otherwise."""

import asyncio
import contextlib
import hmac
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

from kernelwright.core.errors import HarnessError, RequestError
from kernelwright.workshop.mcp.jobs import Caller
from kernelwright.workshop.mcp.server import ToolServer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PATH = "/mcp"
LOOPBACK = "127.0.0.1"
START_S = 30.0
STOP_S = 10.0
# Agents sleep for hours between calls; a session costs next to nothing.
SESSION_IDLE_S = 7 * 24 * 3600.0
MOST_SESSIONS = 1000
# A source of 256 KiB, escaped as JSON.
MOST_BODY_BYTES = 4 << 20


@dataclass(frozen=True)
class Place:
    """Where tools are served: clients send the token as `Authorization: Bearer TOKEN`."""

    url: str
    token: str


@contextlib.contextmanager
def served(
    tools: ToolServer | Caller, *, host: str = LOOPBACK, port: int = 0, token: str | None = None
) -> Iterator[Place]:
    """Serve tools over HTTP from a thread of their own for as long as the context lasts; yields where.

    `tools` is a server, or what answers calls: (name, arguments, client) -> answer, called from many threads at once.
    Port 0 is any free one, a token of None is drawn. Clients that name themselves by `?client=NAME` behind the address
    are known by it. Raises RequestError when the address cannot be served.
    """
    server = tools if isinstance(tools, ToolServer) else ToolServer(tools)
    token = secrets.token_urlsafe(32) if token is None else token
    listening = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    bound = listening.getsockname()[1]
    app = server.sdk_server().streamable_http_app(
        streamable_http_path=PATH,
        transport_security=_security(host),
        session_idle_timeout=SESSION_IDLE_S,
        max_sessions=MOST_SESSIONS,
        max_request_body_size=MOST_BODY_BYTES,
    )
    config = uvicorn.Config(
        _guarded(app, token), log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1
    )
    with _running(uvicorn.Server(config), listening):
        yield Place(f"http://{shown}:{bound}{PATH}", token)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches the address."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise RequestError(f"an address to serve must be free and ours, {host} port {port}: {reason}") from None
    return listening


def _security(host: str) -> TransportSecuritySettings:
    """Return the check against DNS rebinding: requests must name this machine as their host, and come from no web page.

    Besides loopback those are the address served and, where that is every address, the machine's own names.
    """
    names = {"127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host}
    if host in ("0.0.0.0", "::"):  # asked for, and a token is needed
        name = socket.gethostname()
        names |= {name, socket.getfqdn()}
        with contextlib.suppress(OSError):
            names |= {str(found[4][0]) for found in socket.getaddrinfo(name, None)}
    hosts = sorted(f"{name}:*" for name in names) + sorted(names)
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[f"http://{name}" for name in hosts],
    )


def _guarded(app: App, token: str) -> App:
    """Return `app` behind the token: whoever does not send it learns nothing else."""
    expected = f"Bearer {token}".encode()

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            # In constant time: how long it takes tells nothing about the token.
            if not hmac.compare_digest(bytes(given), expected):
                await _refuse(send)
                return
        await app(scope, receive, send)

    return guard


async def _refuse(send: Send) -> None:
    body = b'{"error": "the request must carry this run\'s token: Authorization: Bearer TOKEN"}'
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def _running(server: uvicorn.Server, listening: socket.socket) -> Iterator[None]:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(server.serve(sockets=[listening]))
        except BaseException as error:  # told to whoever waits for the start
            failed.append(error)

    thread = threading.Thread(target=run, name="mcp-http", daemon=True)
    thread.start()
    try:
        _await_start(server, thread, failed)
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_S)
        listening.close()


def _await_start(server: uvicorn.Server, thread: threading.Thread, failed: list[BaseException]) -> None:
    waited = threading.Event()
    for _ in range(int(START_S / 0.02)):
        if server.started:
            return
        if not thread.is_alive():
            break
        waited.wait(0.02)
    raise HarnessError(f"the HTTP server must start within {START_S:.0f} s, it did not: {failed or 'no reason given'}")
