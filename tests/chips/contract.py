"""What every chip must do; a chip's own test file derives from `ChipContract` and gives the chip."""

from dataclasses import replace

import numpy as np
import pytest

from kernelwright.core.fault import Fault
from kernelwright.core.plan import KernelIR, Launch, LaunchOption, LaunchPlan
from kernelwright.core.protocols import Chip, ChipSession, Execution
from tests.chips import kernels

N = 1000
LIMIT_S = 20.0


def _floats(seed: int, n: int = N) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def _run(session: ChipSession, plan: LaunchPlan, checked: bool = False, poison: int = 0) -> Execution | Fault:
    return session.run(plan, "add", checked, poison, LIMIT_S)


class ChipContract:
    """Tests; `chip` is the fixture to define."""

    @pytest.fixture
    def session(self, chip: Chip):  # type: ignore[no-untyped-def]
        session = chip.open()
        x, y = _floats(1), _floats(2)
        session.put("add", {"x": x.data.cast("B"), "y": y.data.cast("B"), "out": bytes(4 * N)})
        yield session
        session.close()

    @pytest.mark.parametrize("checked", [False, True])
    @pytest.mark.parametrize("poison", [0, 1, 7])
    def test_a_plan_writes_its_outputs(self, session: ChipSession, checked: bool, poison: int) -> None:
        found = _run(session, kernels.add_plan(kernels.add, N), checked, poison)
        assert isinstance(found, Execution), found
        assert np.array_equal(np.frombuffer(found.outputs["out"], np.float32), _floats(1) + _floats(2))
        assert found.elapsed_ns > 0

    def test_scratch_is_filled_and_constants_are_uploaded_at_each_run(self, session: ChipSession) -> None:
        plan = kernels.scratch_plan(N, 0.0, 3)
        for poison in (0, 1):
            found = _run(session, plan, poison=poison)
            assert isinstance(found, Execution), found
            expected = _floats(2) + 3 + _floats(1).sum()
            np.testing.assert_allclose(np.frombuffer(found.outputs["out"], np.float32), expected, atol=1e-3)

    def test_scratch_without_fill_holds_poison(self, session: ChipSession) -> None:
        found = _run(session, kernels.scratch_plan(N, None, 3), poison=0)
        assert isinstance(found, Execution), found
        assert np.isnan(np.frombuffer(found.outputs["out"], np.float32)).all()

    @pytest.mark.parametrize("kept", [False, True])
    def test_stale_scratch_is_what_a_call_on_other_inputs_left(self, session: ChipSession, kept: bool) -> None:
        plan = kernels.scratch_plan(N, 0.0, 3)
        buffers = tuple(replace(b, kept=kept) if b.role == "scratch" else b for b in plan.buffers)
        found = session.run(replace(plan, buffers=buffers), "add", False, 1, LIMIT_S, stale=True)
        assert isinstance(found, Execution), found
        # Other inputs have their signs turned: sums of both calls cancel where scratch is not filled again.
        expected = _floats(2) + 3 + (0 if kept else _floats(1).sum())
        np.testing.assert_allclose(np.frombuffer(found.outputs["out"], np.float32), expected, atol=1e-3)

    def test_unwritten_output_holds_poison(self, session: ChipSession) -> None:
        plan = kernels.add_plan(kernels.add, N)
        empty = LaunchPlan(plan.kernels, plan.buffers, ())
        found = _run(session, empty, poison=0)
        assert isinstance(found, Execution)
        assert np.isnan(np.frombuffer(found.outputs["out"], np.float32)).all()

    @pytest.mark.parametrize("checked", [False, True])
    def test_an_output_with_contents_is_given_anew_to_every_call(self, session: ChipSession, checked: bool) -> None:
        plan = kernels.in_place_plan(N)
        start = _floats(3)
        arrays = {"x": _floats(1), "y": _floats(2), "out": start}
        session.put("accumulate", {name: array.data.cast("B") for name, array in arrays.items()})
        expected = start + _floats(1) + _floats(2)
        for poison in (0, 1):
            found = session.run(plan, "accumulate", checked, poison, LIMIT_S)
            assert isinstance(found, Execution), found
            np.testing.assert_allclose(np.frombuffer(found.outputs["out"], np.float32), expected, rtol=1e-6)
        times = session.time([plan], ["accumulate"], [0, 0, 0], LIMIT_S)
        assert not isinstance(times, Fault) and len(times.times_ns) == 3
        witness = np.frombuffer(session.witness(plan, "accumulate")["out"], np.float32)
        np.testing.assert_allclose(witness, expected, rtol=1e-6)

    def test_loading_tells_the_machine_code(self, session: ChipSession) -> None:
        loaded = session.load(kernels.add_plan(kernels.add, N), False, LIMIT_S)
        other = session.load(kernels.add_plan(kernels.add_in_place, N), False, LIMIT_S)
        assert not isinstance(loaded, Fault) and not isinstance(other, Fault)
        assert len(loaded.machine_sha256) == 64
        assert loaded.machine_sha256 != other.machine_sha256

    def test_reading_past_the_end_is_a_memory_fault_when_checked(self, session: ChipSession) -> None:
        found = _run(session, kernels.add_plan(kernels.add_reading_past, N), checked=True)
        assert isinstance(found, Fault)
        assert found.status == "memory_fault"
        assert "reads" in found.reason and "x" in found.reason and "4000" in found.reason and "line" in found.reason
        assert found.facts["buffer"] == "x"
        offset = found.facts["offset_bytes"]
        assert isinstance(offset, int) and 4 * N - 64 < offset <= 4 * N  # accesses are vectors of up to 64 bytes
        assert found.facts["program"] == [7, 0, 0]

    def test_equal_faults_have_equal_text(self, session: ChipSession) -> None:
        plan = kernels.add_plan(kernels.add_reading_past, N)
        assert len({str(_run(session, plan, checked=True, poison=seed)) for seed in range(4)}) == 1

    def test_writing_past_the_end_is_seen_by_the_guards_when_unchecked(self, session: ChipSession) -> None:
        found = _run(session, kernels.add_plan(kernels.add_writing_past, N))
        assert isinstance(found, Fault)
        assert found.status == "memory_fault"
        assert "'out'" in found.reason

    @pytest.mark.parametrize("checked", [False, True])
    def test_modified_inputs_are_incorrect(self, session: ChipSession, checked: bool) -> None:
        found = _run(session, kernels.add_plan(kernels.add_in_place, N), checked)
        assert isinstance(found, Fault)
        assert found.status == "incorrect"
        assert "x" in found.reason

    def test_an_endless_launch_ends_as_timeout_and_the_session_lives_on(self, session: ChipSession) -> None:
        found = session.run(kernels.add_plan(kernels.add_endless, N), "add", False, 0, 1.0)
        assert isinstance(found, Fault)
        assert found.status == "timeout"
        assert "'add_endless'" in found.reason and "1 s" in found.reason
        assert isinstance(_run(session, kernels.add_plan(kernels.add, N)), Execution)

    def test_a_crash_is_the_candidates_fault_and_the_session_lives_on(self, session: ChipSession) -> None:
        found = _run(session, kernels.add_plan(kernels.add_far_away, N))
        assert isinstance(found, Fault)
        assert found.status == "memory_fault"
        assert "'add_far_away'" in found.reason
        assert isinstance(_run(session, kernels.add_plan(kernels.add, N)), Execution)

    def test_times_follow_the_schedule(self, session: ChipSession) -> None:
        plans = [kernels.add_plan(kernels.add, N), kernels.scratch_plan(N, 0.0, 1)]
        times = session.time(plans, ["add", "add"], (0, 1, 1, 0, 0), LIMIT_S)
        assert not isinstance(times, Fault)
        assert len(times.times_ns) == len(times.lost_ns) == 5 and min(times.times_ns) > 0

    def test_a_timed_call_can_be_asked_for_its_outputs(self, session: ChipSession) -> None:
        plan = kernels.add_plan(kernels.add, N)
        for _ in range(2):
            assert not isinstance(session.time([plan], ["add"], (0, 0, 0), LIMIT_S), Fault)
            outputs = session.witness(plan, "add")
            assert np.array_equal(np.frombuffer(outputs["out"], np.float32), _floats(1) + _floats(2))

    def test_timed_calls_may_not_modify_inputs_and_later_ones_find_them_whole(self, session: ChipSession) -> None:
        found = session.time([kernels.add_plan(kernels.add_in_place, N)], ["add"], (0, 0), LIMIT_S)
        assert isinstance(found, Fault)
        assert found.status == "incorrect"
        assert "'x'" in found.reason
        honest = kernels.add_plan(kernels.add, N)
        assert not isinstance(session.time([honest], ["add"], (0,) * 70, LIMIT_S), Fault)
        assert np.array_equal(np.frombuffer(session.witness(honest, "add")["out"], np.float32), _floats(1) + _floats(2))

    def test_timed_calls_may_not_write_outside(self, session: ChipSession) -> None:
        found = session.time([kernels.add_plan(kernels.add_writing_past, N)], ["add"], (0,), LIMIT_S)
        assert isinstance(found, Fault)
        assert found.status == "memory_fault"

    def test_inputs_of_another_size_are_refused(self, session: ChipSession) -> None:
        found = _run(session, kernels.add_plan(kernels.add, N - 1))
        assert isinstance(found, Fault)
        assert found.status == "cheating"

    def test_inputs_can_be_replaced_and_dropped(self, session: ChipSession) -> None:
        plan = kernels.add_plan(kernels.add, N)
        assert isinstance(_run(session, plan), Execution)
        session.put("add", {"x": _floats(5).tobytes(), "y": _floats(6).tobytes(), "out": bytes(4 * N)})
        found = _run(session, plan)
        assert isinstance(found, Execution)
        assert np.array_equal(np.frombuffer(found.outputs["out"], np.float32), _floats(5) + _floats(6))
        session.drop("add")
        with pytest.raises(Exception, match="must be put"):
            _run(session, plan)

    def test_arguments_that_are_not_the_kernels_are_refused(self, session: ChipSession) -> None:
        plan = kernels.add_plan(kernels.add, N)
        option = plan.launches[0].options[0]
        short = LaunchOption(0, option.grid, option.args[:-1])
        found = session.load(LaunchPlan(plan.kernels, plan.buffers, (Launch((short,)),)), False, LIMIT_S)
        assert isinstance(found, Fault)
        assert found.status == "cheating"

    def test_text_that_is_no_ir_does_not_compile(self, session: ChipSession) -> None:
        plan = kernels.add_plan(kernels.add, N)
        broken = KernelIR("broken", "module { tt.func public @broken( }", "")
        found = session.load(LaunchPlan((broken,), plan.buffers, plan.launches), False, LIMIT_S)
        assert isinstance(found, Fault)
        assert found.status == "compile_error"

    def test_closing_twice_is_fine(self, session: ChipSession) -> None:
        session.close()
        session.close()

    def test_the_spec_names_the_chip(self, chip: Chip) -> None:
        assert chip.spec.name
        assert chip.spec.threads > 0
