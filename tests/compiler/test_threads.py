"""The thread pool runs every program once, on as many threads as asked."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelwright.compiler.threads import pin_threads, run_grid
from tests.compiler.bodies import COUNT, SCRATCH, linked


@settings(max_examples=40, deadline=None)
@given(programs=st.integers(0, 3000), threads=st.integers(1, 9))
def test_every_program_runs_exactly_once(programs: int, threads: int) -> None:
    body = linked(COUNT.format(stop=-1))
    counts = np.zeros(3001, np.int64)
    assert run_grid(body.address, counts.ctypes.data, programs, threads) == 0
    assert (counts[:programs] == 1).all()
    assert (counts[programs:] == 0).all()


def test_a_result_that_is_not_zero_is_returned_and_stops_the_grid() -> None:
    body = linked(COUNT.format(stop=10))
    counts = np.zeros(10_000_000, np.int64)
    assert run_grid(body.address, counts.ctypes.data, counts.size, 2) == 9
    assert counts.sum() < counts.size
    assert run_grid(body.address, counts.ctypes.data, 5, 2) == 0


@pytest.mark.parametrize("wanted", [1, 70_000, 5 << 20])
def test_each_thread_has_its_own_aligned_scratch_of_the_size_asked(wanted: int) -> None:
    body = linked(SCRATCH.format(last_byte=wanted - 1))
    rows = np.zeros((256, 3), np.int64)
    run_grid(body.address, rows.ctypes.data, 256, 4, wanted)
    addresses = sorted(set(rows[:, 0].tolist()) - {0})
    assert 1 <= len(addresses) <= 4
    assert all(address % 64 == 0 for address in addresses)
    gaps = [b - a for a, b in pairwise(addresses)]
    assert all(gap >= wanted for gap in gaps)


def test_few_programs_are_handed_out_one_by_one_and_many_in_chunks() -> None:
    body = linked(SCRATCH.format(last_byte=0))
    few, many = np.zeros((100, 3), np.int64), np.zeros((100_000, 3), np.int64)
    run_grid(body.address, few.ctypes.data, 100, 2, 64)
    assert (few[:, 2] - few[:, 1] == 1).all()
    run_grid(body.address, many.ctypes.data, 100_000, 2, 64)
    begun = many[many[:, 0] != 0]
    assert (begun[:, 2] - begun[:, 1]).sum() == 100_000
    assert len(begun) < 200


def test_callers_from_several_python_threads_take_turns() -> None:
    body = linked(COUNT.format(stop=-1))
    counts = [np.zeros(5000, np.int64) for _ in range(8)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda c: run_grid(body.address, c.ctypes.data, c.size, 3), counts))
    assert results == [0] * 8
    assert all((c == 1).all() for c in counts)


def test_the_interpreter_lock_is_free_while_a_grid_runs() -> None:
    body = linked(COUNT.format(stop=-1))
    counts = np.zeros(20_000_000, np.int64)
    ticks: list[int] = []
    ready, done = threading.Event(), threading.Event()

    def tick() -> None:
        ready.set()
        while not done.is_set():
            ticks.append(1)
            done.wait(0.0005)

    watcher = threading.Thread(target=tick)
    watcher.start()
    ready.wait()
    before = len(ticks)
    run_grid(body.address, counts.ctypes.data, counts.size, 1)
    during = len(ticks) - before
    done.set()
    watcher.join()
    assert during > 3


def test_a_forked_child_has_a_pool_of_its_own() -> None:
    body = linked(COUNT.format(stop=-1))
    counts = np.zeros(1000, np.int64)
    run_grid(body.address, counts.ctypes.data, 1000, 3)
    child = os.fork()
    if child == 0:
        mine = np.zeros(1000, np.int64)
        good = run_grid(body.address, mine.ctypes.data, 1000, 3) == 0 and bool((mine == 1).all())
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert run_grid(body.address, counts.ctypes.data, 1000, 3) == 0
    assert (counts == 2).all()


def test_pinned_threads_stay_where_they_are_put_and_go_back() -> None:
    body = linked(COUNT.format(stop=-1))
    counts = np.zeros(100, np.int64)
    allowed = os.sched_getaffinity(0)
    one = min(allowed)
    try:
        pin_threads([one])
        run_grid(body.address, counts.ctypes.data, 100, 3)
        places = [os.sched_getaffinity(int(thread)) for thread in os.listdir("/proc/self/task")]
        assert os.sched_getaffinity(0) == {one}
        assert sum(place == {one} for place in places) >= 3
    finally:
        pin_threads([])
    assert os.sched_getaffinity(0) == allowed
    assert (counts == 1).all()
