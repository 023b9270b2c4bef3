"""Tries to break out, for `doctor`: each attempt runs in a process that is confined as a candidate's is.

Reads one JSON object from standard input: `home`, `private` (names in the home folder that must not be
seen), `linger` (only start a process that wants to outlive this one). Writes one JSON line per attempt.
"""

import ctypes
import json
import mmap
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from kernelwright.sandbox.child import seccomp
from kernelwright.sandbox.child.confine import confine_process

MEMORY_BYTES = 1 << 30
HUGE_BYTES = 100 << 30
# bubblewrap's own first process, this one, and the one that tries.
MOST_PROCESSES = 4
LINGER_S = 20
_PTRACE_ATTACH = 16

Attempt = Callable[[dict[str, Any]], str]


def main() -> None:
    """Try everything and say what happened."""
    request = json.loads(sys.stdin.readline())
    if request["linger"]:
        _linger()
        return
    seccomp.hide_memory()
    for name, attempt in ATTEMPTS.items():
        blocked, detail = _tried_apart(attempt, request)
        print(json.dumps({"name": name, "blocked": blocked, "detail": detail}), flush=True)


def _tried_apart(attempt: Attempt, request: dict[str, Any]) -> tuple[bool, str]:
    """Return whether a confined process failed in `attempt`, and how."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            confine_process(MEMORY_BYTES)
            answer = {"blocked": False, "detail": attempt(request)}
        except (OSError, MemoryError, ValueError) as error:
            answer = {"blocked": True, "detail": getattr(error, "strerror", None) or type(error).__name__}
        finally:
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as channel:
        said = channel.read()
    status = os.waitpid(process, 0)[1]
    if not said:
        return True, f"the process was ended (status {status})"
    answer = json.loads(said)
    return bool(answer["blocked"]), str(answer["detail"])


def _read_home(request: dict[str, Any]) -> str:
    seen = sorted(set(os.listdir(request["home"])) & set(request["private"]))
    if not seen:
        raise PermissionError(1, "none of its files are visible")
    return f"{len(seen)} names are visible"


def _write_outside(request: dict[str, Any]) -> str:
    folders = ("/", "/usr", "/etc", "/var", "/proc/sys/kernel", request["home"], sys.prefix, os.path.dirname(__file__))
    written = []
    for folder in folders:
        path = f"{folder}/kernelwright-self-check"
        try:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            os.unlink(path)
            written.append(folder)
        except OSError:
            continue
    if not written:
        raise PermissionError(1, "no folder of the machine can be written")
    return f"{len(written)} folders can be written"


def _open_socket(request: dict[str, Any]) -> str:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    return "a socket was opened"


def _see_processes(request: dict[str, Any]) -> str:
    seen = [name for name in os.listdir("/proc") if name.isdecimal()]
    if len(seen) <= MOST_PROCESSES:
        raise PermissionError(1, "only its own are visible")
    return f"{len(seen)} processes are visible"


def _fork(request: dict[str, Any]) -> str:
    if os.fork() == 0:
        os._exit(0)
    return "a process was started"


def _allocate(request: dict[str, Any]) -> str:
    mmap.mmap(-1, HUGE_BYTES).close()
    return "100 GiB were granted"


def _write_huge(request: dict[str, Any]) -> str:
    with open(f"{os.environ['HOME']}/huge", "wb") as file:
        file.truncate(HUGE_BYTES)
    os.unlink(f"{os.environ['HOME']}/huge")
    return "a file of 100 GiB was made"


def _trace_parent(request: dict[str, Any]) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(_PTRACE_ATTACH, os.getppid(), None, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return "the supervisor can be traced"


def _read_parent(request: dict[str, Any]) -> str:
    with open(f"/proc/{os.getppid()}/mem", "rb"):
        return "the supervisor's memory can be read"


def _signal_parent(request: dict[str, Any]) -> str:
    os.kill(os.getppid(), 0)
    return "the supervisor can be signalled"


def _execute(request: dict[str, Any]) -> str:
    os.execv("/usr/bin/true", ["true"])
    return ""


def _linger() -> None:
    """Start a process that leaves its session and holds standard output; its end shows there."""
    if os.fork() == 0:
        os.setsid()
        print(json.dumps({"lingering": True}), flush=True)
    time.sleep(LINGER_S)
    os._exit(0)


ATTEMPTS: dict[str, Attempt] = {
    "read the home folder": _read_home,
    "write outside its own folder": _write_outside,
    "open a socket": _open_socket,
    "see other processes": _see_processes,
    "start a process": _fork,
    "run a program": _execute,
    "allocate 100 GiB": _allocate,
    "write a file of 100 GiB": _write_huge,
    "trace its supervisor": _trace_parent,
    "read its supervisor's memory": _read_parent,
    "signal its supervisor": _signal_parent,
}

if __name__ == "__main__":
    main()
