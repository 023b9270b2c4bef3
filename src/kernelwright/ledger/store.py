"""The ledger over SQLAlchemy: SQLite in WAL mode by default, any URL that SQLAlchemy knows."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.pool import NullPool

from kernelwright.core.entry import GENESIS, ControlRequest, Entry, canonical_json, entry_digest
from kernelwright.core.errors import HarnessError, OutageError, RequestError, UnknownNameError
from kernelwright.ledger import schema
from kernelwright.ledger.blobs import BlobFolder
from kernelwright.ledger.chain import BLOBS_KEY, Finding, Row, check_rows
from kernelwright.ledger.lock import WriterLock
from kernelwright.ledger.places import default_url, home

# So long SQLite itself waits for another process to finish writing.
BUSY_S = 20.0


class SqlLedger:
    """The append-only record of runs.

    `url` is a SQLAlchemy URL. Blobs and writer locks lie beside a SQLite file, else in `home()`.
    Raises RequestError for a URL that cannot be opened.
    """

    def __init__(self, url: str | None = None, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.url = url or default_url()
        self._clock_ns = clock_ns
        self._guard = threading.Lock()
        self._heads: dict[str, tuple[int, str]] = {}
        self._locks: dict[str, WriterLock] = {}
        try:
            folder = _folder_of(self.url)
            folder.mkdir(parents=True, exist_ok=True)
            self._engine = _open_engine(self.url)
            _create_tables(self._engine)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, OSError, DBAPIError) as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise RequestError(f"the ledger must be a database that opens, '{self.url}' does not: {reason}") from None
        self.blobs = BlobFolder(folder / "blobs")
        self._lock_folder = folder / "locks"

    def append(
        self, run: str, kind: str, payload: Mapping[str, object], blobs: Mapping[str, bytes] | None = None
    ) -> Entry:
        """Write one entry, durable before it returns; `blobs` maps content hash to content.

        The first append takes the run's writer lock and keeps it until `close`.
        Raises RequestError when another process writes the run, OutageError when the machine cannot write just now.
        """
        with self._guard:
            self._take(run)
            for digest, content in (blobs or {}).items():
                self.blobs.write(digest, content)
            number, previous = self._heads[run]
            full = {**payload, BLOBS_KEY: sorted(blobs)} if blobs else dict(payload)
            payload_text, time_ns = canonical_json(full), self._clock_ns()
            digest = entry_digest(run, number + 1, kind, time_ns, payload_text, previous)
            row = Row(run, number + 1, kind, time_ns, payload_text, previous, digest)
            self.insert_rows((row,))
            self._heads[run] = (number + 1, digest)
            return _entry_of(row)

    def insert_rows(self, rows: tuple[Row, ...]) -> None:
        """Write rows as they are, in one transaction; for `append` and the import of bundles."""
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(schema.entries), [row.__dict__ for row in rows])
        except IntegrityError:
            raise HarnessError(
                f"entry {rows[0].number} of run '{rows[0].run}' must be new, it exists: another machine writes this run"
            ) from None
        except SQLAlchemyError as error:
            raise _fault(f"the ledger must take an entry, it did not: {_first_line(error)}", error) from None

    def take(self, run: str) -> None:
        """Take the run's writer lock now, before anything is read that a fold depends on."""
        with self._guard:
            self._take(run)

    def is_written(self, run: str) -> bool:
        """Return whether another process holds the run's writer lock."""
        return run not in self._heads and self._lock(run).is_held_elsewhere()

    def writer(self, run: str) -> int | None:
        """Return the number of the other process of this machine that writes the run, None if none does."""
        return self._lock(run).holder() if self.is_written(run) else None

    def first_and_last(self, run: str) -> tuple[Entry, Entry]:
        """Return the entry that opened a run and its newest one. Raises UnknownNameError for a run without any."""
        numbers = select(func.max(schema.entries.c.number)).where(schema.entries.c.run == run)
        try:
            with self._engine.connect() as connection:
                newest = connection.execute(numbers).scalar()
        except SQLAlchemyError as error:
            raise _fault(f"the ledger must be readable, it is not: {_first_line(error)}", error) from None
        if newest is None:
            raise UnknownNameError("run", run, self.runs())
        return self.entries_after(run, 0, 1)[0], self.entries_after(run, newest - 1)[0]

    def entries(self, run: str) -> tuple[Entry, ...]:
        """Return the entries of a run in order. Raises UnknownNameError for a run without any."""
        entries = self.entries_after(run, 0)
        if not entries:
            raise UnknownNameError("run", run, self.runs())
        return entries

    def entries_after(self, run: str, number: int, most: int | None = None) -> tuple[Entry, ...]:
        """Return the entries of a run with a number above `number`, in order, at most `most`; may be empty."""
        try:
            return tuple(_entry_of(row) for row in self.rows(run, number, most))
        except ValueError:
            raise HarnessError(
                f"the entries of run '{run}' must be JSON, one was changed. Run 'kernelwright verify {run}'."
            ) from None

    def rows(self, run: str, after: int = 0, most: int | None = None) -> tuple[Row, ...]:
        """Return entries as stored, those with a number above `after`, at most `most`; empty for an unknown run."""
        columns = [schema.entries.c[name] for name in Row.__dataclass_fields__]
        query = (
            select(*columns)
            .where(schema.entries.c.run == run, schema.entries.c.number > after)
            .order_by(schema.entries.c.number)
            .limit(most)
        )
        try:
            with self._engine.connect() as connection:
                return tuple(Row(**row._mapping) for row in connection.execute(query))
        except SQLAlchemyError as error:
            raise _fault(f"the ledger must be readable, it is not: {_first_line(error)}", error) from None

    def runs(self) -> tuple[str, ...]:
        """Return the names of all runs, oldest first."""
        first = func.min(schema.entries.c.id)
        query = select(schema.entries.c.run).group_by(schema.entries.c.run).order_by(first)
        try:
            with self._engine.connect() as connection:
                return tuple(connection.execute(query).scalars())
        except SQLAlchemyError as error:
            raise _fault(f"the ledger must be readable, it is not: {_first_line(error)}", error) from None

    def blob(self, digest: str) -> bytes:
        """Return the content with that SHA-256, checked. Raises HarnessError if missing or changed."""
        return self.blobs.read(digest)

    def check_chain(self, run: str) -> tuple[Finding, ...]:
        """Return what is wrong with a run's entries, their blobs or the database; empty if whole."""
        try:
            rows = self.rows(run)
            findings = check_rows(rows, self.blobs.check) if rows else (Finding(0, f"run '{run}' has no entries"),)
            return findings + self._check_database()
        except (HarnessError, SQLAlchemyError, TypeError) as error:
            return (Finding(0, str(error).splitlines()[0]),)

    def request(self, run: str, command: str, text: str = "") -> None:
        """Leave a request for the process that writes the run."""
        values = {"run": run, "time_ns": self._clock_ns(), "command": command, "text": text}
        with self._engine.begin() as connection:
            connection.execute(insert(schema.control), [values])

    def requests(self, run: str, after: int = 0) -> tuple[ControlRequest, ...]:
        """Return requests for the run with an id above `after`, oldest first."""
        columns = schema.control.c
        query = (
            select(columns.id, columns.command, columns.text)
            .where(columns.run == run, columns.id > after)
            .order_by(columns.id)
        )
        try:
            with self._engine.connect() as connection:
                return tuple(ControlRequest(**row._mapping) for row in connection.execute(query))
        except SQLAlchemyError as error:
            raise _fault(f"the ledger must be readable, it is not: {_first_line(error)}", error) from None

    def seal(self, run: str, secret: str) -> None:
        """Keep a run's secret outside its entries until the run reveals it."""
        with self._engine.begin() as connection:
            connection.execute(insert(schema.sealed), [{"run": run, "secret": secret}])

    def sealed(self, run: str) -> str | None:
        """Return the secret of a run, None if this ledger never had it (an imported run)."""
        with self._engine.connect() as connection:
            return connection.execute(select(schema.sealed.c.secret).where(schema.sealed.c.run == run)).scalar()

    def close(self) -> None:
        """Give back writer locks and connections; safe to call twice."""
        with self._guard:
            for lock in self._locks.values():
                lock.release()
            self._heads.clear()
            self._engine.dispose()

    def _take(self, run: str) -> None:
        if run in self._heads:
            return
        self._lock(run).acquire()
        rows = self.rows(run)
        self._heads[run] = (rows[-1].number, rows[-1].digest) if rows else (0, GENESIS)

    def _lock(self, run: str) -> WriterLock:
        if run not in self._locks:
            name = hashlib.sha256(f"{self.url}\n{run}".encode()).hexdigest()[:32]
            self._locks[run] = WriterLock(self._lock_folder / name, run)
        return self._locks[run]

    def _check_database(self) -> tuple[Finding, ...]:
        if self._engine.dialect.name != "sqlite":
            return ()
        with self._engine.connect() as connection:
            faults = connection.execute(text("PRAGMA integrity_check")).scalars().all()
            query = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            triggers = set(connection.execute(query).scalars())
        findings = [Finding(0, f"database: {fault}") for fault in faults if fault != "ok"]
        missing = sorted(set(schema.TRIGGERS) - triggers)
        findings += [Finding(0, f"database: trigger {name} must exist, it does not") for name in missing]
        return tuple(findings)


def _open_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url)
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_S})

    @event.listens_for(engine, "connect")
    def _tune(connection: object, record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]  # sqlite3 connection, untyped by the event
        # FULL: with NORMAL a power cut may lose entries that append said were durable.
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    return engine


def _create_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        if not inspect(connection).has_table("about"):
            schema.metadata.create_all(connection)
            connection.execute(insert(schema.about), [{"key": "format", "value": schema.FORMAT}])
        _require_format(connection)


def _require_format(connection: Connection) -> None:
    found = connection.execute(select(schema.about.c.value).where(schema.about.c.key == "format")).scalar()
    if found != schema.FORMAT:
        raise RequestError(
            f"the ledger's format must be {schema.FORMAT}, found {found}. "
            "Use the version of kernelwright that wrote it."
        )


def _folder_of(url: str) -> Path:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:":
        return Path(parsed.database).absolute().parent
    return home()


def _entry_of(row: Row) -> Entry:
    return Entry(row.run, row.number, row.kind, row.time_ns, json.loads(row.payload), row.previous, row.digest)


def _fault(text: str, error: SQLAlchemyError) -> HarnessError:
    """Return the error to raise: an outage for what the database calls operational, such as a lock or a full disk."""
    return OutageError(text) if isinstance(error, OperationalError) else HarnessError(text)


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
