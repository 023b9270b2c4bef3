"""A claim is confirmed only from a whole record and a fresh measurement that agrees."""

from pathlib import Path

import pytest

from kernelwright.core.candidate import Candidate
from kernelwright.core.verdict import Verdict
from kernelwright.ledger import SqlLedger
from kernelwright.runs import Verification, verify_run
from tests.runs.scripted import ScriptedBench, ScriptedEngineer, candidate, script, verdict_of
from tests.runs.test_loop import open_ledger, start


def closed_run(folder: Path) -> SqlLedger:
    ledger = open_ledger(folder)
    start(ledger, ScriptedBench(ScriptedEngineer(script(12))))
    return ledger


def verify(ledger: SqlLedger, verdict: Verdict | None = None, faults: tuple[str, ...] = ()) -> Verification:
    def rejudge(kernel: Candidate, hidden: int) -> Verdict:
        return verdict or verdict_of(kernel.source)

    return verify_run(ledger.entries("r"), faults, ledger.blob, rejudge)


def test_an_equal_measurement_confirms(tmp_path: Path) -> None:
    found = verify(closed_run(tmp_path))
    assert found == Verification(True, 1.87, 1.87, True, ())


@pytest.mark.parametrize(("speedup", "confirmed"), [(1.80, True), (1.95, True), (1.5, False), (2.4, False)])
def test_a_measurement_confirms_only_within_the_interval(tmp_path: Path, speedup: float, confirmed: bool) -> None:
    found = verify(closed_run(tmp_path), verdict_of(candidate(speedup, "arch1")))
    assert (found.confirmed, found.measured, found.chain_ok) == (confirmed, speedup, True)
    assert bool(found.differences) is not confirmed


def test_a_kernel_that_is_wrong_now_is_not_confirmed(tmp_path: Path) -> None:
    found = verify(closed_run(tmp_path), verdict_of(candidate(1.87, "arch1", status="incorrect")))
    assert not found.confirmed
    assert "claimed accepted, now incorrect" in found.differences[0]


def test_a_problem_that_has_changed_since_is_not_confirmed_and_not_measured(tmp_path: Path) -> None:
    ledger = closed_run(tmp_path)

    def rejudge(kernel: Candidate, hidden: int) -> Verdict:
        raise AssertionError("nothing to measure")

    found = verify_run(ledger.entries("r"), (), ledger.blob, rejudge, ("problem: other files",))
    assert found == Verification(False, 1.87, None, True, ("problem: other files",))


def test_a_fault_in_the_chain_refuses_without_measuring(tmp_path: Path) -> None:
    found = verify(closed_run(tmp_path), faults=("entry 4 must match its hash, it was changed",))
    assert (found.confirmed, found.chain_ok, found.measured) == (False, False, None)


def test_a_record_cut_before_its_end_is_refused(tmp_path: Path) -> None:
    ledger = closed_run(tmp_path)
    found = verify_run(ledger.entries("r")[:-1], (), ledger.blob, lambda kernel, hidden: verdict_of(kernel.source))
    assert (found.confirmed, found.chain_ok) == (False, False)


def test_a_record_whose_promotions_do_not_follow_is_refused_though_its_hashes_match(tmp_path: Path) -> None:
    whole, forged = closed_run(tmp_path / "whole"), open_ledger(tmp_path / "forged")
    for entry in whole.entries("r"):
        payload = {**entry.payload, "is_redesign": True} if entry.kind == "evaluation" else entry.payload
        forged.append("r", entry.kind, payload)
    found = verify_run(forged.entries("r"), (), whole.blob, lambda kernel, hidden: verdict_of(kernel.source))
    assert (found.confirmed, found.chain_ok) == (False, False)
    assert "promotions and redesigns must follow" in found.differences[0]
