"""The walls around the processes of one candidate, made anew for each by the process that stands ready."""

import contextlib
import json
import os
import resource
import shutil
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from kernelwright.sandbox.child import seccomp
from kernelwright.sandbox.child.namespaces import drop_capabilities, enter_own_namespaces, mount_own_folders

# What Python and torch may open besides their own files and the readable ones.
DEVICES = ("/dev/zero", "/dev/urandom")


@dataclass(frozen=True)
class Walls:
    """How the cells of this process are shut in; the host says it.

    `readable`: what Landlock lets them read. `fresh_namespaces`: whether each gets its own; without
    them the process that stands ready serves one candidate only.
    """

    confinement: str
    readable: tuple[str, ...] = ()
    fresh_namespaces: bool = False


class Cell:
    """One candidate's processes: `body` runs in the first, inside the walls."""

    def __init__(self, walls: Walls, body: Callable[[], None]) -> None:
        self._folder = "" if walls.confinement == "bubblewrap" else tempfile.mkdtemp(dir=os.environ["HOME"])
        self.process = os.fork()
        if self.process == 0:
            _live(walls, self._folder, body)

    def wait(self) -> int:
        """Return the exit code of the first process, when it and all others have ended; forget its folder.

        This process must adopt orphans, and have no other children.
        """
        code = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        return code

    def kill(self) -> None:
        """End every process of the cell: each ends with the one that started it."""
        os.kill(self.process, 9)


def walls_of(text: str) -> Walls:
    """Return the walls that the host's JSON `text` asks for, with namespaces where they can be made."""
    asked = json.loads(text)
    confinement = str(asked["confinement"])
    fresh = confinement == "bubblewrap" and can_make_namespaces()
    return Walls(confinement, tuple(asked["readable"]), fresh)


def can_make_namespaces() -> bool:
    """Return whether a cell can have namespaces of its own here: it is tried."""
    return Cell(Walls("bubblewrap", fresh_namespaces=True), lambda: None).wait() == 0


def mapped_bytes() -> int:
    """Return the address space that this process has mapped."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _live(walls: Walls, folder: str, body: Callable[[], None]) -> None:
    """Build the walls around this process, run `body` inside, and end."""
    code = 1
    try:
        _release_input()
        if walls.confinement == "bubblewrap" and walls.fresh_namespaces:
            code = _live_in_namespaces(body)
        else:
            seccomp.end_with_parent()
            if folder:
                _move_to(folder)
            if walls.confinement == "sandlock":
                _confine_by_landlock(walls.readable, folder)
            drop_capabilities()
            body()
            code = 0
    except BaseException:  # nobody above this process reads a traceback that is raised
        traceback.print_exc()
    finally:
        os._exit(code)


def _live_in_namespaces(body: Callable[[], None]) -> int:
    """Run `body` as the first process of fresh namespaces; return its exit code. All end with this process."""
    enter_own_namespaces()
    # Only now: gaining rights in a namespace takes the wish back.
    seccomp.end_with_parent()
    inner = os.fork()
    if inner:
        return os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
    code = 1
    try:
        seccomp.end_with_parent()
        mount_own_folders(os.environ["HOME"])
        os.chdir(os.environ["HOME"])
        drop_capabilities()
        body()
        code = 0
    except BaseException:  # as above
        traceback.print_exc()
    finally:
        os._exit(code)


def _release_input() -> None:
    """Let go of standard input: the requests that come there are not for this process."""
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _move_to(folder: str) -> None:
    os.environ.update({"HOME": folder, "TMPDIR": folder, "TRITON_HOME": folder, "TRITON_CACHE_DIR": f"{folder}/triton"})
    tempfile.tempdir = None
    os.chdir(folder)


def _confine_by_landlock(readable: tuple[str, ...], folder: str) -> None:
    from sandlock import Sandbox, confine  # noqa: PLC0415  # optional, and only this confinement needs it

    existing = [path for path in (*readable, *DEVICES) if os.path.exists(path)]
    confine(Sandbox(fs_readable=existing, fs_writable=[folder, "/dev/null"]))


def load_landlock(walls: Walls) -> None:
    """Load what `Cell` needs for its walls, once, so that making one is quick."""
    if walls.confinement == "sandlock":
        with contextlib.suppress(ImportError):
            import sandlock  # noqa: F401, PLC0415  # optional
