"""Tables of the ledger, and the triggers that make entries append-only."""

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)

FORMAT = "1"

metadata = MetaData()

# "id" orders entries of all runs; an entry's place in its run is "number", from 1.
entries = Table(
    "entries",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run", String(128), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    UniqueConstraint("run", "number", name="one_entry_a_number"),
)

# What people ask of a running run. The run answers with entries that name the request.
control = Table(
    "control",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run", String(128), nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("command", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Index("control_of_run", "run", "id"),
)

# Secrets that a run committed to by hash; they enter its entries when it closes. Never exported.
sealed = Table(
    "sealed",
    metadata,
    Column("run", String(128), primary_key=True),
    Column("secret", String(128), nullable=False),
)

about = Table("about", metadata, Column("key", String(32), primary_key=True), Column("value", Text, nullable=False))

TRIGGERS = ("entries_stay", "entries_remain")


def _listen(dialect: str, name: str, statement: str) -> None:
    trigger = DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
    event.listen(entries, "after_create", trigger)


for _name, _action in zip(TRIGGERS, ("UPDATE", "DELETE"), strict=True):
    _listen(
        "sqlite",
        _name,
        f"CREATE TRIGGER {_name} BEFORE {_action} ON entries BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END",
    )
    _listen(
        "postgresql",
        _name,
        f"CREATE FUNCTION refuse_{_name}() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'entries are append-only'; END $$; "
        f"CREATE TRIGGER {_name} BEFORE {_action} ON entries FOR EACH ROW EXECUTE FUNCTION refuse_{_name}()",
    )
