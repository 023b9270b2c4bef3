"""What the machine takes from timed calls is seen, and told without guesses."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from kernelwright.chips.cpu import disturbance
from kernelwright.chips.cpu.disturbance import Reading, SystemProbe
from kernelwright.compiler.threads import pin_threads, thread_ids
from kernelwright.core.timing import Conditions, joined_conditions

CORE = min(os.sched_getaffinity(0))
BURN = f"import os; os.sched_setaffinity(0, [{CORE}]); print('on', flush=True)\nwhile True: pass"


@pytest.fixture
def burner() -> Iterator[None]:
    child = subprocess.Popen([sys.executable, "-c", BURN], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    yield
    child.kill()
    child.wait()
    child.stdout.close()


def _spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def _waited_ns(seconds: float) -> int:
    """Return what a thread of ours waits for its core while it computes for `seconds`."""
    found: list[int | None] = []

    def work() -> None:
        os.sched_setaffinity(0, [CORE])
        probe = SystemProbe([threading.get_native_id()], [CORE])
        before = probe.read()
        _spin(seconds)
        found.append(disturbance.waited_ns(before, probe.read()))
        probe.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0] is not None
    return found[0]


def test_a_thread_that_shares_its_core_is_seen_to_wait(burner: None) -> None:
    if SystemProbe([threading.get_native_id()], [CORE]).read().waited_ns is None:
        pytest.skip("the system does not tell")
    # Half of the core, or less where others want it too; a tenth is far beyond what counts as pollution.
    assert _waited_ns(0.3) > 0.03e9


def test_the_unluckiest_thread_and_what_the_hypervisor_took_make_the_loss() -> None:
    before, after = Reading((100, 200), (1000, 1000)), Reading((150, 500), (1000, 1010))
    assert disturbance.waited_ns(before, after) == 300
    assert disturbance.lost_ns(before, after) == 310


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        (Reading(None, (5,)), Reading(None, (7,)), 2),
        (Reading((5,), None), Reading((8,), None), 3),
        (Reading(None, None), Reading(None, None), None),
    ],
)
def test_what_the_system_does_not_tell_is_left_out_or_unknown(
    before: Reading, after: Reading, lost: int | None
) -> None:
    assert disturbance.lost_ns(before, after) == lost


def test_a_thread_that_is_gone_is_unknown_and_no_failure() -> None:
    probe = SystemProbe([2**22 + 1], [10**6])
    assert probe.read() == Reading(None, None)
    assert disturbance.migrations([2**22 + 1]) is None
    probe.close()


def test_every_thread_that_kernels_run_on_is_known() -> None:
    threads = thread_ids(3)
    assert len(set(threads)) == 3
    assert threads[0] == threading.get_native_id()
    assert {int(name) for name in os.listdir("/proc/self/task")} >= set(threads)
    assert thread_ids(2) == threads[:2]


def test_threads_are_favoured_for_the_time_of_calls_only() -> None:
    threads = thread_ids(2)
    policies = []
    with disturbance.favoured(threads):
        policies = [os.sched_getscheduler(thread) for thread in threads]
    # Without the right to it all stay as they were.
    assert policies in ([os.SCHED_RR] * 2, [os.SCHED_OTHER] * 2)
    assert [os.sched_getscheduler(thread) for thread in threads] == [os.SCHED_OTHER] * 2


def test_the_conditions_of_a_session_name_threads_cores_and_what_happened() -> None:
    threads = thread_ids(1)
    pin_threads([CORE])
    try:
        session = disturbance.begin_session(threads, [CORE], SystemProbe(threads, [CORE]))
        _spin(0.01)
        found = session.conditions(called_ns=10_000_000, waits_ns=[1000, 2000])
    finally:
        pin_threads([])
    assert (found.cores, found.threads, found.called_ns, found.waited_ns) == ((CORE,), 1, 10_000_000, 3000)
    assert found.wall_ns >= 10_000_000
    assert found.scheduling == "shared"
    assert found.migrations in (0, None)
    assert found.switches is not None and found.switches >= 0
    assert found.load is not None and found.load >= 0


def test_conditions_of_one_session_after_another_add_up_and_unknown_stays_unknown() -> None:
    first = Conditions((0, 1), 2, "shared", None, 3e9, 100, 80, 5, 0.5, 1, None, 1.0)
    second = Conditions((0, 1), 2, "shared", None, 2e9, 300, 120, 6, 0.1, 2, 0, 4.0)
    both = joined_conditions([first, None, second], 7, 1)
    assert both == Conditions((0, 1), 2, "shared", None, 2e9, 400, 200, 11, 0.2, 3, None, 4.0, 7, 1)
    assert joined_conditions([None], 1, 0) is None


def test_reading_the_probe_costs_little_beside_a_call() -> None:
    threads = thread_ids(2)
    probe = SystemProbe(threads, [CORE])
    before = time.thread_time_ns()
    for _ in range(200):
        probe.read()
    # Processor time, not wall time: 20 us a reading here; calls that are timed take milliseconds.
    assert (time.thread_time_ns() - before) / 200 < 1_000_000
    probe.close()
