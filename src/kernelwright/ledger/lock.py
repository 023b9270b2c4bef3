"""One writer a run, on one machine; a crash gives the right back."""

import fcntl
import os
import struct
import threading
import time
from pathlib import Path

from kernelwright.core.errors import RequestError

# struct flock of Linux on 64 bits: type, whence, start, length, process.
_FLOCK = "@hhqqi4x"
_guard = threading.Lock()
_held: set[Path] = set()


class WriterLock:
    """The right to write one run.

    A POSIX record lock: the kernel drops it when the process ends, however it ends, and a forked
    child (a worker that outlives its parent) does not inherit it.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._path = path.absolute()
        self._run = run
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the right. Raises RequestError when another writer has it."""
        if self._file is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _guard:
            # Closing a second descriptor of the same file would drop the lock: never open one.
            if self._path in _held:
                raise self._taken()
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not _lock(descriptor):
                os.close(descriptor)
                raise self._taken()
            _held.add(self._path)
            self._file = descriptor

    def release(self) -> None:
        """Give the right back; safe to call twice."""
        with _guard:
            if self._file is not None:
                os.close(self._file)
                self._file = None
                _held.discard(self._path)

    def is_held_elsewhere(self) -> bool:
        """Return whether some other writer has the right now."""
        if self._file is not None:
            return False
        try:
            self.acquire()
        except RequestError:
            return True
        self.release()
        return False

    def holder(self) -> int | None:
        """Return the number of the process that has the right now, None if none has, or one on another machine."""
        with _guard:
            # Closing a descriptor of a file that this process has locked would drop the lock.
            if self._path in _held:
                return os.getpid()
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            except OSError:
                return None
            try:
                asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
                kind, _, _, _, process = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
                return process if kind != fcntl.F_UNLCK and process > 0 else None
            finally:
                os.close(descriptor)

    def _taken(self) -> RequestError:
        return RequestError(
            f"run '{self._run}' must have one writer, another process is writing it now. "
            f"Watch it with 'kernelwright watch {self._run}' or end it with 'kernelwright stop {self._run}'."
        )


def _lock(descriptor: int) -> bool:
    # A reader that asks whether a run is written takes the lock for an instant: try more than once.
    for _ in range(5):
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False
