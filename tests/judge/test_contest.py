"""Comparing two kernels on a machine that is busy with something else: a session that answers as told."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import numpy as np
import pytest

from kernelwright.core.errors import HarnessError
from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Workload
from kernelwright.core.protocols import ChipSession
from kernelwright.core.timing import Conditions, Timing
from kernelwright.judge.cases import Case
from kernelwright.judge.contest import MOST_REPEATS, Contest, direct_of, looks
from kernelwright.judge.stages import FirstFailure, Limits, Station, Stopwatch
from kernelwright.judge.statistics import summarise
from kernelwright.judge.timing import is_polluted
from kernelwright.problems.contract import Inputs

A, B = LaunchPlan((), (), ()), LaunchPlan((), (), (), host_ns=1)
CALL_NS = 10_000_000
Answer = Callable[[str, int], Timing | Fault]


class ScriptedSession:
    """Answers request number n on inputs `key` with `answer(key, n)`, and keeps what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[tuple[str, tuple[int, ...]]] = []
        self._answer = answer

    def time(
        self, plans: Sequence[LaunchPlan], inputs: Sequence[str], schedule: Sequence[int], limit_s: float
    ) -> Timing | Fault:
        assert list(plans) == [A, B] and len(set(inputs)) == 1
        self.asked.append((inputs[0], tuple(schedule)))
        return self._answer(inputs[0], len(self.asked) - 1)


def calls(times: Iterable[float], lost: Mapping[int, int] | None = None) -> Timing:
    taken = tuple(int(time) for time in times)
    given = tuple((lost or {}).get(place, 0) for place in range(len(taken)))
    conditions = Conditions(threads=2, wall_ns=100, called_ns=80, waited_ns=sum(given), switches=1, load=1.0)
    return Timing(taken, given, conditions)


def contest(answer: Answer, workloads: int = 2, naps: list[float] | None = None) -> tuple[Contest, ScriptedSession]:
    session = ScriptedSession(answer)
    station = Station(cast(ChipSession, session), Limits())
    names = [f"w{number}" for number in range(workloads)]
    cases = [Case(Workload(n, "", False), n, 0, cast(Inputs, None), {}) for n in names]
    sleep = (naps if naps is not None else []).append
    return Contest(station, [A] * workloads, [B] * workloads, cases, Stopwatch(), sleep), session


def noisy(gain: float, noise: float, seed: int = 0) -> Answer:
    rng = np.random.default_rng(seed)
    speeds = np.array([1, gain, 1, gain, gain, 1])
    return lambda _key, _number: calls((CALL_NS / speeds * np.exp(rng.normal(0, noise, 6))).tolist())


@pytest.mark.parametrize("place", range(2, 6))
def test_a_disturbed_call_of_either_side_costs_the_whole_block(place: int) -> None:
    def answer(key: str, number: int) -> Timing:
        is_bad = number == 0
        return calls([CALL_NS * (3 if is_bad else 1)] * 6, {place: CALL_NS} if is_bad else None)

    naps: list[float] = []
    played, session = contest(answer, naps=naps)
    played.play(1)
    # Again, after the block of the other workload, after a rest, and all of it.
    assert [key for key, _schedule in session.asked] == ["w0", "w1", "w0"]
    assert {schedule for _key, schedule in session.asked} == {(0, 1, 0, 1, 1, 0)}
    assert len(naps) == 1
    assert all((pair.base == CALL_NS).all() and (pair.ours == CALL_NS).all() for pair in played.pairs)
    assert played.conditions is not None
    assert (played.conditions.blocks, played.conditions.repeated) == (2, 1)
    assert played.conditions.waited_ns == CALL_NS


def test_calls_that_warm_up_may_be_disturbed() -> None:
    played, session = contest(lambda _key, _number: calls([CALL_NS] * 6, {0: CALL_NS, 1: CALL_NS}))
    played.play(2)
    assert len(session.asked) == 4


def test_a_machine_that_stays_busy_is_a_fault_of_the_harness_after_a_fixed_number_of_blocks() -> None:
    naps: list[float] = []
    played, session = contest(lambda _key, _number: calls([CALL_NS] * 6, {3: CALL_NS}), naps=naps)
    with pytest.raises(HarnessError, match=r"98% of their time.*Let the machine come to rest"):
        played.play(5)
    assert len(session.asked) == 2 * (1 + MOST_REPEATS)
    assert naps == sorted(naps) and len(naps) == MOST_REPEATS


@pytest.mark.parametrize(
    ("time_ns", "lost_ns", "bad"),
    [
        (10_000_000, 190_000, False),
        (10_000_000, 210_000, True),
        (500_000, 40_000, False),  # what any thread may wait to wake
        (500_000, 60_000, True),
        (10_000_000, None, False),  # a system that does not tell
    ],
)
def test_pollution_is_a_share_of_the_call(time_ns: int, lost_ns: int | None, bad: bool) -> None:
    assert is_polluted(Timing((time_ns,), (lost_ns,))) is bad


def test_a_kernel_that_fails_while_timed_ends_the_contest() -> None:
    played, _session = contest(lambda _key, _number: Fault("incorrect", "inputs must be left as they are"))
    with pytest.raises(FirstFailure, match="left as they are"):
        played.play(1)


def test_discarding_does_not_favour_the_side_that_waits_more_often() -> None:
    rng = np.random.default_rng(1)

    def answer(_key: str, _number: int) -> Timing:
        # The candidate, twice as long, is hit twice as often, and hits take as long as a call of the best.
        hit = rng.random(6) < np.array([1, 2, 1, 2, 2, 1]) * 0.05
        times = CALL_NS * np.array([1, 2, 1, 2, 2, 1]) * np.exp(rng.normal(0, 0.01, 6)) + CALL_NS * hit
        return calls(times, dict.fromkeys(np.flatnonzero(hit).tolist(), CALL_NS))

    ratios = summarise(contest(answer)[0].play(60).pairs).geomean
    assert ratios.value == pytest.approx(0.5, rel=0.005)
    assert ratios.ci95[0] <= 0.5 <= ratios.ci95[1]


def test_when_a_comparison_may_end_depends_on_the_number_of_workloads_only() -> None:
    for workloads in (1, 6, 18, 40):
        planned = looks(workloads)
        assert planned == looks(workloads)
        assert [look.blocks for look in planned] == sorted({look.blocks for look in planned})
        assert sum(look.miss for look in planned) == pytest.approx(0.05)
    assert [look.blocks for look in looks(18)] == [4, 8, 16]
    assert looks(1)[-1].blocks == 64


@pytest.mark.parametrize(
    ("gain", "noise", "ends"),
    [(1.5, 0.01, 0), (0.9, 0.01, 0), (1.006, 0.05, 2)],
    ids=["clearly better", "behind", "hard to say"],
)
def test_a_comparison_ends_at_a_look_that_was_fixed_before(gain: float, noise: float, ends: int) -> None:
    played, session = contest(noisy(gain, noise, 3), 6)
    direct = direct_of(played, "best")
    assert direct.blocks == looks(6)[ends].blocks
    assert len(session.asked) == 6 * direct.blocks
    assert direct.conditions is not None and direct.conditions.blocks == 6 * direct.blocks


def test_the_interval_holds_the_truth_wherever_the_comparison_ends() -> None:
    trials = 150
    held = sum(_holds(direct_of(contest(noisy(1.01, 0.03, seed), 6)[0], "best").ci95, 1.01) for seed in range(trials))
    assert held / trials >= 0.91


def test_equal_kernels_are_not_promoted_and_a_gain_of_3_percent_is_found() -> None:
    """Noise of 5 % a call, far more than a quiet machine has."""
    trials = 60
    wrong, found = (
        sum(direct_of(contest(noisy(gain, 0.05, seed), 6)[0], "best").is_gain for seed in range(trials))
        for gain in (1.0, 1.03)
    )
    assert wrong <= 1
    assert found >= 0.9 * trials


def _holds(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] <= truth <= interval[1]
