"""A run in one file: its entries and every blob they name; equal runs give equal bytes."""

import gzip
import hashlib
import io
import tarfile
import zlib
from pathlib import Path

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.ledger.chain import Finding, Row, blob_names, check_rows, format_rows, parse_rows
from kernelwright.ledger.store import SqlLedger

_ENTRIES = "entries.jsonl"
# Python versions differ in the last two bytes of a gzip header; a fixed one keeps equal bundles equal.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"


def export_bundle(ledger: SqlLedger, run: str, file: Path) -> None:
    """Write a run to `file`, a .tar.gz of `entries.jsonl` and `blobs/HASH`.

    No times, owners or names of the machine enter the file. Raises UnknownNameError, or
    HarnessError when a blob is missing or changed.
    """
    rows = ledger.rows(run)
    if not rows:
        raise UnknownNameError("run", run, ledger.runs())
    names = sorted({name for row in rows for name in blob_names(row.payload)})
    content = _pack(rows, {name: ledger.blob(name) for name in names})
    try:
        file.write_bytes(_HEADER + gzip.compress(content, mtime=0)[len(_HEADER) :])
    except OSError as error:
        raise RequestError(
            f"the bundle must go to a file that can be written, {file} cannot: {error.strerror}"
        ) from None


def import_bundle(file: Path, ledger: SqlLedger) -> tuple[str, tuple[Finding, ...]]:
    """Copy a bundle's run into `ledger`; return the run's name and what is wrong with the record.

    A bundle that cannot be read, was changed in any byte that matters or holds a broken chain
    gives findings and leaves the ledger as it was. Raises RequestError when the file is missing
    or the ledger already has the run.
    """
    try:
        compressed = file.read_bytes()
    except OSError as error:
        raise RequestError(f"a bundle must be a file that can be read, {file} cannot: {error.strerror}") from None
    try:
        content = gzip.decompress(compressed)
        rows, blobs = _unpack(content)
        strict = compressed.startswith(_HEADER) and _pack(rows, blobs) == content
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, KeyError, TypeError, AttributeError):
        return "", (Finding(0, "the bundle must be a .tar.gz written by 'kernelwright export', it cannot be read"),)
    findings = check_rows(rows, lambda name: _blob_fault(blobs, name))
    if not rows or any(row.run != rows[0].run for row in rows):
        findings += (Finding(0, "a bundle must hold the entries of one run"),)
    if not strict:
        findings += (Finding(0, "the bundle must be as 'kernelwright export' wrote it, it was changed"),)
    if findings:
        return rows[0].run if rows else "", findings
    run = rows[0].run
    if ledger.rows(run):
        raise RequestError(f"run '{run}' must be new to the ledger, it is there. Verify it by name, or pass --ledger.")
    for name, blob in blobs.items():
        ledger.blobs.write(name, blob)
    ledger.insert_rows(rows)
    return run, ()


def _blob_fault(blobs: dict[str, bytes], name: str) -> str:
    if name not in blobs:
        return f"blob {name} must be in the bundle, it is missing"
    if hashlib.sha256(blobs[name]).hexdigest() != name:
        return f"blob {name} must hold content with that hash, it holds other content"
    return ""


def _pack(rows: tuple[Row, ...], blobs: dict[str, bytes]) -> bytes:
    members = [(_ENTRIES, format_rows(rows).encode())] + [(f"blobs/{name}", blobs[name]) for name in sorted(blobs)]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _unpack(content: bytes) -> tuple[tuple[Row, ...], dict[str, bytes]]:
    rows: tuple[Row, ...] = ()
    blobs: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            if file is None:
                raise ValueError("a bundle holds files only")
            if member.name == _ENTRIES:
                rows = parse_rows(file.read().decode())
            else:
                blobs[member.name.removeprefix("blobs/")] = file.read()
    return rows, blobs
