"""Limits that a process sets on itself before it runs candidate code."""

import resource

from kernelwright.sandbox.child import seccomp

OPEN_FILES = 64
# The largest file that host code honestly writes is a kernel's IR in Triton's cache, at most 2 MiB.
FILE_BYTES = 16 << 20


def confine_process(memory_bytes: int, mapped_bytes: int) -> None:
    """Apply memory, file and system-call limits to this process; nothing can lift them again.

    It may map `memory_bytes` besides the `mapped_bytes` of the process that it was forked from.
    """
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
