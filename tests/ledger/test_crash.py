"""A writer killed at any moment leaves a whole prefix that the next writer goes on from."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ledger.test_store import open_ledger

WRITER = """
import hashlib, sys
from kernelwright.ledger import SqlLedger
ledger = SqlLedger(sys.argv[1])
number = len(ledger.rows("r"))
while True:
    content = str(number).encode() * 400
    entry = ledger.append("r", "evaluated", {"value": number}, {hashlib.sha256(content).hexdigest(): content})
    number += 1
    print(entry.number, flush=True)
"""


def kill_while_writing(folder: Path, delay_s: float) -> int:
    """Return the number of the last entry that the writer said was durable."""
    command = [sys.executable, "-c", WRITER, f"sqlite:///{folder / 'ledger.db'}"]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    first = writer.stdout.readline()
    time.sleep(delay_s)
    writer.kill()
    rest = writer.stdout.read().split()
    writer.wait()
    writer.stdout.close()
    return max(int(number) for number in [first, *rest] if number.strip())


def check_prefix(folder: Path, durable: int) -> None:
    ledger = open_ledger(folder)
    entries = ledger.entries("r")
    assert len(entries) >= durable
    assert [entry.payload["value"] for entry in entries] == list(range(len(entries)))
    assert ledger.check_chain("r") == ()
    ledger.close()


def test_a_killed_writer_loses_nothing_it_called_durable_and_doubles_nothing(tmp_path: Path) -> None:
    draw = random.Random(3)
    for _ in range(4):
        check_prefix(tmp_path, kill_while_writing(tmp_path, draw.uniform(0, 0.12)))


@pytest.mark.slow
def test_a_writer_killed_forty_times_leaves_one_whole_chain(tmp_path: Path) -> None:
    draw = random.Random(11)
    for _ in range(40):
        check_prefix(tmp_path, kill_while_writing(tmp_path, draw.uniform(0, 0.2)))
