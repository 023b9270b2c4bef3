"""Files of compiled code on disk: whole or absent, and bounded in size."""

import hashlib
import os
import tempfile
from pathlib import Path

# Tens of thousands of kernels.
LIMIT_BYTES = 1 << 30
_DIGEST_BYTES = 32


def cache_directory() -> Path:
    """Return where compiled code is kept: `cache/` under KERNELWRIGHT_HOME (default ~/.kernelwright)."""
    home = os.environ.get("KERNELWRIGHT_HOME")
    return (Path(home) if home else Path.home() / ".kernelwright") / "cache"


def entry_path(key: str, suffix: str) -> Path:
    """Return where the entry of a key is kept."""
    return cache_directory() / key[:2] / f"{key}{suffix}"


def read_entry(path: Path) -> bytes | None:
    """Return what was written to `path`, None when nothing was or when it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    data = content[_DIGEST_BYTES:]
    return data if content[:_DIGEST_BYTES] == hashlib.sha256(data).digest() else None


def write_entry(path: Path, data: bytes, limit_bytes: int = LIMIT_BYTES) -> None:
    """Write beside the entry and rename: processes that race leave one whole entry. What cannot be kept is not.

    One write in 256, by the digest of its data, looks whether the entries are within `limit_bytes`, see `trim`.
    """
    digest = hashlib.sha256(data).digest()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
            file.write(digest + data)
        os.replace(file.name, path)
    except OSError:
        return
    if digest[0] == 0:
        trim(path.parent.parent, limit_bytes)


def trim(folder: Path, limit_bytes: int) -> None:
    """Remove the entries of `folder` that were longest without use, until three quarters of the limit are left.

    Nothing happens within the limit. Use is what the file system notes of reads, else the time of writing. Processes
    may trim, read and write at the same time: an entry is removed whole, and made anew by whoever misses it.
    """
    entries = []
    for path in folder.glob("*/*"):
        try:
            status = path.stat()
        except OSError:
            continue  # another process was quicker
        entries.append((max(status.st_atime_ns, status.st_mtime_ns), status.st_size, path))
    left_bytes = sum(size for _, size, _ in entries)
    if left_bytes <= limit_bytes:
        return
    for _, size, path in sorted(entries):
        if left_bytes <= limit_bytes * 3 // 4:
            return
        try:
            path.unlink(missing_ok=True)
        except OSError:
            continue
        left_bytes -= size
