"""Holds a client: all processes of its group end with it, when they are told to, and when whoever started it is gone.

    python -I leash.py COMMAND...

Hands on output and exit code. SIGTERM ends the group, SIGUSR1 stops it, SIGUSR2 lets it go on. Standard input is a
pipe that the starter holds and never writes: its end means that the starter was killed, and nobody is left to end a
client that spends money.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence

# Between a request to end and the end by force.
END_S = 5.0
_LOOK_S = 0.5
_HEARD = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD)
_PR_SET_PDEATHSIG = 1


def main(command: Sequence[str]) -> int:
    """Run the command; return its exit code, 128 and more for a signal."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    libc = ctypes.CDLL(None)

    def begin() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)

    client = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=begin,  # noqa: PLW1509  # one thread is here
    )  # fmt: skip
    _watch(client)
    _signal(client, signal.SIGKILL)
    code = client.wait()
    return code if code >= 0 else 128 - code


def _watch(client: "subprocess.Popen[bytes]") -> None:
    """Return when the client has ended, or had its time to."""
    while client.poll() is None:
        heard = signal.sigtimedwait(_HEARD, _LOOK_S)
        number = heard.si_signo if heard else 0
        if number == signal.SIGTERM or _is_alone():
            _signal(client, signal.SIGTERM)
            _signal(client, signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.wait(END_S)
            return
        if number in (signal.SIGUSR1, signal.SIGUSR2):
            _signal(client, signal.SIGSTOP if number == signal.SIGUSR1 else signal.SIGCONT)


def _is_alone() -> bool:
    """Return whether the starter has let go of the pipe."""
    readable, _, _ = select.select([0], [], [], 0)
    return bool(readable) and not os.read(0, 4096)


def _signal(client: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(client.pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
