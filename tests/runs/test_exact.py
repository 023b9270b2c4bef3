"""Runs on emulated chips repeat: one seed, one record, apart from clocks and names."""

from dataclasses import replace
from pathlib import Path

import pytest

from kernelwright.core.entry import Entry
from kernelwright.core.final import Setup
from kernelwright.core.verdict import Verdict
from kernelwright.ledger import SqlLedger, installation_key
from kernelwright.runs import conduct_run, open_run, record_differences, verify_run
from tests.runs.scripted import ScriptedBench, ScriptedEngineer, candidate, script, setup, verdict_of

KEY = bytes(range(32))


def _entries(folder: Path, given: Setup, key: bytes = KEY) -> tuple[Entry, ...]:
    folder.mkdir()
    ledger = SqlLedger(f"sqlite:///{folder / 'ledger.db'}")
    try:
        open_run(ledger, folder.name, given, key)
        bench = ScriptedBench(ScriptedEngineer(script(12)))
        conduct_run(ledger, folder.name, lambda given, hidden: bench, lambda line: None, lambda seconds: None)
        return ledger.entries(folder.name)
    finally:
        ledger.close()


def test_two_runs_with_one_seed_tell_the_same(tmp_path: Path) -> None:
    given = replace(setup(), emulated=True)
    first, second = (_entries(tmp_path / name, given) for name in ("first", "second"))
    assert record_differences(first, second) == ()
    assert first[-1].payload["secret"] == second[-1].payload["secret"]
    assert first[-1].digest != second[-1].digest


@pytest.mark.parametrize("what", ["seed", "suite", "chip", "key"])
def test_the_secret_follows_from_what_was_asked_and_from_the_installation(tmp_path: Path, what: str) -> None:
    given = replace(setup(), emulated=True)
    changed = given if what == "key" else replace(given, **{what: 5 if what == "seed" else "other"})  # type: ignore[arg-type]
    first = _entries(tmp_path / "first", given)
    second = _entries(tmp_path / "second", changed, bytes(32) if what == "key" else KEY)
    assert first[-1].payload["secret"] != second[-1].payload["secret"]
    assert record_differences(first, second)


def test_secrets_of_real_runs_stay_random(tmp_path: Path) -> None:
    first, second = (_entries(tmp_path / name, setup()) for name in ("first", "second"))
    assert first[-1].payload["secret"] != second[-1].payload["secret"]


def test_differences_name_the_entry_and_what_stands_there(tmp_path: Path) -> None:
    entries = _entries(tmp_path / "first", replace(setup(), emulated=True))
    other = (*entries[:3], replace(entries[3], payload={**entries[3].payload, "more": 1}), *entries[4:-1])
    told = record_differences(entries, other)
    assert len(told) == 2
    assert told[0].startswith(f"entry {entries[3].number} ({entries[3].kind}): ") and "more" in told[0]
    assert told[1] == f"entry {entries[-1].number} (closed): only one of the runs has it"


def test_the_key_of_an_installation_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path))
    key = installation_key()
    assert len(key) == 32 and installation_key() == key
    assert (tmp_path / "installation.key").stat().st_mode & 0o077 == 0
    assert [file.name for file in tmp_path.iterdir()] == ["installation.key"]


def _emulated(verdict: Verdict, change_ns: int = 0) -> Verdict:
    first, *others = verdict.workloads
    changed = replace(first, candidate_ns=first.candidate_ns + change_ns)
    return replace(verdict, emulated=True, workloads=(changed, *others))


@pytest.mark.parametrize("change_ns", [0, 1])
def test_verify_compares_emulated_times_to_the_nanosecond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change_ns: int
) -> None:
    monkeypatch.setattr("tests.runs.scripted.verdict_of", lambda source: _emulated(verdict_of(source)))
    ledger = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}")
    open_run(ledger, "r", replace(setup(), emulated=True), KEY)
    bench = ScriptedBench(ScriptedEngineer((candidate(1.5, "arch0"),)))
    conduct_run(ledger, "r", lambda given, hidden: bench, lambda line: None, lambda seconds: None)
    found = verify_run(
        ledger.entries("r"), (), ledger.blob, lambda kernel, hidden: _emulated(verdict_of(kernel.source), change_ns)
    )
    ledger.close()
    assert found.emulated
    assert found.confirmed == (change_ns == 0)
    assert all("emulated time of workload 'cold 2k'" in text for text in found.differences)
