"""A system-call filter for the processes that run candidate code, installed from inside, never lifted.

The kernel applies no limit on the number of processes to root, whatever the user namespace says, so
forks are refused here; so is what could reach the supervisor or widen the kernel's attack surface.
"""

import ctypes
import errno
import os
import platform
import struct

_REFUSED = {
    "x86_64": {
        "socket": 41, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
        "ptrace": 101, "setpriority": 141, "mount": 165, "umount2": 166, "swapon": 167, "reboot": 169,
        "init_module": 175, "tkill": 200, "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250,
        "unshare": 272, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "perf_event_open": 298,
        "prlimit64": 302, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
        "process_vm_writev": 311, "finit_module": 313, "memfd_create": 319, "bpf": 321, "execveat": 322,
        "userfaultfd": 323, "setrlimit": 160,
    },
    "aarch64": {
        "socket": 198, "socketpair": 199, "clone": 220, "execve": 221, "kill": 129, "ptrace": 117,
        "setpriority": 140, "mount": 40, "umount2": 39, "swapon": 224, "reboot": 142, "init_module": 105,
        "tkill": 130, "kexec_load": 104, "add_key": 217, "request_key": 218, "keyctl": 219, "unshare": 97,
        "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "perf_event_open": 241, "prlimit64": 261,
        "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271,
        "finit_module": 273, "memfd_create": 279, "bpf": 280, "execveat": 281, "userfaultfd": 282,
        "setrlimit": 164,
    },
}  # fmt: skip
# Numbers from 424 on are the same on every architecture.
_REFUSED_EVERYWHERE = {"pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429,
                       "fsopen": 430, "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438}  # fmt: skip
_TGKILL = {"x86_64": 234, "aarch64": 131}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_SET_DUMPABLE, _MODE_FILTER = 38, 22, 4, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def hide_memory() -> None:
    """Keep other processes of the same user from reading this one's memory through /proc or ptrace."""
    _prctl(_PR_SET_DUMPABLE, 0, "PR_SET_DUMPABLE")


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
    numbers = sorted({*_REFUSED[machine].values(), *_REFUSED_EVERYWHERE.values()})
    lines = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _REFUSE),
        # abort() signals the own process, which stays possible.
        (_EQUAL, 0, 4, _TGKILL[machine]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 0, 1, own_process),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
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
