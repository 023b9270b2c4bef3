"""The files of a run: one folder, text only, bounded in number and size."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kernelwright.core.errors import RequestError, UnknownNameError

FILE_LIMIT_BYTES = 256 * 1024
FILES_LIMIT = 500


@dataclass(frozen=True)
class Workspace:
    """Text files below `folder`; paths are relative, with forward slashes, and never leave it."""

    folder: Path

    def names(self) -> tuple[str, ...]:
        """Return the paths of all files, sorted."""
        if not self.folder.is_dir():
            return ()
        files = (Path(where) / name for where, _, names in os.walk(self.folder) for name in names)
        return tuple(sorted(path.relative_to(self.folder).as_posix() for path in files if not path.is_symlink()))

    def size_bytes(self, name: str) -> int:
        """Return the size of a file that exists."""
        return self._existing(name).stat().st_size

    def read(self, name: str) -> str:
        """Return a file's text; raises UnknownNameError with the nearest name."""
        return self._existing(name).read_text(encoding="utf-8", errors="replace")

    def write(self, name: str, text: str) -> int:
        """Write a whole file and return its size in bytes; raises RequestError above the limits."""
        path = self._place(name)
        data = text.encode()
        if len(data) > FILE_LIMIT_BYTES:
            raise RequestError(f"a file must hold at most {FILE_LIMIT_BYTES} bytes, got {len(data)}. Split it.")
        if not path.exists() and len(self.names()) >= FILES_LIMIT:
            raise RequestError(f"the folder must hold at most {FILES_LIMIT} files. Write over one that is not needed.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return len(data)

    def _existing(self, name: str) -> Path:
        path = self._place(name)
        if not path.is_file():
            raise UnknownNameError("file", name, self.names())
        return path

    def _place(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
            raise RequestError(
                f"a path must be relative and stay in the folder, got '{name}'. Use a name like mine.py."
            )
        path = self.folder.joinpath(*parts)
        # A link inside the folder could lead out of it.
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise RequestError(f"a path must stay in the folder, '{name}' leads out of it. Use a name like mine.py.")
        return path
