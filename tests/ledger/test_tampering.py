"""A byte changed anywhere is found, or changes nothing that anyone can read."""

import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from kernelwright.core.errors import KernelwrightError
from kernelwright.ledger import SqlLedger, export_bundle, import_bundle
from tests.ledger.test_store import open_ledger, sha256


def write_run(folder: Path) -> SqlLedger:
    ledger = open_ledger(folder)
    ledger.append("r", "opened", {"problem": "extend-attention", "limits": {"evaluations": 8}})
    for number in range(6):
        source = f"# candidate {number}\n".encode()
        ledger.append("r", "evaluated", {"number": number, "speedup": 1 + number / 7}, {sha256(source): source})
    ledger.append("r", "closed", {"reason": "done"})
    ledger.close()
    return ledger


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1 << (offset % 8)
    path.write_bytes(bytes(content))


def test_a_byte_of_any_field_of_any_entry_changed_is_found(tmp_path: Path) -> None:
    ledger = write_run(tmp_path)
    content = (tmp_path / "ledger.db").read_bytes()
    for row in ledger.rows("r"):
        for field in (row.payload, row.digest, row.kind + str(row.payload)[:0]):
            offset = content.index(field.encode())
            shutil.copytree(tmp_path, tmp_path / "changed")
            flip(tmp_path / "changed" / "ledger.db", offset + len(field) // 2)
            assert open_ledger(tmp_path / "changed").check_chain("r"), f"{field} of entry {row.number}"
            shutil.rmtree(tmp_path / "changed")


def test_a_byte_changed_anywhere_in_the_database_is_found_or_harmless(tmp_path: Path) -> None:
    entries = write_run(tmp_path).entries("r")
    size, draw, found = (tmp_path / "ledger.db").stat().st_size, random.Random(7), 0
    for _ in range(60):
        shutil.copytree(tmp_path, tmp_path / "changed")
        flip(tmp_path / "changed" / "ledger.db", draw.randrange(size))
        try:
            changed = open_ledger(tmp_path / "changed")
            found += bool(changed.check_chain("r"))
            assert changed.check_chain("r") or changed.entries("r") == entries
        except (KernelwrightError, SQLAlchemyError):
            found += 1
        shutil.rmtree(tmp_path / "changed")
    assert found > 3


def test_a_byte_changed_in_any_blob_is_found(tmp_path: Path) -> None:
    ledger = write_run(tmp_path)
    blobs = sorted(path for path in (tmp_path / "blobs").rglob("*") if path.is_file())
    assert len(blobs) == 6
    for path in blobs:
        flip(path, 3)
        (finding,) = ledger.check_chain("r")
        assert path.name in finding.text
        with pytest.raises(KernelwrightError, match="other content"):
            ledger.blob(path.name)
        flip(path, 3)
    blobs[0].unlink()
    assert "must be readable" in ledger.check_chain("r")[0].text


def test_an_entry_rewritten_with_its_trigger_dropped_is_found(tmp_path: Path) -> None:
    ledger = write_run(tmp_path)
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("DROP TRIGGER entries_stay")
    connection.execute("UPDATE entries SET payload = replace(payload, '\"number\":2', '\"number\":3')")
    connection.commit()
    connection.close()
    texts = [finding.text for finding in ledger.check_chain("r")]
    assert any("entry 4 must match its hash" in text for text in texts)
    assert any("trigger entries_stay must exist" in text for text in texts)


def test_an_entry_taken_out_of_the_middle_is_found(tmp_path: Path) -> None:
    ledger = write_run(tmp_path)
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("DROP TRIGGER entries_remain")
    connection.execute("DELETE FROM entries WHERE number = 3")
    connection.commit()
    connection.close()
    assert "entry 3 must come next, found entry 4" in ledger.check_chain("r")[0].text


def test_equal_runs_give_equal_bundles_and_a_bundle_brings_the_run_back(tmp_path: Path) -> None:
    ledger = write_run(tmp_path / "a")
    export_bundle(ledger, "r", tmp_path / "one.tar.gz")
    export_bundle(ledger, "r", tmp_path / "two.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    other = open_ledger(tmp_path / "b")
    assert import_bundle(tmp_path / "one.tar.gz", other) == ("r", ())
    assert other.entries("r") == ledger.entries("r")
    assert other.check_chain("r") == ()
    with pytest.raises(KernelwrightError, match="must be new to the ledger"):
        import_bundle(tmp_path / "one.tar.gz", other)


def test_a_byte_changed_anywhere_in_a_bundle_is_found_and_nothing_is_imported(tmp_path: Path) -> None:
    export_bundle(write_run(tmp_path / "a"), "r", tmp_path / "one.tar.gz")
    content, other = (tmp_path / "one.tar.gz").read_bytes(), open_ledger(tmp_path / "b")
    for offset in range(0, len(content), 3):
        (tmp_path / "bad.tar.gz").write_bytes(
            content[:offset] + bytes([content[offset] ^ 0xFF]) + content[offset + 1 :]
        )
        _, findings = import_bundle(tmp_path / "bad.tar.gz", other)
        assert findings, f"offset {offset}"
    assert other.runs() == ()


def test_a_bundle_cut_short_is_found(tmp_path: Path) -> None:
    export_bundle(write_run(tmp_path / "a"), "r", tmp_path / "one.tar.gz")
    content = (tmp_path / "one.tar.gz").read_bytes()
    for size in (0, 5, len(content) // 2, len(content) - 1):
        (tmp_path / "bad.tar.gz").write_bytes(content[:size])
        assert import_bundle(tmp_path / "bad.tar.gz", open_ledger(tmp_path / "b"))[1]
