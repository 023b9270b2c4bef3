"""One client at work: its process group, its output on disk, and what the output reports."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO

from kernelwright.core.errors import HarnessError
from kernelwright.engineers.agents import leash
from kernelwright.engineers.agents.kind import Launch, Reader, Report

# Bytes kept of each stream of one session; more is read and dropped.
MOST_KEPT_BYTES = 32 << 20
# A line that is longer is no report.
MOST_LINE_CHARACTERS = 8 << 20
_LAST_CHARACTERS = 2000


class Session:
    """A client that was started in `folder`; output goes to `NAME.out` and `NAME.err` of `kept`."""

    def __init__(
        self, launch: Launch, environment: Mapping[str, str], folder: Path, kept: Path, reader: Reader
    ) -> None:
        """Start the client; raises HarnessError when that cannot be done."""
        _prepare(launch)
        inherited = {name: value for name, value in environment.items() if name not in launch.without}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", leash.__file__, *launch.command], cwd=folder, start_new_session=True,
                env={**inherited, **launch.environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise HarnessError(f"a client must start, {launch.command[0]} does not: {error.strerror}") from None
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._reader, self._last, self._is_stopped = reader, "", False
        out, err = self._process.stdout, self._process.stderr
        assert out is not None and err is not None
        self._threads = [
            _started(_keep, out, kept.with_suffix(".out"), self._read),
            _started(_keep, err, kept.with_suffix(".err"), self._heard),
        ]

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, None while the client works."""
        return self._process.poll()

    @property
    def last_words(self) -> str:
        """Return the end of what the client wrote to standard error."""
        return self._last.strip()

    def reports(self) -> Iterable[Report]:
        """Yield what was reported since the last time, without waiting."""
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._reports.get_nowait()

    def wait(self, seconds: float) -> None:
        """Wait for the client to end by itself, at most so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def stop(self, stopped: bool) -> None:
        """Let the client and all it started stand still, or go on."""
        if stopped != self._is_stopped:
            self._is_stopped = stopped
            self._signal(signal.SIGUSR1 if stopped else signal.SIGUSR2)

    def end(self) -> None:
        """End the client and every process of its group, and read the rest of the output."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            self._signal(sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2 * leash.END_S)
        for thread in self._threads:
            # A process that left the group may hold the pipe open.
            thread.join(leash.END_S)
        if self._process.stdin is not None:
            self._process.stdin.close()
        for report in self._reader.end():
            self._reports.put(report)

    def _signal(self, number: signal.Signals) -> None:
        # Nothing to do once it has ended: its number may be another's.
        if self._process.poll() is None:
            self._process.send_signal(number)

    def _read(self, line: str) -> None:
        for report in self._reader.line(line):
            self._reports.put(report)

    def _heard(self, line: str) -> None:
        self._last = (self._last + line)[-_LAST_CHARACTERS:]


def _prepare(launch: Launch) -> None:
    for path, text in launch.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with _own_file(path) as file:
            file.write(text.encode())
    for path, target in launch.links.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not path.is_symlink():
            path.symlink_to(target)


def _own_file(path: Path) -> IO[bytes]:
    """Return a new file that its owner alone can read: tokens may stand in it, and whatever a client says."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _started(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def _keep(stream: IO[bytes], path: Path, heard: Callable[[str], None]) -> None:
    """Write a stream to a file, up to a size, and hand on its lines."""
    kept = 0
    with stream, _own_file(path) as file:
        while line := stream.readline(MOST_LINE_CHARACTERS):
            if kept < MOST_KEPT_BYTES:
                file.write(line[: MOST_KEPT_BYTES - kept])
                file.flush()
                kept += len(line)
            heard(line.decode("utf-8", "replace"))
