"""The identity of the code that times follow from: figures kept on disk are forgotten when it changes."""

import hashlib
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable

_ROOMS = ("kernelwright.chips.emulated", "kernelwright.compiler", "kernelwright.problems")


@cache
def code_sha256() -> str:
    """Return the SHA-256 over the emulator's, the compiler's and the problems' sources and Triton's version."""
    digest = hashlib.sha256(version("triton").encode())
    for room in _ROOMS:
        for path, text in sorted(_sources(files(room), "")):
            digest.update(f"{room}/{path}\0{len(text)}\0".encode())
            digest.update(text)
    return digest.hexdigest()


def _sources(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            found += _sources(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith((".py", ".toml")):
            found.append((prefix + entry.name, entry.read_bytes()))
    return found
