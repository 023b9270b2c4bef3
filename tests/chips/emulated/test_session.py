"""The contract of every chip, on an emulated one; and what only exact times can promise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kernelwright.chips.emulated.chip import EmulatedChip
from kernelwright.chips.emulated.kept_times import KeptTimes
from kernelwright.chips.emulated.plan_time import PlanTimes, contents_of, fill_ns, time_plan
from kernelwright.chips.emulated.profiles.profile import load_profile
from kernelwright.core.errors import HarnessError
from kernelwright.core.fault import Fault
from kernelwright.core.plan import Buffer, KernelIR, LaunchPlan
from kernelwright.core.protocols import Chip, ChipSession
from tests.chips import kernels
from tests.chips.contract import LIMIT_S, ChipContract, N

NOT_EXECUTED = "timed calls of an emulated chip execute nothing: what they would do to memory, checked runs show"


@pytest.fixture(scope="module")
def emulated() -> EmulatedChip:
    chip = EmulatedChip(load_profile("m890"))
    chip.work_out_afresh()
    return chip


class TestEmulated(ChipContract):
    @pytest.fixture
    def chip(self, emulated: EmulatedChip) -> Chip:
        return emulated

    @pytest.mark.skip(reason=NOT_EXECUTED)
    def test_timed_calls_may_not_modify_inputs_and_later_ones_find_them_whole(self) -> None:  # type: ignore[override]
        pass

    @pytest.mark.skip(reason=NOT_EXECUTED)
    def test_timed_calls_may_not_write_outside(self) -> None:  # type: ignore[override]
        pass


@pytest.fixture
def session(emulated: EmulatedChip):  # type: ignore[no-untyped-def]
    opened = emulated.open()
    opened.put("nothing", {})
    yield opened
    opened.close()


def _ns(session: ChipSession, plan: LaunchPlan) -> int:
    timing = session.time([plan], ["nothing"], [0], LIMIT_S)
    assert not isinstance(timing, Fault), timing
    return timing.times_ns[0]


def test_times_are_exact_and_need_no_floats(session: ChipSession) -> None:
    plan = kernels.add_plan(kernels.add, N)
    timing = session.time([plan], ["nothing"], (0, 0, 0), LIMIT_S)
    assert not isinstance(timing, Fault)
    assert len(set(timing.times_ns)) == 1
    assert timing.lost_ns == (0, 0, 0) and timing.conditions is None


def test_a_session_of_its_own_gives_the_same_nanoseconds() -> None:
    found = set()
    for _ in range(2):
        chip = EmulatedChip(load_profile("m890"))
        plan = kernels.add_plan(kernels.add, N)
        found.add(time_plan(chip.machine, plan, contents_of(plan, {})).time_ns)
    assert len(found) == 1


def test_warps_make_another_plan_and_another_machine_code(session: ChipSession) -> None:
    plan = kernels.add_plan(kernels.add, N)
    wide = replace(plan, kernels=tuple(replace(kernel, num_warps=8) for kernel in plan.kernels))
    assert plan.sha256() == wide.sha256()
    assert plan.schedule_sha256() != wide.schedule_sha256()
    loaded = [session.load(one, False, LIMIT_S) for one in (plan, wide)]
    assert len({one.machine_sha256 for one in loaded if not isinstance(one, Fault)}) == 2


def test_scratch_and_constants_are_part_of_the_time(session: ChipSession, emulated: EmulatedChip) -> None:
    filled, raw = (_ns(session, kernels.scratch_plan(N, fill, 1)) for fill in (0.0, None))
    scratch = next(b for b in kernels.scratch_plan(N, 0.0, 1).buffers if b.role == "scratch")
    assert filled - raw == fill_ns(emulated.machine, scratch) > emulated.machine.launch_floor_ns


def test_filling_takes_a_launch_and_the_bytes_at_memory_rate(emulated: EmulatedChip) -> None:
    machine = emulated.machine
    small, large = (Buffer("s", "scratch", "f32", size, fill=0.0) for size in (64, 1 << 30))
    assert fill_ns(machine, small) == machine.launch_floor_ns + 1
    rate = machine.memory_bytes_per_s * machine.memory_efficiency
    assert fill_ns(machine, large) == pytest.approx(machine.launch_floor_ns + (1 << 30) / rate * 1e9, rel=1e-6)
    assert fill_ns(machine, replace(large, fill=None)) == 0


def test_a_kernel_that_the_chip_does_not_take_is_a_fault_of_its_plan(session: ChipSession) -> None:
    plan = kernels.add_plan(kernels.add, N)
    broken = replace(plan, kernels=(KernelIR("broken", "module { tt.func public @broken( }", ""),))
    found = session.time([plan, broken], ["nothing", "nothing"], (0, 1), LIMIT_S)
    assert isinstance(found, Fault)
    assert (found.status, found.facts["plan"]) == ("compile_error", 1)


def test_inputs_must_be_put_before_they_are_timed(session: ChipSession) -> None:
    with pytest.raises(HarnessError, match="must be put"):
        session.time([kernels.add_plan(kernels.add, N)], ["others"], [0], LIMIT_S)


def test_times_on_disk_are_found_by_the_next_process_and_only_by_the_same_code(
    tmp_path: Path, emulated: EmulatedChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = kernels.add_plan(kernels.add, N + 24)
    file = tmp_path / "cache" / "times.db"
    first = PlanTimes(emulated.machine, KeptTimes(file)).time_ns(plan, {})
    key = " ".join((emulated.times.identity, plan.schedule_sha256(), ""))
    kept = KeptTimes(file)
    kept.put(key, first)
    assert KeptTimes(file).get(key) == first
    monkeypatch.setattr("kernelwright.chips.emulated.kept_times.code_sha256", lambda: "0" * 64)
    assert KeptTimes(file).get(key) is None


def test_a_cache_that_cannot_be_used_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "times.db").write_bytes(b"no database at all" * 100)
    kept = KeptTimes(tmp_path / "times.db")
    kept.put("a", 1)
    assert kept.get("a") is None


def test_only_integers_count_as_contents(emulated: EmulatedChip) -> None:
    buffers = (
        Buffer("x", "input", "f32", 8),
        Buffer("i", "input", "i64", 16),
        Buffer("c", "constant", "i32", 8, data=(3, -1)),
        Buffer("s", "scratch", "i32", 8),
    )
    arrays = {"x": bytes(8), "i": np.array([7, 9], np.int64).tobytes()}
    found = contents_of(LaunchPlan((), buffers, ()), arrays)
    assert {number: array.tolist() for number, array in found.items()} == {1: [7, 9], 2: [3, -1]}
