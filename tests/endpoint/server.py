"""A provider of language models on loopback whose answers a player gives: real sockets, real wire formats.

Over one player any number of wires can be spoken, each known by the end of its path. A wire is two translations, of
requests to conversations and of replies to bodies and events; see `chat_completions` for one.
"""

import contextlib
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol

from tests.endpoint.chat_completions import ChatCompletions
from tests.endpoint.conversation import Conversation, Player, Refused, Reply, Reset, Stall
from tests.endpoint.messages import Messages
from tests.endpoint.responses import Responses


class Wire(Protocol):
    """How one kind of client speaks."""

    @property
    def path(self) -> str:
        """Return the end of the path of its requests."""

    def conversation(self, body: Mapping[str, Any], key: str) -> Conversation:
        """Return the conversation that a request holds. Raises KeyError, TypeError, ValueError where it is none."""

    def whole(self, reply: Reply, asked: Conversation) -> dict[str, object]:
        """Return the body of an answer that is not streamed."""

    def events(self, reply: Reply, asked: Conversation) -> Iterator[bytes]:
        """Yield the events of an answer that is streamed, the last one included."""

    def refusal(self, refused: Refused) -> dict[str, object]:
        """Return the body of an error."""


class Endpoint:
    """A provider at `url`; with `keys` it refuses others, with `models` it knows no others.

    `seen` holds the newest conversations that reached the player, `refused` counts requests that did not.
    """

    wires: ClassVar[Sequence[Wire]] = (ChatCompletions(), Messages(), Responses())

    def __init__(
        self,
        player: Player,
        keys: Collection[str] = (),
        models: Collection[str] = (),
        keep: int = 50,
        wires: Sequence[Wire] | None = None,
    ) -> None:
        self.player, self.keys, self.models = player, keys, models
        self.spoken = tuple(wires or self.wires)
        self.seen: deque[Conversation] = deque(maxlen=keep)
        self.requests = self.refused = 0
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.endpoint = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def root(self) -> str:
        """Return the address without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Return the base address that OpenAI's clients are given."""
        return f"{self.root}/v1"

    def close(self) -> None:
        """End the server; answers that stall end too."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def serving(player: Player, **given: Any) -> Iterator[Endpoint]:
    """Serve `player` until the block ends; further arguments are those of `Endpoint`."""
    endpoint = Endpoint(player, **given)
    try:
        yield endpoint
    finally:
        endpoint.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    endpoint: Endpoint

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.server.endpoint.keys and self._key() not in self.server.endpoint.keys:
            self._body(401, {"error": {"message": "Incorrect API key provided.", "type": "authentication_error"}})
            return
        known = sorted(self.server.endpoint.models)
        self._body(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in known]})

    def do_POST(self) -> None:
        endpoint, content = self.server.endpoint, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?", maxsplit=1)[0]
        endpoint.requests += 1
        wire = next((one for one in endpoint.spoken if path.endswith(one.path)), None)
        if wire is None:
            self._body(404, {"error": {"message": f"no such path: {path}", "type": "not_found_error"}})
            return
        try:
            asked = wire.conversation(json.loads(content), self._key())
        except (KeyError, TypeError, ValueError) as error:
            self._refuse(wire, Refused(400, f"not a request of this kind: {error!r}"))
            return
        if endpoint.keys and asked.key not in endpoint.keys:
            self._refuse(wire, Refused(401, f"Incorrect API key provided: {asked.key}.", "invalid_api_key"))
        elif endpoint.models and asked.model not in endpoint.models:
            self._refuse(wire, Refused(404, f"The model `{asked.model}` does not exist.", "model_not_found"))
        else:
            endpoint.seen.append(asked)
            self._play(wire, asked)

    def _key(self) -> str:
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        return bearer or self.headers.get("x-api-key", "")

    def _play(self, wire: Wire, asked: Conversation) -> None:
        played = self.server.endpoint.player(asked)
        if isinstance(played, Refused):
            self._refuse(wire, played)
            return
        reply = played if isinstance(played, Reply) else played.reply
        after = played.after if isinstance(played, Reset) else None
        stall_s = played.seconds if isinstance(played, Stall) else 0.0
        if asked.streams:
            self._stream(wire.events(reply, asked), after, stall_s)
            return
        self.server.endpoint.closing.wait(stall_s)
        body = json.dumps(wire.whole(reply, asked)).encode()
        self._head(200, "application/json", {"Content-Length": str(len(body))})
        if after is None:
            self.wfile.write(body)
        else:
            self.wfile.write(body[: len(body) // 2])
            self._break_off()

    def _stream(self, events: Iterator[bytes], after: int | None, stall_s: float) -> None:
        self._head(200, "text/event-stream", {"Transfer-Encoding": "chunked", "Cache-Control": "no-cache"})
        for number, event in enumerate(events):
            if number == after:
                self._break_off()
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
            if number == 0 and stall_s:
                self.server.endpoint.closing.wait(stall_s)
        self.wfile.write(b"0\r\n\r\n")

    def _break_off(self) -> None:
        """Reset the connection: what was sent arrives, its end does not."""
        self.wfile.flush()
        time.sleep(0.05)  # a reset may overtake bytes that the client has not read yet
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _refuse(self, wire: Wire, refused: Refused) -> None:
        self.server.endpoint.refused += 1
        wait = {} if refused.retry_after_s is None else {"Retry-After": f"{refused.retry_after_s:g}"}
        self._body(refused.status, wire.refusal(refused), wait)

    def _body(self, status: int, value: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self._head(status, "application/json", {"Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def _head(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
