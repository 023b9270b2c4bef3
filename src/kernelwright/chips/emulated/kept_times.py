"""Emulated times on disk: references, tuned references and playbooks are the same in every run."""

import sqlite3
import threading
from pathlib import Path

from kernelwright.chips.cpu.host import state_folder
from kernelwright.chips.emulated.code_version import code_sha256

_WAIT_S = 5.0


class KeptTimes:
    """Times in ns by key, in one file of the cache folder. A file that cannot be used only costs time."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or state_folder() / "cache" / "emulated-times.db"
        self._guard = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._is_broken = False

    def get(self, key: str) -> int | None:
        """Return the time kept under `key` by the same code, None where there is none."""
        with self._guard:
            try:
                found = self._open().execute("SELECT time_ns FROM times WHERE key = ?", (self._full(key),)).fetchone()
            except (sqlite3.Error, OSError):
                self._is_broken = True
                return None
        return None if found is None else int(found[0])

    def put(self, key: str, time_ns: int) -> None:
        """Keep a time."""
        with self._guard:
            try:
                database = self._open()
                with database:
                    database.execute("INSERT OR REPLACE INTO times VALUES (?, ?)", (self._full(key), time_ns))
            except (sqlite3.Error, OSError):
                self._is_broken = True

    def _full(self, key: str) -> str:
        return f"{code_sha256()[:16]} {key}"

    def _open(self) -> sqlite3.Connection:
        if self._is_broken:
            raise OSError
        if self._database is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self._file, timeout=_WAIT_S, check_same_thread=False)
            with database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS times (key TEXT PRIMARY KEY, time_ns INTEGER) WITHOUT ROWID"
                )
                # What other code worked out is of no use to anybody.
                database.execute("DELETE FROM times WHERE key NOT LIKE ?", (f"{code_sha256()[:16]} %",))
            self._database = database
        return self._database
