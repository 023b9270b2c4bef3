"""Runs by name, and ledgers by URL."""

from kernelwright.core.errors import UnknownNameError
from kernelwright.ledger import SqlLedger


def find_run(ledger: SqlLedger, text: str) -> str:
    """Return the run of that name, or the only one that begins with it. Raises UnknownNameError."""
    runs = ledger.runs()
    if text in runs:
        return text
    found = [run for run in runs if run.startswith(text)]
    if len(found) != 1 or not text:
        raise UnknownNameError("run", text, runs)
    return found[0]
