"""Launches from Python: tensors to addresses, first launch compiles."""

import os
import sys
import threading
from collections.abc import Sequence
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any, NamedTuple

from kernelwright.compiler.kernel import NativeKernel
from kernelwright.core.errors import RequestError


class _Place(NamedTuple):
    """Memory from `start` to before `end`, reached through argument `number`."""

    start: int
    end: int
    number: int


class LazyKernel:
    """A kernel as Triton IR; it is compiled when first launched, for overlapping and for disjoint arguments apart."""

    def __init__(self, ttir: str) -> None:
        self._ttir = ttir
        self._kernels: dict[bool, NativeKernel] = {}
        self._lock = threading.Lock()

    def launch(self, grid: tuple[int, int, int], args: Sequence[Any]) -> None:
        """Run the grid on the CPU and wait.

        `args` are the IR function's: numbers, None for a null pointer, or tensors (anything with `data_ptr`).
        `thread_count()` threads take part. Raises RequestError for a tensor that is not on the CPU.
        """
        values: list[Any] = []
        places: list[_Place | None] = []
        for number, arg in enumerate(args):
            if hasattr(arg, "data_ptr"):
                values.append(_address(number, arg))
                places.append(_storage(number, arg))
            else:
                values.append(0 if arg is None else arg)
        self._compiled(self._disjoint(places)).launch(grid, values, thread_count())

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
        from kernelwright.compiler.reader import read_module  # noqa: PLC0415  # triton imports us while it loads
        from kernelwright.compiler.writes import written_arguments  # noqa: PLC0415

        return written_arguments(read_module(self._ttir))

    def _compiled(self, noalias: bool) -> NativeKernel:
        known = self._kernels.get(noalias)
        if known is not None:
            return known
        from kernelwright.compiler import CompileOptions, compile_ttir  # noqa: PLC0415  # triton imports us while it loads

        with self._lock:
            if noalias not in self._kernels:
                self._kernels[noalias] = compile_ttir(self._ttir, CompileOptions(noalias=noalias, heard=True))
            return self._kernels[noalias]


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
