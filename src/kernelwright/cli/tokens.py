"""Tokens of served runs, and where a run is served, in files that only their owner reads."""

import contextlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from kernelwright.core.errors import RequestError
from kernelwright.ledger import home

FEWEST_CHARACTERS = 16
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")


def token_of(file: Path | None, run: str) -> tuple[str, Path]:
    """Return the token of a run and the file that holds it; a new one is drawn and written where there is none yet.

    Raises RequestError for a file that others may read, or that holds no token.
    """
    place = (file or home() / "mcp" / f"{run}.token").expanduser().absolute()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
                written.write(secrets.token_urlsafe(32) + "\n")
        mode, text = place.stat().st_mode, place.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it holds no text"
        raise RequestError(f"the token must be in a file that can be read and written, {place}: {reason}") from None
    if len(text) < FEWEST_CHARACTERS or not _TOKEN.fullmatch(text):
        raise RequestError(
            f"a token must have at least {FEWEST_CHARACTERS} letters, digits or signs of base 64 on one line, "
            f"{place} has not. Name another file for a new one."
        )
    if mode & 0o077:
        raise RequestError(
            f"the token's file must be its owner's alone, others may read {place}. Run: chmod 600 {place}"
        )
    return text, place


@contextlib.contextmanager
def published(url: str, run: str) -> Iterator[None]:
    """Keep where this process serves a run, for those who start another one."""
    file = _place_file(run)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"url": url, "process": os.getpid()}))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def published_url(run: str, process: int | None) -> str | None:
    """Return where `process` serves a run over HTTP, None if it does not."""
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(_place_file(run).read_text())
        if kept["process"] == process:
            return str(kept["url"])
    return None


def _place_file(run: str) -> Path:
    return home() / "mcp" / f"{run}.json"
