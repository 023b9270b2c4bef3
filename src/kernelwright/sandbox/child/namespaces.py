"""Namespaces, mounts and capabilities of the process that sets up one candidate's cell: Linux calls Python lacks."""

import ctypes
import os
from pathlib import Path

from kernelwright.sandbox.child import seccomp

SCRATCH_BYTES = 512 << 20
_NEW_USER, _NEW_PID, _NEW_IPC, _NEW_MOUNTS = 0x10000000, 0x20000000, 0x08000000, 0x00020000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_PROGRAMS = 1, 2, 4, 8
_CAPABILITIES, _CAPABILITY_VERSION = 64, 0x20080522
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4


def enter_own_namespaces() -> None:
    """Give this process a user, mounts and IPC of its own; its next child gets its own process numbers.

    The network is bubblewrap's empty one: without sockets nothing can be left in it, and another costs milliseconds.

    Raises OSError where the system does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    _call("unshare", ctypes.c_int(_NEW_USER | _NEW_PID | _NEW_IPC | _NEW_MOUNTS))
    # The kernel hands the files below to root alone while memory is hidden; nobody else lives here yet.
    seccomp.hide_memory(False)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    seccomp.hide_memory()


def mount_own_folders(scratch: str) -> None:
    """Put an empty folder in memory over `scratch`, and nothing over /proc."""
    writable = _NO_SUID | _NO_DEVICES | _NO_PROGRAMS
    _mount_memory(scratch, writable, f"size={SCRATCH_BYTES},mode=0700")
    _mount_memory("/proc", writable | _READ_ONLY, "size=4k,mode=0555")


def drop_capabilities() -> None:
    """Give up every capability, for good."""
    libc = ctypes.CDLL(None, use_errno=True)
    for number in range(_CAPABILITIES):
        libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(number), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
    libc.prctl(_PR_CAP_AMBIENT, ctypes.c_ulong(_PR_CAP_AMBIENT_CLEAR_ALL), ctypes.c_ulong(0), ctypes.c_ulong(0),
               ctypes.c_ulong(0))  # fmt: skip
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())


def _mount_memory(folder: str, flags: int, options: str) -> None:
    _call("mount", b"tmpfs", folder.encode(), b"tmpfs", ctypes.c_ulong(flags), options.encode())


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
