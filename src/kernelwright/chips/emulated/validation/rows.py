"""Measured int8 GEMM timings as text: one row a shape, with the tile of the kernel that ran."""

import csv
import io
from dataclasses import dataclass, fields
from pathlib import Path

from kernelwright.core.errors import RequestError

CHIPS = ("zw810e", "zw810")


@dataclass(frozen=True)
class GemmRow:
    """One measurement: C [m, n] = A [m, k] x B [n, k] for each of `num_groups`, in int8; `time_us` microseconds.

    `m` is by group (with `masked` its expected value), `cus` how many programs the grid held, `block_*` the tile,
    `warp_*` the part of one warp, `smem_bytes` what the tuner noted as shared memory.
    """

    chip: str
    m: int
    n: int
    k: int
    num_groups: int
    masked: int
    cus: int
    block_m: int
    block_n: int
    block_k: int
    warp_m: int
    warp_n: int
    num_stages: int
    smem_bytes: int
    time_us: float

    @property
    def warps(self) -> int:
        """Return the warps of a block."""
        return (self.block_m // self.warp_m) * (self.block_n // self.warp_n)

    @property
    def states_its_tile(self) -> bool:
        """Return whether the noted shared memory is what the tile and its stages need, so that the tile is whole."""
        return self.smem_bytes == (self.block_m + self.block_n) * self.block_k * self.num_stages


COLUMNS = tuple(field.name for field in fields(GemmRow))


def load_rows(file: Path) -> tuple[GemmRow, ...]:
    """Return the rows of a CSV file. Raises RequestError naming the line that is not as it must be."""
    try:
        return parse_rows(file.read_text())
    except OSError as error:
        raise RequestError(f"cannot read {file.name}: {error.strerror}. Give a CSV file with --data.") from None
    except UnicodeDecodeError:
        raise RequestError(f"{file.name} must be text, it is not UTF-8. Give a CSV file with --data.") from None


def parse_rows(text: str) -> tuple[GemmRow, ...]:
    """Return the rows of CSV text whose first line names the columns, in any order. Raises RequestError."""
    reader = csv.DictReader(io.StringIO(text))
    names = [name.strip() for name in reader.fieldnames or ()]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise RequestError(f"the first line must name the columns {','.join(COLUMNS)}; missing: {','.join(missing)}")
    reader.fieldnames = names
    rows = tuple(_parse_row(values, reader.line_num) for values in reader)
    if not rows:
        raise RequestError("the data must hold at least one row, there is only the line of columns")
    return rows


def _parse_row(values: dict[str, str], line: int) -> GemmRow:
    if None in values or None in values.values():
        raise RequestError(f"line {line}: a row must have {len(COLUMNS)} fields, as the first line has")
    numbers = {name: _integer(values, name, line) for name in COLUMNS[1:-1]}
    chip = values["chip"].strip()
    if chip not in CHIPS:
        raise RequestError(f"line {line}: chip must be one of {', '.join(CHIPS)}, it is '{chip}'")
    try:
        time_us = float(values["time_us"])
    except (TypeError, ValueError):
        raise RequestError(f"line {line}: time_us must be microseconds, it is '{values['time_us']}'") from None
    if not 0 < time_us < float("inf"):
        raise RequestError(f"line {line}: time_us must be positive and finite, it is {time_us}")
    row = GemmRow(chip, **numbers, time_us=time_us)
    _require_tile(row, line)
    return row


def _integer(values: dict[str, str], name: str, line: int) -> int:
    try:
        number = int(values[name])
    except (TypeError, ValueError):
        raise RequestError(f"line {line}: {name} must be an integer, it is '{values[name]}'") from None
    if name != "masked" and number < 1:
        raise RequestError(f"line {line}: {name} must be at least 1, it is {number}")
    if name == "masked" and number not in (0, 1):
        raise RequestError(f"line {line}: masked must be 0 or 1, it is {number}")
    return number


def _require_tile(row: GemmRow, line: int) -> None:
    for name in ("block_m", "block_n", "block_k"):
        size = getattr(row, name)
        if size < 16 or size & (size - 1):
            raise RequestError(f"line {line}: {name} must be a power of two of at least 16, it is {size}")
    for name in ("m", "n"):
        block, warp = getattr(row, f"block_{name}"), getattr(row, f"warp_{name}")
        if block % warp:
            raise RequestError(f"line {line}: warp_{name} must divide block_{name} {block}, it is {warp}")
    if row.warps > 32 or row.warps & (row.warps - 1):
        raise RequestError(f"line {line}: the warps of a block must be a power of two up to 32, they are {row.warps}")
