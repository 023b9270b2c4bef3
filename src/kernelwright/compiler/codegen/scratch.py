"""Places in a thread's scratch memory, fixed when the kernel is compiled."""

from collections.abc import Iterator
from contextlib import contextmanager

from kernelwright.compiler.codegen.journal import Space
from kernelwright.compiler.codegen.text import FunctionText
from kernelwright.compiler.codegen.values import Buffer
from kernelwright.compiler.features import LINE_BYTES
from kernelwright.core.errors import OverLimitError

LIMIT_BYTES = 64 << 20


class Scratch:
    """Hands out buffers; those of one region of the program are given back when it ends."""

    def __init__(self, function: FunctionText) -> None:
        self.f = function
        self._top = 0
        self.size_bytes = 0

    def pointer(self, size_bytes: int) -> str:
        """Return a register that points to `size_bytes` bytes, aligned to a cache line."""
        start = self._top
        self._top = -(-(start + size_bytes) // LINE_BYTES) * LINE_BYTES
        self.size_bytes = max(self.size_bytes, self._top)
        if self.size_bytes > LIMIT_BYTES:
            raise OverLimitError(
                f"a program's tiles need {self.size_bytes} bytes of scratch memory, the limit is {LIMIT_BYTES}. "
                "Reduce block sizes.",
                {"scratch_bytes": self.size_bytes, "limit_bytes": LIMIT_BYTES},
            )
        name = self.f.new_name("buffer")
        self.f.journal.add(Space(name, start, size_bytes))
        self.f.prologue(name, "ptr", f"getelementptr i8, ptr %scratch, i64 {start}")
        return name

    def buffer(self, shape: tuple[int, ...], element: str, lane: int) -> Buffer:
        """Return a buffer whose contiguous dimension is `lane`, the others in row-major order."""
        order = ((lane, *(d for d in reversed(range(len(shape))) if d != lane))) if shape else ()
        return self.ordered(shape, element, order)

    def ordered(self, shape: tuple[int, ...], element: str, order: tuple[int, ...]) -> Buffer:
        """Return a buffer whose dimensions lie in `order`, the contiguous one first."""
        empty = Buffer(shape, element, order, "")
        return Buffer(shape, element, order, self.pointer(empty.size_bytes))

    @contextmanager
    def region(self) -> Iterator[None]:
        """Give back, at the end, what is handed out inside."""
        start = self._top
        yield
        self._top = start
