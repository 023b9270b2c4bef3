"""A process inside the sandbox, as the host sees it: lines in, lines out, deadlines, and a sure end."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

from kernelwright.core.errors import HarnessError
from kernelwright.sandbox.confinement import Sandbox, make_scratch
from kernelwright.sandbox.lines import Lines

MAX_OUTPUT_BYTES = 256 << 20
ERROR_TAIL_BYTES = 2000
END_S = 2.0
STOP = b"stop"
OVER = b'= {"event": "over"}'


class OutputError(HarnessError):
    """A process inside said more than any honest candidate has to say."""


class SandboxedProcess:
    """One process and all that it starts; `close` ends them within two seconds."""

    def __init__(self, sandbox: Sandbox, module: str) -> None:
        self._scratch = make_scratch(sandbox)
        try:
            self._process = subprocess.Popen(
                sandbox.command(module), env=sandbox.environment(self._scratch), cwd=self._scratch or "/",
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise HarnessError(f"the sandbox could not be started: {error.strerror}") from error
        self.is_ready = False
        self.serves_many = False
        self.has_finished = False
        self._incoming = Lines()
        self._lines: list[bytes] = []
        self._received = 0

    @property
    def is_running(self) -> bool:
        """Return whether the process has not ended yet."""
        return self._process.poll() is None

    @property
    def number(self) -> int:
        """Return the host's number of the outermost process."""
        return self._process.pid

    def send(self, line: bytes) -> None:
        """Write one line; what was read until now no longer counts as output. Raises HarnessError when nobody reads."""
        stdin = self._process.stdin
        assert stdin is not None
        self._received = 0
        try:
            stdin.write(line + b"\n")
            stdin.flush()
        except (BrokenPipeError, OSError) as error:
            raise HarnessError(f"the sandbox ended before it was asked: {self.last_words()}") from error

    def lines(self, deadline: float) -> Iterator[bytes]:
        """Yield lines as they come until the output ends or time.monotonic() reaches `deadline`.

        Raises OutputError past 256 MiB of output since the last `send`.
        """
        stdout = self._process.stdout
        assert stdout is not None
        while True:
            while self._lines:
                yield self._lines.pop(0)
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stdout], [], [], left)[0]:
                return
            data = os.read(stdout.fileno(), 1 << 20)
            if not data:
                self.has_finished = True
                return
            self._received += len(data)
            if self._received > MAX_OUTPUT_BYTES:
                raise OutputError(f"the sandbox wrote more than {MAX_OUTPUT_BYTES} bytes")
            self._lines += self._incoming.add(data)

    def end_cell(self) -> bool:
        """Have the cell at work ended; return whether all of it is gone, within two seconds, and others may follow."""
        deadline = time.monotonic() + END_S
        try:
            self.send(STOP)
            return any(line == OVER for line in self.lines(deadline))
        except HarnessError:
            return False

    def kept_output(self) -> int:
        """Return a descriptor of the output that stays open after `close`; it ends when every writer has ended."""
        assert self._process.stdout is not None
        return os.dup(self._process.stdout.fileno())

    def last_words(self) -> str:
        """Return the end of what the process wrote to standard error, on one line; it must have ended or end soon."""
        stderr = self._process.stderr
        assert stderr is not None
        text = b""
        while len(text) < ERROR_TAIL_BYTES and select.select([stderr], [], [], 0.2)[0]:
            data = os.read(stderr.fileno(), ERROR_TAIL_BYTES)
            if not data:
                break
            text += data
        return " ".join(text.decode(errors="replace").split())[-400:] or "it said nothing"

    def close(self) -> None:
        """Kill the process and everything inside the sandbox; safe to call twice."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
