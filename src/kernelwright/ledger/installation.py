"""The key of an installation: what makes secrets of exact runs unguessable, yet the same for equal requests."""

import contextlib
import os
import re
import secrets

from kernelwright.core.errors import HarnessError
from kernelwright.ledger.places import home

_NAME = "installation.key"
_BYTES = 32


def installation_key() -> bytes:
    """Return the key, made on first use and never changed: with another one, equal runs get other hidden workloads."""
    file = home() / _NAME
    file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        # Written beside its place first: whoever finds the file finds it whole.
        fresh = file.with_suffix(f".{os.getpid()}")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as written:
            written.write(secrets.token_hex(_BYTES) + "\n")
        try:
            os.link(fresh, file)
        finally:
            fresh.unlink()
    text = file.read_text().strip()
    if not re.fullmatch(f"[0-9a-f]{{{2 * _BYTES}}}", text):
        raise HarnessError(
            f"{file} must hold {2 * _BYTES} hexadecimal digits, it does not. Move it away for a new key."
        )
    return bytes.fromhex(text)
