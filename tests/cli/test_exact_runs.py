"""Two real runs on an emulated chip with one seed, and the verification of the second."""

from pathlib import Path

import pytest

from kernelwright.ledger import SqlLedger
from kernelwright.runs import record_differences
from tests.cli.commands import run

pytestmark = pytest.mark.slow

RUN = ("run", "extend-attention", "--chip", "m890", "--engineer", "search", "--suite", "smoke", "--evals", "4")


def test_two_runs_with_one_seed_have_equal_records_and_verify_finds_the_same_nanoseconds(tmp_path: Path) -> None:
    for _ in range(2):
        done = run(tmp_path, *RUN, "--json", timeout=1800)
        assert done.code in (0, 1), done.err
        assert done.json["emulated"] is True
    ledger = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}")
    first, second = ledger.runs()
    assert record_differences(ledger.entries(first), ledger.entries(second)) == ()
    ledger.close()
    if done.code == 0:
        verified = run(tmp_path, "verify", second, "--json", timeout=1800)
        assert (verified.code, verified.json["confirmed"], verified.json["emulated"]) == (0, True, True)
        assert verified.json["differences"] == []
