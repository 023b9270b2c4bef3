"""Timed calls find none of their inputs in the cache, and both sides meet the same memory."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelwright.chips.cpu.memory import Bytes, Store
from kernelwright.chips.cpu.program import Program
from kernelwright.chips.cpu.rotation import MOST_COPIES, Rotation, TimedCall, copies_to_rotate, turns_to_skip
from kernelwright.core.plan import Buffer, LaunchPlan

LLC = 1 << 20
BLOCK = 6
BASELINE, CANDIDATE = (2, 5), (3, 4)


def _plan(size: int) -> LaunchPlan:
    return LaunchPlan((), (Buffer("x", "input", "f32", size), Buffer("out", "output", "f32", 1 << 14)), ())


def _calls(size: int, swept: list[int] | None = None) -> tuple[Rotation, TimedCall, TimedCall]:
    rotation = Rotation(Store(1 << 28), LLC, 1 << 28)
    if swept is not None:
        rotation._sweep = lambda: swept.append(1)  # type: ignore[method-assign]
    arrays: dict[str, Bytes] = {"x": np.zeros(size, np.uint8)}
    first, second = (rotation.caller(name, Program(_plan(size), ()), "key", arrays) for name in ("a", "b"))
    return rotation, first, second


def _turns(size: int, blocks: int) -> list[int]:
    """Return which copy each call of `blocks` blocks of six reads."""
    rotation, first, second = _calls(size)
    turns = []
    for _ in range(blocks):
        for item in (0, 1, 0, 1, 1, 0):
            call = (first, second)[item]
            call.prepare()
            turns.append(call._turn)
        rotation.shift(["key"], BLOCK)
    return turns


@pytest.mark.parametrize("share", [2.0, 1.0, 0.7, 0.2, 0.11, 0.04])
def test_between_two_uses_of_a_copy_more_than_the_cache_is_read(share: float) -> None:
    size = int(share * LLC) // 64 * 64
    turns = _turns(size, 30)
    last: dict[int, int] = {}
    for place, turn in enumerate(turns):
        if turn in last:
            assert (place - last[turn] - 1) * size >= LLC
        last[turn] = place
    assert len(last) == copies_to_rotate(size, LLC)


def test_inputs_too_small_to_fill_the_cache_with_copies_are_swept_out_before_every_call() -> None:
    swept: list[int] = []
    _rotation, first, second = _calls(1024, swept)
    for number, call in enumerate((first, second, second, first)):
        call.prepare()
        assert len(swept) == number + 1
    assert copies_to_rotate(1024, LLC) == MOST_COPIES


@pytest.mark.parametrize("share", [2.0, 0.7, 0.52, 0.3, 0.11, 0.04])
def test_baseline_and_candidate_read_every_copy_equally_often(share: float) -> None:
    size = int(share * LLC) // 64 * 64
    copies = copies_to_rotate(size, LLC)
    turns = np.array(_turns(size, copies)).reshape(copies, BLOCK)
    for side in (BASELINE, CANDIDATE):
        assert np.bincount(turns[:, side].ravel(), minlength=copies).tolist() == [2] * copies


@given(st.integers(1, 100), st.integers(2, MOST_COPIES))
def test_blocks_begin_on_every_copy_in_turn(calls: int, copies: int) -> None:
    step = calls + turns_to_skip(calls, copies)
    assert math.gcd(step, copies) == 1
    assert len({block * step % copies for block in range(copies)}) == copies


def test_outputs_of_both_sides_change_places_and_stay_apart() -> None:
    rotation, first, second = _calls(LLC)
    met: dict[str, set[int]] = {"first": set(), "second": set()}
    for _ in range(40):
        rotation.shuffle([first, second])
        for name, call in (("first", first), ("second", second)):
            met[name].add(call._own._block.address)
        assert first._own._block is not second._own._block
    assert met["first"] == met["second"] and len(met["first"]) == 2


def test_moved_outputs_are_the_ones_that_are_poisoned_and_read() -> None:
    rotation, first, second = _calls(LLC)
    rotation.shuffle([first, second])
    first.prepare()
    ((name, found),) = first.outputs()
    assert name == "out" and (found == 0xFF).all()
    first.require_left_alone({"x": np.zeros(LLC, np.uint8)})
