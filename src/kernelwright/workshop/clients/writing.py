"""Puts a client's file on disk: whole or not at all, with what was there kept beside it."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kernelwright.core.errors import RequestError
from kernelwright.workshop.clients.client import Client, ConfigFile, Surroundings
from kernelwright.workshop.clients.connection import Connection
from kernelwright.workshop.clients.documents import text_with
from kernelwright.workshop.clients.skill import skill_place, skill_text


@dataclass(frozen=True)
class Planned:
    """A file and the text that it is to have; `before` is what it has now, None where there is none.

    `alone` is the text that it would have with nothing else in it.
    """

    path: Path
    text: str
    before: str | None
    alone: str


def existing_text(path: Path) -> str | None:
    """Return the text of a file, None where there is none; raises RequestError for one that cannot be read."""
    try:
        # Ends of lines stay as they are.
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise RequestError(f"{path} must be a text file that can be read: {reason}. Nothing was changed.") from None


def plan_file(client: Client, connection: Connection, where: Surroundings) -> Planned:
    """Return what the client's file is to be; all that stands in it stays.

    Raises RequestError for a file that cannot be read as what it should be.
    """
    try:
        file = client.file(connection, where)
    except ValueError as error:
        raise RequestError(
            f"the files of {client.title} must be readable to be written: {error}. Nothing was changed."
        ) from None
    before = where.existing(file.path)
    return Planned(file.path, _text(file, before or ""), before, _text(file, ""))


def plan_skill(client: Client, where: Surroundings) -> Planned:
    """Return where the client looks for the skill, and its text."""
    path, text = client.skill(where).joinpath(*skill_place()), skill_text()
    return Planned(path, text, where.existing(path), text)


def write_planned(planned: Planned, clock: Callable[[], time.struct_time] = time.localtime) -> Path | None:
    """Write the file and return the copy that was made of the one before; None where there was none, or nothing new.

    The file is replaced at once or stays as it is; its mode stays, a link stays a link. Raises RequestError when it
    cannot be written, or has changed since it was planned.
    """
    if planned.text == planned.before:
        return None
    path = planned.path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if existing_text(path) != planned.before:
            raise RequestError(f"{planned.path} must stay as it is while it is written, it has changed. Try again.")
        copy = None if planned.before is None else _copied(path, clock())
        _replace(path, planned.text)
        return copy
    except OSError as error:
        raise RequestError(f"{planned.path} must be writable: {error.strerror}. Nothing was changed.") from None


def _text(file: ConfigFile, before: str) -> str:
    try:
        return text_with(file.setting, before)
    except ValueError as error:
        raise RequestError(
            f"{file.path} must be {file.setting.syntax.upper()} that can be read: {error}. "
            "Repair it, or print the entry without --write. Nothing was changed."
        ) from None


def _copied(path: Path, now: time.struct_time) -> Path:
    stem = f"{path.name}.before-{time.strftime('%Y%m%d-%H%M%S', now)}"
    copy = path.with_name(stem)
    number = 1
    while copy.exists():
        number += 1
        copy = path.with_name(f"{stem}-{number}")
    shutil.copy2(path, copy)
    return copy


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, written)
        written.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            written.unlink()
        raise
