"""Tries to break out, for `doctor`: each attempt runs in a process that is confined as a candidate's is.

Reads one JSON object from standard input: `home`, `private` (names in the home folder that must not be
seen), `supervisor` (the number of a process of this program outside), `linger` (only start a process that wants to
outlive this one). Writes one JSON line per attempt.
"""

import contextlib
import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kernelwright.sandbox.child import seccomp
from kernelwright.sandbox.child.cell import Cell, load_landlock, mapped_bytes, walls_of
from kernelwright.sandbox.child.confine import confine_process
from kernelwright.sandbox.child.disk import DISK_BYTES, WATCH_S, is_over_limit

MEMORY_BYTES = 1 << 30
HUGE_BYTES = 100 << 30
FORKS = 10_000
FILE_BYTES = 8 << 20
# What may be written before somebody looks, beside the limit itself.
MOST_WRITTEN_BYTES = 2 * DISK_BYTES
# bubblewrap's own first process, this one, and the one that tries.
MOST_PROCESSES = 4
LINGER_S = 20
_PTRACE_ATTACH = 16
_SIGNAL_ZERO = 0

Attempt = Callable[[dict[str, Any]], str]


def main() -> None:
    """Try everything in a cell and say what happened."""
    seccomp.end_with_parent()
    seccomp.adopt_orphans()
    walls = walls_of(sys.argv[1])
    load_landlock(walls)
    request = json.loads(sys.stdin.readline())
    mapped = mapped_bytes()
    body = _linger if request["linger"] else lambda: _try_all(request, mapped)
    Cell(walls, body).wait()


def _try_all(request: dict[str, Any], mapped: int) -> None:
    seccomp.hide_memory()
    for name, attempt in ATTEMPTS.items():
        blocked, detail = _tried_apart(attempt, request, mapped)
        print(json.dumps({"name": name, "blocked": blocked, "detail": detail}), flush=True)


def _tried_apart(attempt: Attempt, request: dict[str, Any], mapped: int) -> tuple[bool, str]:
    """Return whether a confined process failed in `attempt`, and how."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reader)
        _try(attempt, request, mapped, writer)
    os.close(writer)
    said = b"" if _watch_disk(reader, process) else os.read(reader, 1 << 16)
    os.close(reader)
    status = os.waitpid(process, 0)[1]
    if not said:
        return True, f"the process was ended (status {status})"
    answer = json.loads(said)
    return bool(answer["blocked"]), str(answer["detail"])


def _try(attempt: Attempt, request: dict[str, Any], mapped: int, writer: int) -> None:
    answer: dict[str, object] = {"blocked": True, "detail": "the process was ended"}
    try:
        seccomp.end_with_parent()
        confine_process(MEMORY_BYTES, mapped)
        answer = {"blocked": False, "detail": attempt(request)}
    except (OSError, MemoryError, ValueError) as error:
        answer = {"blocked": True, "detail": getattr(error, "strerror", None) or type(error).__name__}
    finally:
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)


def _watch_disk(reader: int, process: int) -> bool:
    """Wait for the end of an attempt as a candidate's supervisor does; return whether it was ended for its files."""
    import select  # noqa: PLC0415  # only here

    folder = os.environ["HOME"]
    while not select.select([reader], [], [], WATCH_S)[0]:
        if not os.path.ismount(folder) and is_over_limit(folder):
            os.kill(process, signal.SIGKILL)
            return True
    return False


def _read_home(request: dict[str, Any]) -> str:
    home = request["home"]
    seen = []
    with contextlib.suppress(OSError):
        seen = sorted(set(os.listdir(home)) & set(request["private"]))
    for name in request["private"]:
        # A name may be guessed where a list is refused.
        with contextlib.suppress(OSError):
            os.close(os.open(f"{home}/{name}", os.O_RDONLY))
            seen.append(name)
    if not seen:
        raise PermissionError(1, "none of its files can be read")
    return f"{len(set(seen))} names can be read"


def _write_outside(request: dict[str, Any]) -> str:
    folders = ("/", "/usr", "/etc", "/var", "/var/tmp", "/dev", "/dev/shm", "/proc/sys/kernel", request["home"],
               sys.prefix, os.path.dirname(__file__))  # fmt: skip
    written = []
    for folder in folders:
        path = f"{folder}/kernelwright-self-check"
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            os.unlink(path)
            written.append(folder)
    if not written:
        raise PermissionError(1, "no folder of the machine can be written")
    return f"can be written: {', '.join(written)}"


def _change_modes(request: dict[str, Any]) -> str:
    """Set the mode and time that a file has already: nothing changes where it succeeds."""
    changed = []
    for path in ("/", "/usr", request["home"], sys.prefix, __file__):
        with contextlib.suppress(OSError):
            found = os.stat(path)
            os.chmod(path, found.st_mode & 0o7777)
            changed.append(path)
    if not changed:
        raise PermissionError(1, "no mode can be changed")
    return f"modes of {len(changed)} files can be changed"


def _open_socket(request: dict[str, Any]) -> str:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    return "a socket was opened"


def _see_processes(request: dict[str, Any]) -> str:
    listed: list[str] = []
    with contextlib.suppress(OSError):
        listed = [name for name in os.listdir("/proc") if name.isdecimal()]
    named = [name for name in listed if name == str(request["supervisor"])]
    with contextlib.suppress(OSError):
        os.getpgid(request["supervisor"])
        named.append("by number")
    if len(listed) <= MOST_PROCESSES and not named:
        raise PermissionError(1, "only its own are visible")
    return f"{len(listed)} processes are visible" if listed else "processes can be found by number"


def _fork(request: dict[str, Any]) -> str:
    started, refused = 0, OSError(1, "no attempt was made")
    for _ in range(FORKS):
        try:
            process = os.fork()
        except OSError as error:
            refused = error
            continue
        if process == 0:
            os._exit(0)
        started += 1
    if not started:
        raise OSError(refused.errno, f"{FORKS} of {FORKS} forks: {refused.strerror}")
    return f"{started} of {FORKS} processes were started"


def _allocate(request: dict[str, Any]) -> str:
    mmap.mmap(-1, HUGE_BYTES).close()
    return "100 GiB were granted"


def _touch(request: dict[str, Any]) -> str:
    """Fill memory piece by piece, twice the limit at most, so that an open door does not sink the machine."""
    pieces: list[bytearray] = []
    size = 64 << 20
    while len(pieces) * size < 2 * MEMORY_BYTES:
        pieces.append(bytearray(size))
    return f"{len(pieces) * size >> 20} MiB were filled, the limit is {MEMORY_BYTES >> 20}"


def _write_huge(request: dict[str, Any]) -> str:
    """Write file after file until stopped; an open door ends at twice the limit."""
    with open(f"{os.environ['HOME']}/huge", "wb") as file, contextlib.suppress(OSError):
        file.truncate(HUGE_BYTES)
        return "a file of 100 GiB was made"
    written, block = 0, b"x" * FILE_BYTES
    while written < MOST_WRITTEN_BYTES:
        number = written // FILE_BYTES
        Path(f"{os.environ['HOME']}/huge-{number}").write_bytes(block)
        written += FILE_BYTES
        time.sleep(0.002)
    return f"{written >> 20} MiB were written and nobody stopped it"


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
    os.kill(os.getppid(), _SIGNAL_ZERO)
    return "the supervisor can be signalled"


def _leave_group(request: dict[str, Any]) -> str:
    os.setsid()
    return "it has a session of its own"


def _forget_parent(request: dict[str, Any]) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(1, ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return "it no longer ends with its supervisor"


def _leave_memory(request: dict[str, Any]) -> str:
    """Make a piece of memory that outlives every process, which a later candidate could read."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = libc.shmget(0, ctypes.c_size_t(mmap.PAGESIZE), 0o1600)
    if number < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    libc.shmctl(number, 0, None)
    return "memory that stays was made"


def _raise_limits(request: dict[str, Any]) -> str:
    limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, limit)
    return "limits can be set"


def _execute(request: dict[str, Any]) -> str:
    os.execv("/usr/bin/true", ["true"])
    return ""


def _linger() -> None:
    """Start a process that leaves its session, ignores signals and holds standard output; its end shows there."""
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        seccomp.end_with_parent()
        confine_process(MEMORY_BYTES, 1 << 40)
        print(json.dumps({"lingering": True}), flush=True)
    time.sleep(LINGER_S)
    os._exit(0)


ATTEMPTS: dict[str, Attempt] = {
    "read the home folder": _read_home,
    "write outside its own folder": _write_outside,
    "change files it cannot write": _change_modes,
    "open a socket": _open_socket,
    "see other processes": _see_processes,
    "start 10,000 processes": _fork,
    "run a program": _execute,
    "allocate 100 GiB": _allocate,
    "fill memory past its limit": _touch,
    "write 100 GiB": _write_huge,
    "trace its supervisor": _trace_parent,
    "read its supervisor's memory": _read_parent,
    "signal its supervisor": _signal_parent,
    "leave its process group": _leave_group,
    "survive its supervisor": _forget_parent,
    "leave memory behind": _leave_memory,
    "set its own limits": _raise_limits,
}

if __name__ == "__main__":
    main()
