"""Blobs by content hash: a file each, complete and durable before anything names it."""

import hashlib
import os
import tempfile
from pathlib import Path

from kernelwright.core.errors import HarnessError, OutageError


class BlobFolder:
    """A folder of files named by the SHA-256 of what they hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Return where the blob lies or would lie."""
        return self.folder / digest[:2] / digest

    def write(self, digest: str, content: bytes) -> None:
        """Store `content`, on disk before the call returns; a blob that is there and whole stays.

        Raises OutageError when the disk does not take it.
        """
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError("a blob's name must be the SHA-256 of its content")
        path = self.path(digest)
        if path.exists() and path.read_bytes() == content:
            return
        try:
            self._write(path, content)
        except OSError as error:
            raise OutageError(f"the disk must take a blob of {len(content)} bytes: {error.strerror}") from None

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix="new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
        _sync_folder(self.folder)

    def read(self, digest: str) -> bytes:
        """Return the content, checked against its name. Raises HarnessError if missing or changed."""
        problem = self.check(digest)
        if problem:
            raise HarnessError(f"{problem}; the record cannot be trusted, run 'kernelwright verify'")
        return self.path(digest).read_bytes()

    def check(self, digest: str) -> str:
        """Return what is wrong with a blob in one line, or an empty text."""
        try:
            content = self.path(digest).read_bytes()
        except OSError:
            return f"blob {digest} must be readable, it is not"
        if hashlib.sha256(content).hexdigest() != digest:
            return f"blob {digest} must hold content with that hash, it holds other content"
        return ""


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
