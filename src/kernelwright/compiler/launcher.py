"""Launches from Python: tensors to addresses, first launch compiles."""

import os
import sys
import threading
from collections.abc import Sequence
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any, NamedTuple

from kernelwright.compiler.faults import MemoryRange
from kernelwright.compiler.features import LINE_BYTES
from kernelwright.compiler.kernel import NativeKernel
from kernelwright.compiler.options import CompileOptions
from kernelwright.core.errors import RequestError

# What a launch writes at least to be written past the caches: half of a last-level cache of 32 MiB, whose
# other half holds what it read. The C library's copies draw the line at a similar place.
_LEAST_STREAMED_BYTES = 16 << 20


class _Place(NamedTuple):
    """Memory from `start` to before `end`, reached through argument `number`."""

    start: int
    end: int
    number: int


class _Way(NamedTuple):
    """A way of launching that code is compiled for; fields as in `CompileOptions`, and cheap to look up."""

    checked: bool = False
    noalias: bool = False
    streaming: bool = False


class LazyKernel:
    """A kernel as Triton IR; it is compiled when first launched, for each way of launching apart."""

    def __init__(self, ttir: str) -> None:
        self._ttir = ttir
        self._kernels: dict[_Way, NativeKernel] = {}
        self._lock = threading.Lock()

    def launch(self, grid: tuple[int, int, int], args: Sequence[Any]) -> None:
        """Run the grid on the CPU and wait.

        `args` are the IR function's: numbers, None for a null pointer, or tensors (anything with `data_ptr`).
        `thread_count()` threads take part. Raises RequestError for a tensor that is not on the CPU, and, if
        `is_checked()`, MemoryFault for an access outside of the tensors' storages.
        """
        values: list[Any] = []
        places: list[_Place | None] = []
        for number, arg in enumerate(args):
            if hasattr(arg, "data_ptr"):
                values.append(_address(number, arg))
                places.append(_storage(number, arg))
            else:
                values.append(0 if arg is None else arg)
        if is_checked():
            ranges = [_range(place) for place in places if place is not None]
            self._compiled(_Way(checked=True)).launch(grid, values, thread_count(), ranges)
            return
        noalias = self._disjoint(places)
        streaming = noalias and self._streams(grid, values, places)
        self._compiled(_Way(False, noalias, streaming)).launch(grid, values, thread_count())

    def _streams(self, grid: tuple[int, int, int], values: list[Any], places: list[_Place | None]) -> bool:
        """Return whether the launch writes more than caches hold, to tensors that start at cache lines."""
        for place in places:
            if place is not None and place.end - place.start >= _LEAST_STREAMED_BYTES:
                break
        else:
            return False
        if grid[0] * grid[1] * grid[2] * self._stored_bytes < _LEAST_STREAMED_BYTES:
            return False
        return all(values[number] % LINE_BYTES == 0 for number in self._written)

    def _disjoint(self, places: list[_Place | None]) -> bool:
        """Return whether no memory is reached through two arguments, other than by reading."""
        known = [place for place in places if place is not None]
        if len(known) < len(places):
            return False
        ordered = sorted(known)
        if all(left.end <= right.start for left, right in pairwise(ordered)):
            return True
        written = self._written
        return not any(
            left.start < right.end and right.start < left.end and (left.number in written or right.number in written)
            for left, right in combinations(ordered, 2)
        )

    @cached_property
    def _written(self) -> frozenset[int]:
        from kernelwright.compiler.writes import written_arguments  # noqa: PLC0415  # triton imports us while it loads

        return written_arguments(self._module)

    @cached_property
    def _stored_bytes(self) -> int:
        from kernelwright.compiler.writes import stored_bytes  # noqa: PLC0415  # triton imports us while it loads

        return stored_bytes(self._module)

    @cached_property
    def _module(self) -> Any:
        from kernelwright.compiler.reader import read_module  # noqa: PLC0415  # triton imports us while it loads

        return read_module(self._ttir)

    def _compiled(self, way: _Way) -> NativeKernel:
        known = self._kernels.get(way)
        if known is not None:
            return known
        from kernelwright.compiler import compile_ttir  # noqa: PLC0415  # triton imports us while it loads

        with self._lock:
            if way not in self._kernels:
                self._kernels[way] = compile_ttir(self._ttir, CompileOptions(heard=True, **way._asdict()))
            return self._kernels[way]


def is_checked() -> bool:
    """Return whether launches check every access against their tensors: KERNELWRIGHT_CHECKED is 1.

    Raises RequestError when the variable is something else than 0 or 1.
    """
    text = os.environ.get("KERNELWRIGHT_CHECKED", "0")
    if text not in ("0", "1", ""):
        raise RequestError(f"KERNELWRIGHT_CHECKED must be 0 or 1, got '{text}'")
    return text == "1"


def thread_count() -> int:
    """Return on how many threads a launch runs: KERNELWRIGHT_NUM_THREADS, else torch's number, else all processors.

    Raises RequestError when the variable is not a positive number.
    """
    text = os.environ.get("KERNELWRIGHT_NUM_THREADS")
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise RequestError(f"KERNELWRIGHT_NUM_THREADS must be a positive number, got '{text}'")
        return int(text)
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch is not None else os.cpu_count() or 1


def _range(place: _Place) -> MemoryRange:
    return MemoryRange(place.start, place.end - place.start, writable=True, name=f"argument {place.number}")


def _address(number: int, tensor: Any) -> int:
    device = getattr(tensor, "device", None)
    if device is not None and getattr(device, "type", "cpu") != "cpu":
        raise RequestError(f"argument {number} must be a CPU tensor, got one on {device}. Move it with .cpu()")
    return int(tensor.data_ptr())


def _storage(number: int, tensor: Any) -> _Place | None:
    """Return the memory behind a tensor, None when it does not say.

    The whole storage counts: a kernel may step outside of a view.
    """
    storage = getattr(tensor, "untyped_storage", None)
    if storage is None:
        return None
    memory = storage()
    start = int(memory.data_ptr())
    return _Place(start, start + int(memory.nbytes()), number)
