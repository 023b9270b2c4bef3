import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from kernelwright.chips.catalogue import load_chip
from kernelwright.chips.cpu.host import load_host
from kernelwright.chips.cpu.session import CpuSession
from kernelwright.core.errors import HarnessError
from kernelwright.core.fault import Fault
from kernelwright.core.protocols import Chip, Execution, Loaded
from kernelwright.core.timing import Timing
from tests.chips import kernels
from tests.chips.contract import LIMIT_S, ChipContract


class TestCpu(ChipContract):
    @pytest.fixture
    def chip(self) -> Chip:
        return load_chip("cpu")


@pytest.fixture
def session():  # type: ignore[no-untyped-def]
    opened = CpuSession(load_host())
    opened.put("add", {name: np.ones(1000, np.float32).tobytes() for name in ("x", "y", "out")})
    yield opened
    opened.close()


def _worker_pid(session: CpuSession) -> int:
    return session._alive().process.pid


def test_a_worker_killed_while_waiting_is_replaced_and_knows_everything_again(session: CpuSession) -> None:
    plan = kernels.add_plan(kernels.add, 1000)
    assert isinstance(session.run(plan, "add", False, 0, LIMIT_S), Execution)
    os.kill(_worker_pid(session), signal.SIGKILL)
    found = session.run(plan, "add", False, 0, LIMIT_S)
    assert isinstance(found, Execution)
    assert (np.frombuffer(found.outputs["out"], np.float32) == 2).all()


def test_the_worker_ends_with_the_session(session: CpuSession) -> None:
    pid = _worker_pid(session)
    session.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(HarnessError, match="must be open"):
        session.run(kernels.add_plan(kernels.add, 1000), "add", False, 0, LIMIT_S)


def test_the_worker_runs_on_the_cores_of_the_chip(session: CpuSession) -> None:
    assert os.sched_getaffinity(_worker_pid(session)) == set(load_host().cores)


def test_every_timed_call_finds_poisoned_outputs_and_scratch(session: CpuSession) -> None:
    # The second launch reads the output of the first run, if that were still there.
    plan = kernels.scratch_plan(1000, None, 1)
    times = session.time([plan], ["add"], [0] * 4, LIMIT_S)
    assert isinstance(times, Timing) and len(times.times_ns) == 4
    found = session.run(plan, "add", False, 0, LIMIT_S)
    assert isinstance(found, Execution)
    assert np.isnan(np.frombuffer(found.outputs["out"], np.float32)).all()


@pytest.mark.parametrize("kernel", [kernels.sum_by_last, kernels.sum_in_turn], ids=["last", "turn"])
def test_programs_in_order_pass_the_check(session: CpuSession, kernel: object) -> None:
    found = session.run(kernels.sum_plan(kernel, 1000), "add", True, 0, LIMIT_S)
    assert isinstance(found, Execution), found
    assert np.frombuffer(found.outputs["out"], np.float32)[0] == 1000


def test_racing_programs_are_a_memory_fault_when_checked(session: CpuSession) -> None:
    plan = kernels.add_plan(kernels.add_overlapping, 1000)
    assert isinstance(session.run(plan, "add", False, 0, LIMIT_S), Execution)
    found = session.run(plan, "add", True, 0, LIMIT_S)
    assert isinstance(found, Fault)
    assert found.status == "memory_fault"
    assert "of add_overlapping must not race: program (1, 0, 0) writes 4 bytes at byte 508 of out" in found.reason
    assert (found.facts["program"], found.facts["other_program"]) == ([1, 0, 0], [0, 0, 0])
    assert found.facts["line"] == found.facts["other_line"]
    assert session.run(plan, "add", True, 1, LIMIT_S) == found


def test_an_order_that_holds_in_one_order_of_programs_only_is_a_race(session: CpuSession) -> None:
    found = session.run(kernels.sum_plan(kernels.sum_by_luck, 1000), "add", True, 0, LIMIT_S)
    assert isinstance(found, Fault)
    assert found.status == "memory_fault" and "of partial" in found.reason


def test_a_program_that_waits_for_a_later_one_is_a_timeout_that_says_so(session: CpuSession) -> None:
    found = session.run(kernels.sum_plan(kernels.sum_in_reverse, 1000), "add", True, 0, LIMIT_S)
    assert isinstance(found, Fault)
    assert found.status == "timeout"
    assert "must not wait for a program that may not have begun: program (0, 0, 0)" in found.reason


def test_timing_measures_the_launches_and_little_else(session: CpuSession) -> None:
    count = 1 << 22
    arrays = {name: np.ones(count, np.float32).tobytes() for name in ("x", "y", "out")}
    session.put("large", arrays)
    plan = kernels.add_plan(kernels.add, count)
    start = time.perf_counter_ns()
    times = session.time([plan], ["large"], [0] * 6, LIMIT_S)
    wall = time.perf_counter_ns() - start
    assert isinstance(times, Timing)
    # 48 MiB at less than a terabyte per second, and never more than the whole request took.
    assert min(times.times_ns) > 48 * 1024
    assert sum(times.times_ns) < wall


# What a shell may set to slow a side, or to change what code is made of a kernel.
HOSTILE = {
    "OMP_NUM_THREADS": "1",
    "KERNELWRIGHT_CHECKED": "1",
    "KERNELWRIGHT_NUM_THREADS": "1",
    "TRITON_INTERPRET": "1",
    "TRITON_DEFAULT_BACKEND": "none",
    "MALLOC_ARENA_MAX": "1",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=0",
    "PYTHONDEVMODE": "1",
}


def test_the_environment_of_the_judge_changes_nothing_for_either_side(monkeypatch: pytest.MonkeyPatch) -> None:
    host, plan = load_host(), kernels.add_plan(kernels.add, 1000)
    seen = []
    for environment in ({}, HOSTILE):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        opened = CpuSession(host)
        try:
            opened.put("add", {name: np.ones(1000, np.float32).tobytes() for name in ("x", "y", "out")})
            loaded = opened.load(plan, False, LIMIT_S)
            timing = opened.time([plan], ["add"], [0, 0], LIMIT_S)
            assert isinstance(loaded, Loaded) and isinstance(timing, Timing) and timing.conditions is not None
            given = Path(f"/proc/{_worker_pid(opened)}/environ").read_bytes().split(b"\0")
            seen.append((loaded.machine_sha256, timing.conditions.threads, timing.conditions.cores, sorted(given)))
        finally:
            opened.close()
    assert seen[0] == seen[1]
    assert not {line.partition(b"=")[0].decode() for line in seen[1][3]} & set(HOSTILE)


def test_each_timed_call_tells_what_it_lost_and_the_session_its_conditions(session: CpuSession) -> None:
    timing = session.time([kernels.add_plan(kernels.add, 1000)], ["add"], [0] * 5, LIMIT_S)
    assert isinstance(timing, Timing) and timing.conditions is not None
    host = load_host()
    assert timing.conditions.cores == host.cores and timing.conditions.threads == host.threads
    assert timing.conditions.called_ns == sum(timing.times_ns) < timing.conditions.wall_ns
    assert timing.conditions.scheduling in ("real time", "shared")
    assert len(timing.lost_ns) == 5 and all(lost is None or lost >= 0 for lost in timing.lost_ns)
    # Each thread may be moved once, to the core that it then stays on.
    moved = timing.conditions.migrations
    assert moved is None or 0 <= moved <= host.threads
