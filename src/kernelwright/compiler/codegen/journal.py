"""What the code generator wrote for each op, kept for people who look at a program; nothing reads it back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kernelwright.compiler.ir import Op


@dataclass(frozen=True)
class Space:
    """Scratch memory handed out: `size_bytes` bytes from byte `start`; `pointer` is the register that holds it."""

    pointer: str
    start: int
    size_bytes: int


@dataclass
class Journal:
    """Records by the op that was being written: nests with their roots, products, spaces."""

    records: dict[Op, list[object]] = field(default_factory=dict)
    _op: Op | None = None

    def add(self, record: object) -> None:
        """Keep a record under the op that is being written."""
        if self._op is not None:
            self.records.setdefault(self._op, []).append(record)

    @contextmanager
    def writing(self, op: Op) -> Iterator[None]:
        """Keep what is added inside under `op`."""
        outer, self._op = self._op, op
        yield
        self._op = outer
