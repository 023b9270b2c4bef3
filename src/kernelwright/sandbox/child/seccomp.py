"""A system-call filter for the processes that run candidate code, installed from inside, never lifted.

The kernel applies no limit on the number of processes to root, whatever the user namespace says, so
forks are refused here; so is what could reach the supervisor or widen the kernel's attack surface.
"""

import ctypes
import errno
import os
import platform
import signal
import struct

from kernelwright.sandbox.child.seccomp_numbers import AUDIT_ARCH, PRCTL, REFUSED, REFUSED_EVERYWHERE, TGKILL

_PR_SET_CHILD_SUBREAPER = 36
_X32_BIT = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_SET_DUMPABLE, _PR_SET_PDEATHSIG, _MODE_FILTER = 38, 22, 4, 1, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def hide_memory(hidden: bool = True) -> None:
    """Keep other processes of the same user from reading this one's memory through /proc or ptrace."""
    _prctl(_PR_SET_DUMPABLE, int(not hidden), "PR_SET_DUMPABLE")


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, "PR_SET_PDEATHSIG")


def adopt_orphans() -> None:
    """Have descendants whose parent ended become children of this process, so that it can wait for their end."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, "PR_SET_CHILD_SUBREAPER")


def refuse_system_calls() -> None:
    """Refuse, with EPERM, new processes and threads, sockets, signals to others, tracing, mounts, until this
    process ends.

    Raises OSError where the kernel has no such filters, and KeyError on a machine that is not in the table.
    """
    code = _filter_code(platform.machine(), os.getpid())
    program = _Program(len(code) // 8, code)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, "PR_SET_NO_NEW_PRIVS")
    _prctl(_PR_SET_SECCOMP, _MODE_FILTER, "PR_SET_SECCOMP", ctypes.byref(program))


def _filter_code(machine: str, own_process: int) -> bytes:
    numbers = sorted({*REFUSED[machine].values(), *REFUSED_EVERYWHERE.values()})
    lines = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _REFUSE),
        # abort() signals the own process, which stays possible.
        (_EQUAL, 0, 4, TGKILL[machine]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 0, 1, own_process),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        # The signal that comes when the supervisor dies must stay set.
        (_EQUAL, 0, 4, PRCTL[machine]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 0, 1, _PR_SET_PDEATHSIG),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    for number in numbers:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _prctl(option: int, value: int, name: str, pointer: object = None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    third = pointer if pointer is not None else ctypes.c_ulong(0)
    if libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), third, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {name}: {os.strerror(number)}")
