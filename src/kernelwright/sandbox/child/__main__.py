"""The process that stands ready: imports torch and triton, then makes one cell after another for candidates.

It reads JSON lines from standard input, one a candidate, and the line `stop`, which ends the cell at work. Standard
output gets lines: `A` or `B`, a space and what that worker said, or `=`, a space and what became of a worker or cell.
No candidate code and nothing that candidate code said is ever in this process: cells write to the output themselves.
"""

import gc
import json
import os
import select
import sys
from collections.abc import Iterator

from kernelwright.sandbox.child import seccomp
from kernelwright.sandbox.child.cell import Cell, Walls, load_landlock, mapped_bytes, walls_of
from kernelwright.sandbox.child.pair import capture_in_pair
from kernelwright.sandbox.child.warm import warm_up

STOP = b"stop"
# The line before it may have been cut off when its cell was stopped.
OVER = b'\n= {"event": "over"}\n'


def main() -> None:
    """Serve candidates until the input ends."""
    seccomp.end_with_parent()
    seccomp.adopt_orphans()
    seccomp.hide_memory()
    walls = walls_of(sys.argv[1])
    load_landlock(walls)
    warm_up()
    gc.collect()
    gc.freeze()
    ready = {"event": "ready", "serves_many": serves_many(walls)}
    os.write(1, b"= " + json.dumps(ready).encode() + b"\n")
    requests = Requests()
    for line in requests:
        if line != STOP:
            mapped = mapped_bytes()
            cell = Cell(walls, lambda request=line, mapped=mapped: capture_in_pair(request, mapped))  # type: ignore[misc]
            requests.watch(cell)
            cell.wait()
            os.write(1, OVER)


def serves_many(walls: Walls) -> bool:
    """Return whether cells are apart enough for a second candidate."""
    return walls.confinement != "bubblewrap" or walls.fresh_namespaces


class Requests:
    """The lines of standard input."""

    def __init__(self) -> None:
        self._pending = b""
        self._has_ended = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield line after line until the input ends."""
        while True:
            line, found, rest = self._pending.partition(b"\n")
            if found:
                self._pending = rest
                yield line
            elif self._has_ended:
                return
            else:
                self._read()

    def watch(self, cell: Cell) -> None:
        """Return when the first process of `cell` has ended; end it when `stop` or the end of the input comes."""
        handle = os.pidfd_open(cell.process)
        try:
            while True:
                watched = [handle] if self._has_ended else [handle, 0]
                if handle in select.select(watched, [], [])[0]:
                    return
                self._read()
                if self._has_ended or STOP in self._pending.split(b"\n"):
                    cell.kill()
        finally:
            os.close(handle)

    def _read(self) -> None:
        data = os.read(0, 1 << 20)
        self._has_ended = not data
        self._pending += data


if __name__ == "__main__":
    main()
