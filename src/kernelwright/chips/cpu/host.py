"""What this machine is: cores, caches, memory, identity."""

import hashlib
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kernelwright.core.errors import RequestError

_CPU_FOLDER = Path("/sys/devices/system/cpu")
_SUFFIX = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# A last-level cache that the system does not report is taken as large, so that inputs are cold all the same.
UNKNOWN_LLC_BYTES = 64 << 20
_PASSED_ON = (
    "PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH",
    "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV",
    "KERNELWRIGHT_HOME", "KERNELWRIGHT_CPU_FEATURES",
)  # fmt: skip
# So long the library's threads may spin after a call, waiting for the next one, on cores that others want.
LIBRARY_REST_S = 0.01


@dataclass(frozen=True)
class Host:
    """The machine under us; `cores` are those that the worker is pinned to, one thread each."""

    model: str
    cores: tuple[int, ...]
    llc_bytes: int
    memory_bytes: int

    @property
    def threads(self) -> int:
        """Return the number of threads that kernels run on."""
        return len(self.cores)

    @property
    def core_list(self) -> str:
        """Return the cores as processes of ours are told them; `parse_cores` reads it."""
        return ",".join(str(core) for core in self.cores)

    @property
    def identity(self) -> str:
        """Return a short name, equal on machines where measured peaks may be shared."""
        text = f"{self.model} {platform.machine()} {os.cpu_count()} {self.threads} {self.llc_bytes}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_cores(core_list: str) -> tuple[int, ...]:
    """Return the cores that a `core_list` names."""
    return tuple(int(core) for core in core_list.split(","))


def stay_on(cores: Sequence[int]) -> None:
    """Keep the calling thread on `cores`, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def load_host() -> Host:
    """Return this machine with the cores that this process may use.

    KERNELWRIGHT_NUM_THREADS limits the threads. Raises RequestError when it is no number from 1 to the core count.
    """
    available = _available_cores()
    wanted = os.environ.get("KERNELWRIGHT_NUM_THREADS", "")
    count = len(available)
    if wanted:
        if not wanted.isdigit() or not 1 <= int(wanted) <= len(available):
            raise RequestError(f"KERNELWRIGHT_NUM_THREADS must be 1 to {len(available)}, got '{wanted}'")
        count = int(wanted)
    return Host(_model_name(), available[:count], _llc_bytes(available[0]), _memory_bytes())


def own_environment(**more: str) -> dict[str, str]:
    """Return the environment of a process that compiles, runs or times: what it needs to start, and `more`.

    Whatever else the shell sets (thread counts, allocators, debug switches) would slow one side of a comparison and
    not the other, or make figures depend on who asked.
    """
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | more


def state_folder() -> Path:
    """Return where state lives: KERNELWRIGHT_HOME, else ~/.kernelwright."""
    return Path(os.environ.get("KERNELWRIGHT_HOME") or Path.home() / ".kernelwright")


def _available_cores() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def _model_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    parts = [named.get(key, "") for key in ("model name", "cpu family", "model", "CPU part")]
    return " ".join(part for part in parts if part) or platform.machine()


def _llc_bytes(core: int) -> int:
    sizes = []
    for folder in (_CPU_FOLDER / f"cpu{core}" / "cache").glob("index*"):
        try:
            text = (folder / "size").read_text().strip()
        except OSError:
            continue
        sizes.append(int(text[:-1]) * _SUFFIX[text[-1]] if text[-1:] in _SUFFIX else int(text or 0))
    return max(sizes, default=0) or UNKNOWN_LLC_BYTES


def _memory_bytes() -> int:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 8 << 30
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total
