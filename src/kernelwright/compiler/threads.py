"""A pool of native threads that runs the programs of a grid."""

import ctypes
import mmap
import os
import signal
import threading
import time
from collections.abc import Sequence
from functools import lru_cache

from kernelwright.compiler import pool_code
from kernelwright.compiler.features import host_features
from kernelwright.compiler.native import LinkedFunction, assemble, keep_loaded, link
from kernelwright.core.errors import HarnessError

_MOST_WORKERS = 1023
_SPIN_NS = 20_000
_SCRATCH_STEP = 1 << 16
_HUGE_PAGE = 1 << 21

_RUN_TYPE = ctypes.CFUNCTYPE(
    ctypes.c_int32,
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
    ctypes.c_int64, ctypes.c_int64, ctypes.c_int32, ctypes.c_void_p,
)  # fmt: skip


def run_grid(body: int, arguments: int, programs: int, threads: int, scratch_bytes: int = 0) -> int:
    """Run programs 0 to `programs` - 1 on `threads` threads, the caller among them, and wait for all.

    `body` is the address of `i32 body(ptr arguments, i64 first, i64 last, ptr scratch)`, which runs the
    programs first to last - 1; `scratch` is memory of the running thread, at least `scratch_bytes`, aligned to 64.
    Returns 0, or the first nonzero result of a body: then programs not yet begun are left out. The
    interpreter lock is released meanwhile; concurrent callers take turns.
    """
    return _pool().run(body, arguments, programs, threads, scratch_bytes)


def pin_threads(cpus: Sequence[int]) -> None:
    """Keep the calling thread on the first of `cpus` and pool threads on the next ones, in turn.

    No cpus: all threads go back to where the calling thread was allowed before the first pinning.
    """
    _pool().pin(tuple(cpus))


def thread_ids(threads: int) -> tuple[int, ...]:
    """Return the system's numbers of the threads that a grid on `threads` threads runs on, the caller's first.

    Those that have not begun are started.
    """
    return _pool().thread_ids(threads)


class _Memory:
    """Anonymous zeroed memory, aligned to a page, or to a huge page when large."""

    def __init__(self, size: int) -> None:
        padded = size + (_HUGE_PAGE if size >= _HUGE_PAGE else 0)
        self._map = mmap.mmap(-1, padded, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if padded != size and hasattr(mmap, "MADV_HUGEPAGE"):
            self._map.madvise(mmap.MADV_HUGEPAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self.size = size
        self.address = start if padded == size else -(-start // _HUGE_PAGE) * _HUGE_PAGE


class _Pool:
    """Workers of one process. A forked child must make its own: threads do not survive a fork."""

    def __init__(self) -> None:
        self._code = _linked_pool_code()
        self._run = _RUN_TYPE(self._code["kw_run"].address)
        self._lock = threading.Lock()
        self._control = _Memory(pool_code.SLOTS + pool_code.SLOT_BYTES * _MOST_WORKERS)
        self._workers = 0
        self._pinned: tuple[int, ...] = ()
        self._allowed = os.sched_getaffinity(0)
        # One for each thread, the caller's last: workers keep theirs when the caller's grows.
        self._scratch: dict[int, _Memory] = {}
        ctypes.c_int32.from_address(self._control.address + pool_code.SPINS).value = _spins()

    def run(self, body: int, arguments: int, programs: int, threads: int, scratch_bytes: int) -> int:
        """See `run_grid`."""
        if programs <= 0:
            return 0
        helpers = min(threads, programs, _MOST_WORKERS + 1) - 1
        chunk = 1 if programs < 64 * threads else programs // (32 * threads)
        with self._lock:
            if helpers > self._workers:
                self._start(helpers)
            caller = self._provide_scratch(helpers, scratch_bytes)
            return int(self._run(self._control.address, body, arguments, programs, chunk, helpers, caller))

    def pin(self, cpus: tuple[int, ...]) -> None:
        """See `pin_threads`."""
        with self._lock:
            self._pinned = cpus
            os.sched_setaffinity(0, cpus[:1] or self._allowed)
            for worker in range(self._workers):
                self._pin_worker(worker)

    def thread_ids(self, threads: int) -> tuple[int, ...]:
        """See `thread_ids`."""
        with self._lock:
            if threads - 1 > self._workers:
                self._provide_scratch(threads - 1, 0)
                self._start(threads - 1)
            return (threading.get_native_id(), *(self._thread_id(worker) for worker in range(threads - 1)))

    def _provide_scratch(self, helpers: int, wanted: int) -> int:
        for thread in (*range(helpers), -1):
            memory = self._scratch.get(thread)
            if memory is not None and memory.size >= wanted:
                continue
            memory = self._scratch[thread] = _Memory(-(-max(wanted, 1) // _SCRATCH_STEP) * _SCRATCH_STEP)
            if thread >= 0:
                ctypes.c_void_p.from_address(self._slot(thread) + pool_code.SLOT_SCRATCH).value = memory.address
        return self._scratch[-1].address

    def _start(self, helpers: int) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        # Signals are for Python's own threads.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            for worker in range(self._workers, helpers):
                slot = self._slot(worker)
                ctypes.c_void_p.from_address(slot + pool_code.SLOT_CONTROL).value = self._control.address
                handle = ctypes.c_size_t()
                code = ctypes.c_void_p(self._code["kw_worker"].address)
                failed = library.pthread_create(ctypes.byref(handle), None, code, ctypes.c_void_p(slot))
                if failed:
                    raise HarnessError(
                        f"{helpers} worker threads must start, the system refused: {os.strerror(failed)}"
                    )
                library.pthread_detach(handle)
                self._workers += 1
                if self._pinned:
                    self._pin_worker(worker)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _pin_worker(self, worker: int) -> None:
        chosen = {self._pinned[(worker + 1) % len(self._pinned)]} if self._pinned else self._allowed
        os.sched_setaffinity(self._thread_id(worker), chosen)

    def _thread_id(self, worker: int) -> int:
        """Return the system's number of a thread that was started; the thread itself writes it down."""
        number = ctypes.c_int32.from_address(self._slot(worker) + pool_code.SLOT_THREAD)
        while number.value == 0:
            time.sleep(0)
        return number.value

    def _slot(self, worker: int) -> int:
        return self._control.address + pool_code.SLOTS + pool_code.SLOT_BYTES * worker


@lru_cache(maxsize=1)
def _linked_pool_code() -> dict[str, LinkedFunction]:
    features = host_features()
    code = assemble(pool_code.pool_code(features.arch), features)
    functions = {name: link(code, name) for name in ("kw_run", "kw_worker", "kw_spin")}
    keep_loaded(functions)
    return functions


@lru_cache(maxsize=1)
def _spins() -> int:
    """Return how many pauses take as long as a thread should spin before it sleeps."""
    spin = ctypes.CFUNCTYPE(None, ctypes.c_int64)(_linked_pool_code()["kw_spin"].address)
    spin(1000)
    start = time.perf_counter_ns()
    spin(1000)
    elapsed_ns = time.perf_counter_ns() - start
    return max(50, min(100_000, _SPIN_NS * 1000 // max(elapsed_ns, 1)))


@lru_cache(maxsize=1)
def _pool() -> _Pool:
    return _Pool()


os.register_at_fork(after_in_child=_pool.cache_clear)
