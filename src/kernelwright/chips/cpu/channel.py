"""Messages between the chip's two processes: JSON, infinities allowed, over a socket pair; arrays in shared memory."""

import array
import json
import mmap
import os
import socket
import struct
import tempfile
import time
from dataclasses import dataclass
from typing import cast

_HEADER = struct.Struct("<Q")
_MOST_FILES = 4
_INT_BYTES = array.array("i").itemsize


class ChannelClosed(Exception):
    """The other end is gone."""


class Channel:
    """One end of the socket pair. A message is a JSON object and up to four open files."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._end.fileno()

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def send(self, message: dict[str, object], files: tuple[int, ...] = ()) -> None:
        """Send one message; raises ChannelClosed."""
        body = json.dumps(message).encode()
        attached = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        try:
            self._end.sendmsg([_HEADER.pack(len(body))], attached)
            self._end.sendall(body)
        except OSError:
            raise ChannelClosed from None

    def receive(self) -> tuple[dict[str, object], tuple[int, ...]]:
        """Return the next message and its files, which the caller must close; raises ChannelClosed."""
        room = socket.CMSG_SPACE(_MOST_FILES * _INT_BYTES)
        try:
            header, attached, _flags, _from = self._end.recvmsg(_HEADER.size, room)
        except OSError:
            raise ChannelClosed from None
        files = array.array("i")
        for _level, _type, data in attached:
            files.frombytes(data[: len(data) - len(data) % _INT_BYTES])
        header += self._exactly(_HEADER.size - len(header))
        body = self._exactly(_HEADER.unpack(header)[0])
        return cast(dict[str, object], json.loads(body)), tuple(files)

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            try:
                part = self._end.recv(min(count - len(parts), 1 << 20))
            except OSError:
                raise ChannelClosed from None
            if not part:
                raise ChannelClosed
            parts += part
        return bytes(parts)


def open_shared_file(size_bytes: int) -> int:
    """Return the descriptor of a nameless file in memory, `size_bytes` long; it is gone when nobody holds it."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("kernelwright")
    else:
        with tempfile.TemporaryFile() as made:
            file = os.dup(made.fileno())
    os.ftruncate(file, max(size_bytes, 1))
    return file


@dataclass(frozen=True)
class Activity:
    """What the worker is at: `phase` (idle, compile, launch) of kernel number `kernel` since `since_ns`, monotonic."""

    phase: str
    kernel: int
    since_ns: int


class StatusPage:
    """A page that the worker writes and its parent reads while the worker is busy in native code."""

    _LAYOUT = struct.Struct("<qqq")
    _PHASES = ("idle", "compile", "launch")

    def __init__(self, file: int) -> None:
        self._page = mmap.mmap(file, self._LAYOUT.size)

    def write(self, phase: str, kernel: int = 0) -> None:
        """Say what begins now."""
        self._LAYOUT.pack_into(self._page, 0, self._PHASES.index(phase), kernel, time.monotonic_ns())

    def read(self) -> Activity:
        """Return what was written last."""
        phase, kernel, since_ns = self._LAYOUT.unpack_from(self._page, 0)
        return Activity(self._PHASES[phase], kernel, since_ns)
