"""Checking a chain: pure functions over rows."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from kernelwright.core.entry import GENESIS, canonical_json, entry_digest

BLOBS_KEY = "blobs"


@dataclass(frozen=True)
class Finding:
    """Something wrong in a record; `number` is the entry, 0 when it concerns the whole run."""

    number: int
    text: str


@dataclass(frozen=True)
class Row:
    """An entry as stored: `payload` is the exact text that was hashed."""

    run: str
    number: int
    kind: str
    time_ns: int
    payload: str
    previous: str
    digest: str


def check_rows(rows: Sequence[Row], blob_fault: Callable[[str], str]) -> tuple[Finding, ...]:
    """Return what is wrong with the entries of one run, in order; empty when all is whole.

    `blob_fault` says in one line what is wrong with the blob of a hash, or returns an empty text.
    """
    findings: list[Finding] = []
    previous, seen = GENESIS, set[str]()
    for expected, row in enumerate(rows, start=1):
        if row.number != expected:
            findings.append(Finding(row.number, f"entry {expected} must come next, found entry {row.number}"))
            break
        if row.previous != previous:
            findings.append(Finding(row.number, f"entry {row.number} must name the entry before it, it names another"))
        if row.digest != entry_digest(row.run, row.number, row.kind, row.time_ns, row.payload, row.previous):
            findings.append(Finding(row.number, f"entry {row.number} must match its hash, it was changed"))
        for digest in blob_names(row.payload):
            fault = "" if digest in seen else blob_fault(digest)
            seen.add(digest)
            if fault:
                findings.append(Finding(row.number, fault))
        previous = row.digest
    return tuple(findings)


def blob_names(payload: str) -> tuple[str, ...]:
    """Return the hashes of the blobs that an entry's payload text names; none if it is no JSON."""
    try:
        value = json.loads(payload)
    except ValueError:
        return ()
    names = value.get(BLOBS_KEY, []) if isinstance(value, dict) else []
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def format_rows(rows: Iterable[Row]) -> str:
    """Return rows as text, one canonical JSON object a line."""
    return "".join(canonical_json(row.__dict__) + "\n" for row in rows)


def parse_rows(text: str) -> tuple[Row, ...]:
    """Return the rows of a text made by `format_rows`. Raises ValueError on anything else."""
    rows = []
    for line in text.splitlines():
        value = json.loads(line)
        if not isinstance(value, dict) or set(value) != set(Row.__dataclass_fields__):
            raise ValueError("a line must hold exactly the fields of an entry")
        row = Row(**value)
        if not all(isinstance(part, int) for part in (row.number, row.time_ns)):
            raise ValueError("number and time_ns must be integers")
        rows.append(row)
    return tuple(rows)
