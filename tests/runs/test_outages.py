"""A full disk and a locked database are waited for: nothing is lost or counted, the run ends as without them."""

import errno
import os
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from kernelwright.core.entry import Entry
from kernelwright.core.errors import HarnessError, OutageError
from kernelwright.ledger import SqlLedger, store
from kernelwright.runs import conduct_run, open_run
from kernelwright.runs.patience import PATIENCE_S, PatientLedger
from kernelwright.runs.state import RunState, fold
from tests.runs.scripted import ScriptedBench, ScriptedEngineer, script, setup


class FullDisk(SqlLedger):
    """A ledger whose disk is full at some of its writes, counted from the first."""

    def __init__(self, url: str, full_at: range) -> None:
        super().__init__(url)
        self.full_at, self.writes = full_at, 0

    def append(
        self, run: str, kind: str, payload: Mapping[str, object], blobs: Mapping[str, bytes] | None = None
    ) -> Entry:
        self.writes += 1
        if self.writes in self.full_at:
            raise OutageError(f"the disk must take a blob of 12 bytes: {os.strerror(errno.ENOSPC)}")
        return super().append(run, kind, payload, blobs)


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


def _worked(ledger: SqlLedger, said: list[str], waits: list[float]) -> RunState:
    bench = ScriptedBench(ScriptedEngineer(script(6)))
    return conduct_run(ledger, "r", lambda given, hidden: bench, said.append, waits.append)


def test_a_full_disk_in_the_middle_is_waited_for_and_written_down(tmp_path: Path) -> None:
    ledger = FullDisk(_url(tmp_path), range(9, 13))
    open_run(ledger, "r", setup(6))
    said: list[str] = []
    waits: list[float] = []
    state = _worked(ledger, said, waits)
    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert (state.counted, state.is_closed, state.harness_faults) == (6, True, 1)
    outages = [entry.payload for entry in ledger.entries("r") if entry.kind == "outage"]
    assert len(outages) == 1 and outages[0]["lost_ns"] == 15_000_000_000
    assert "No space left" in str(outages[0]["reason"])
    assert any("waiting 8 s for the machine" in line for line in said)
    assert not ledger.check_chain("r")


def test_time_lost_to_an_outage_is_not_spent(tmp_path: Path) -> None:
    ledger = FullDisk(_url(tmp_path), range(9, 10))
    open_run(ledger, "r", setup(6))
    state = _worked(ledger, [], [])
    entries = ledger.entries("r")
    assert state.active_ns <= entries[-1].time_ns - entries[0].time_ns
    assert fold(entries).active_ns == state.active_ns


def test_an_outage_without_end_stops_the_run_and_nothing_is_lost(tmp_path: Path) -> None:
    ledger = FullDisk(_url(tmp_path), range(9, 10_000))
    open_run(ledger, "r", setup(6))
    waits: list[float] = []
    with pytest.raises(OutageError, match="No space left"):
        _worked(ledger, [], waits)
    assert PATIENCE_S <= sum(waits) < PATIENCE_S + 61
    before = len(ledger.entries("r"))
    ledger.full_at = range(0)
    assert _worked(ledger, [], []).counted == 6
    assert len(ledger.entries("r")) > before


def test_a_locked_database_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUSY_S", 0.05)
    ledger = SqlLedger(_url(tmp_path))
    open_run(ledger, "r", setup(6))
    holder = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    unlock = threading.Event()

    def sleep(seconds: float) -> None:
        unlock.set()
        if holder.in_transaction:
            holder.execute("ROLLBACK")

    said: list[str] = []
    bench = ScriptedBench(ScriptedEngineer(script(3)))
    state = conduct_run(ledger, "r", lambda given, hidden: bench, said.append, sleep)
    holder.close()
    assert unlock.is_set() and any("database is locked" in line for line in said)
    assert state.is_closed and state.counted == 3


def test_a_disk_that_refuses_a_blob_is_an_outage(tmp_path: Path) -> None:
    ledger = SqlLedger(_url(tmp_path))
    (tmp_path / "blobs").write_text("a file where the folder should be")
    with pytest.raises(OutageError, match="the disk must take a blob of 3 bytes"):
        ledger.append("r", "opened", {}, {"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad": b"abc"})


def test_other_faults_of_the_ledger_are_not_waited_for(tmp_path: Path) -> None:
    class Broken(SqlLedger):
        def entries(self, run: str) -> tuple[Entry, ...]:
            raise HarnessError("entry 3 was changed")

    waits: list[float] = []
    with pytest.raises(HarnessError, match="entry 3"):
        PatientLedger(Broken(_url(tmp_path)), lambda line: None, waits.append).entries("r")
    assert waits == []
