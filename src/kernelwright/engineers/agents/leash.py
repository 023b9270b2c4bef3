"""Holds a client: it ends, with all processes of its group, when whoever started it is gone.

    python -I leash.py COMMAND...

Leads the group, hands on output and exit code. Standard input is a pipe that the starter holds and never writes: its
end means that the starter was killed, and nobody is left to end a client that spends money.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

_END_S = 5.0


def main(command: list[str]) -> int:
    """Run the command; return its exit code, 128 and more for a signal."""
    # Handled, not ignored: the command would inherit that.
    signal.signal(signal.SIGTERM, lambda *_: None)
    client, gone = subprocess.Popen(command, stdin=subprocess.DEVNULL), threading.Event()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        gone.set()
        os.killpg(0, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(_END_S)
        os.killpg(0, signal.SIGKILL)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    code = client.wait()
    if gone.is_set():
        watcher.join()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
