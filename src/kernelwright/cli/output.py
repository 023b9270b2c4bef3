"""Results on stdout, progress on stderr."""

import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from kernelwright.core.codec import to_json
from kernelwright.core.errors import RequestError

_PLAIN_WIDTH = 400
# Without a terminal, small steps are told only after so many seconds without a line.
SILENCE_S = 20.0


class Output:
    """How one command speaks. With `json` stdout carries exactly one object."""

    def __init__(self, json: bool) -> None:
        self.json = json
        self._started_s = time.monotonic()
        self._is_terminal = sys.stderr.isatty()
        self._transient = 0
        self._spoke_s = self._started_s

    def say(self, text: str) -> None:
        """Write a line of progress that stays, with the time since the start."""
        self._wipe()
        self._spoke_s = time.monotonic()
        print(f"[{self._elapsed()}] {text}", file=sys.stderr, flush=True)

    def phase(self, text: str) -> None:
        """Show what is going on now: on a terminal until the next line, elsewhere a line now and then."""
        if not self._is_terminal:
            if time.monotonic() - self._spoke_s > SILENCE_S:
                self.say(text)
            return
        self._wipe()
        line = f"[{self._elapsed()}] {text}"[:100]
        print(line, end="\r", file=sys.stderr, flush=True)
        self._transient = len(line)

    def result(self, value: object, draw: Callable[[Console], None]) -> None:
        """Print the result: as JSON, or drawn for people."""
        self._wipe()
        if self.json:
            print(json.dumps(_finite(to_json(value)), allow_nan=False), flush=True)
        else:
            draw(console())

    def next(self, command: str) -> None:
        """Say what to do next, to people."""
        if not self.json:
            print(f"next: {command}", flush=True)

    def _elapsed(self) -> str:
        seconds = int(time.monotonic() - self._started_s)
        return f"{seconds // 60:02d}:{seconds % 60:02d}"

    def _wipe(self) -> None:
        if self._transient:
            print(" " * self._transient, end="\r", file=sys.stderr)
            self._transient = 0


def console() -> Console:
    """Return a console on stdout; as wide as needed when that is no terminal."""
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def show_rows(output: Output, what: str, rows: Sequence[Mapping[str, object]], following: str) -> None:
    """Print `rows` as a table under their keys, or as JSON under `what`, and the command that may follow."""
    from kernelwright.report import Table, print_table  # noqa: PLC0415  # lazy

    headings = tuple(rows[0]) if rows else (what,)
    cells = tuple(tuple(_cell(value) for value in row.values()) for row in rows)
    table = Table("", headings, cells, left=len(headings))
    output.result({what: rows}, lambda console: print_table(table, console))
    output.next(following)


def write_text(file: Path, text: str, what: str) -> None:
    """Write a file and say so on stderr; raises RequestError where it cannot be written."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RequestError(f"the {what} must go to a file that can be written, {file}: {error.strerror}") from None
    print(f"wrote {file}", file=sys.stderr, flush=True)


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _finite(value: object) -> object:
    """Return JSON values with null for what JSON has no number for."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value
