import os
import signal
import time

import numpy as np
import pytest

from kernelwright.chips.catalogue import load_chip
from kernelwright.chips.cpu.host import load_host
from kernelwright.chips.cpu.session import CpuSession
from kernelwright.core.errors import HarnessError
from kernelwright.core.protocols import Chip, Execution
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
    assert isinstance(times, tuple) and len(times) == 4
    found = session.run(plan, "add", False, 0, LIMIT_S)
    assert isinstance(found, Execution)
    assert np.isnan(np.frombuffer(found.outputs["out"], np.float32)).all()


def test_timing_measures_the_launches_and_little_else(session: CpuSession) -> None:
    count = 1 << 22
    arrays = {name: np.ones(count, np.float32).tobytes() for name in ("x", "y", "out")}
    session.put("large", arrays)
    plan = kernels.add_plan(kernels.add, count)
    start = time.perf_counter_ns()
    times = session.time([plan], ["large"], [0] * 6, LIMIT_S)
    wall = time.perf_counter_ns() - start
    assert isinstance(times, tuple)
    # 48 MiB at less than a terabyte per second, and never more than the whole request took.
    assert min(times) > 48 * 1024
    assert sum(times) < wall
