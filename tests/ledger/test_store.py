"""What a ledger promises to everyone who writes or reads it."""

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelwright.core.entry import GENESIS
from kernelwright.core.errors import HarnessError, RequestError, UnknownNameError
from kernelwright.ledger import SqlLedger

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def open_ledger(folder: Path) -> SqlLedger:
    return SqlLedger(f"sqlite:///{folder / 'ledger.db'}")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_entries_are_numbered_from_one_and_name_the_entry_before(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    first, second = ledger.append("r", "opened", {"a": 1}), ledger.append("r", "noted", {"b": [1.5, None]})
    assert (first.number, first.previous, second.number, second.previous) == (1, GENESIS, 2, first.digest)
    assert ledger.entries("r") == (first, second)
    assert ledger.check_chain("r") == ()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payloads=st.lists(st.dictionaries(st.text(min_size=1), JSON_VALUES, max_size=3), min_size=1, max_size=3))
def test_any_json_payload_is_read_back_as_written(tmp_path: Path, payloads: list[dict[str, object]]) -> None:
    ledger = open_ledger(tmp_path)
    run = f"run-{len(ledger.runs())}"
    payloads = [{key: value for key, value in payload.items() if key != "blobs"} for payload in payloads]
    written = [ledger.append(run, "noted", payload) for payload in payloads]
    ledger.close()
    assert [entry.payload for entry in open_ledger(tmp_path).entries(run)] == payloads
    assert open_ledger(tmp_path).entries(run) == tuple(written)
    assert open_ledger(tmp_path).check_chain(run) == ()


def test_a_blob_is_stored_before_the_entry_that_names_it_and_read_back(tmp_path: Path) -> None:
    ledger, content = open_ledger(tmp_path), b"def f(): pass\n"
    entry = ledger.append("r", "evaluated", {}, {sha256(content): content})
    assert entry.payload["blobs"] == [sha256(content)]
    assert ledger.blob(sha256(content)) == content


def test_a_blob_under_a_wrong_name_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with pytest.raises(ValueError, match="must be the SHA-256"):
        ledger.append("r", "evaluated", {}, {"0" * 64: b"x"})
    assert ledger.runs() == ()


def test_a_payload_that_is_no_json_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        open_ledger(tmp_path).append("r", "evaluated", {"speedup": float("nan")})


@pytest.mark.parametrize("statement", ["UPDATE entries SET kind = 'x'", "DELETE FROM entries"])
def test_the_database_itself_refuses_to_change_or_delete_entries(tmp_path: Path, statement: str) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append("r", "opened", {})
    connection = sqlite3.connect(tmp_path / "ledger.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


def test_an_entry_number_exists_once_even_if_two_machines_write(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append("r", "opened", {})
    with pytest.raises(HarnessError, match="another machine writes this run"):
        ledger.insert_rows(ledger.rows("r"))


def test_a_second_writer_is_refused_and_gets_the_run_when_the_first_closes(tmp_path: Path) -> None:
    first, second = open_ledger(tmp_path), open_ledger(tmp_path)
    first.append("r", "opened", {})
    assert second.is_written("r")
    assert not first.is_written("r")
    with pytest.raises(RequestError, match="must have one writer"):
        second.append("r", "noted", {})
    second.append("other", "opened", {})
    first.close()
    assert second.append("r", "noted", {}).number == 2


def test_an_unknown_run_is_named_with_the_nearest_known(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append("attention-1", "opened", {})
    with pytest.raises(UnknownNameError, match="Did you mean 'attention-1'"):
        ledger.entries("atention-1")


def test_a_url_that_cannot_be_opened_is_a_request_error_in_one_line() -> None:
    for url in ("nonsense", "nodialect://x/y", "sqlite:////proc/nowhere/ledger.db"):
        with pytest.raises(RequestError, match="the ledger must be a database that opens") as caught:
            SqlLedger(url)
        assert "\n" not in str(caught.value)


def test_requests_reach_the_reader_in_order_and_once(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.request("r", "steer", "try split-KV")
    ledger.request("r", "pause")
    ledger.request("other", "stop")
    steer, pause = ledger.requests("r")
    assert (steer.command, steer.text, pause.command) == ("steer", "try split-KV", "pause")
    assert ledger.requests("r", after=steer.id) == (pause,)


def test_a_secret_is_kept_apart_from_the_entries(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.append("r", "opened", {})
    ledger.seal("r", "s3cret")
    assert ledger.sealed("r") == "s3cret"
    assert ledger.sealed("other") is None
    assert "s3cret" not in repr(ledger.entries("r"))


def test_a_ledger_of_another_format_is_refused(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("UPDATE about SET value = '99'")
    connection.commit()
    connection.close()
    with pytest.raises(RequestError, match="format must be 1, found 99"):
        open_ledger(tmp_path)


def test_the_schema_is_the_golden_one(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    open_ledger(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "ledger.db")
    rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    connection.close()
    golden("ledger_schema.sql", "\n".join(sql for (sql,) in rows) + "\n")
