"""Limits that a process sets on itself before it runs candidate code."""

import resource

from kernelwright.sandbox.child import seccomp

OPEN_FILES = 256
FILE_BYTES = 256 << 20


def confine_process(memory_bytes: int) -> None:
    """Apply memory, file and system-call limits to this process; nothing can lift them again."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        mapped_bytes = int(statm.read().split()[0]) * resource.getpagesize()
    _lower(resource.RLIMIT_AS, mapped_bytes + memory_bytes)
    _lower(resource.RLIMIT_FSIZE, FILE_BYTES)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_CORE, 0)
    seccomp.hide_memory()
    seccomp.refuse_system_calls()


def _lower(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))
