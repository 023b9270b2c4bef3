"""Baseline 2: the reference without its known weakness, its tiles tuned with the run's own number of evaluations."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Protocol

from kernelwright.core.errors import HarnessError, RequestError
from kernelwright.core.fault import Fault
from kernelwright.core.final import TunedBaseline, geomean
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.problem import Workload
from kernelwright.judge.cases import CaseMaker
from kernelwright.judge.course import Progress, put_cases
from kernelwright.judge.emulated_judge import EmulatedJudge
from kernelwright.judge.judgement import CandidateJudge
from kernelwright.problems.contract import LoadedProblem, TileConfig, Tuning

_CALLS = 3
# Rounds kept for timing the best configurations of each key again, when the budget allows.
_AGAIN = 3
# A first call this much slower than the best so far is not repeated.
_HOPELESS = 1.5
# No configuration of the reference is worth waiting longer for.
_LAUNCH_LIMIT_S = 5.0

Table = dict[str, TileConfig]


@dataclass
class _Key:
    """One row of the tile table: its workloads (by index), what to try in order, and the times found, in ns."""

    workloads: list[int]
    to_try: list[TileConfig]
    times: dict[TileConfig, list[float]] = field(default_factory=dict)

    def at(self, evaluation: int) -> TileConfig:
        """Return what to try at an evaluation: first each configuration, then the best ones known again."""
        if evaluation < len(self.to_try):
            return self.to_try[evaluation]
        ranking = self.ranking() or self.to_try[:1]
        return ranking[evaluation % len(ranking)]

    def ranking(self) -> list[TileConfig]:
        """Return the best configurations so far, the best first."""
        return sorted(self.times, key=lambda config: min(self.times[config]))[:_AGAIN]

    def best(self) -> TileConfig:
        """Return the configuration with the smallest time; raises HarnessError when none runs."""
        config = min(self.times, key=lambda config: min(self.times[config]))
        if math.isinf(min(self.times[config])):
            raise HarnessError("the tuned reference must run with at least one configuration, none does")
        return config


class _Timer(Protocol):
    """How tables are captured and timed."""

    def captured(self, table: Table) -> tuple[LaunchPlan, ...]:
        """Return the plans of the tuned reference with this table."""

    def compiled(self, plans: Sequence[LaunchPlan]) -> list[bool]:
        """Return for each workload whether its plan compiles."""

    def note_times(self, keys: Mapping[str, _Key], table: Table, plans: Sequence[LaunchPlan], runs: list[bool]) -> None:
        """Time the plans of one table and note the result of each key."""


@dataclass(frozen=True)
class _Emulated:
    """Tuning on an emulated chip: timed workloads alone, one call of `times` each; nothing is compiled or executed."""

    judge: EmulatedJudge
    tuning: Tuning
    times: Callable[[Sequence[LaunchPlan]], list[int | Fault]]

    def captured(self, table: Table) -> tuple[LaunchPlan, ...]:
        return self.judge.timed_plans_of(self.tuning.source(table))

    def compiled(self, plans: Sequence[LaunchPlan]) -> list[bool]:
        return [True] * len(plans)

    def note_times(self, keys: Mapping[str, _Key], table: Table, plans: Sequence[LaunchPlan], runs: list[bool]) -> None:
        times = self.times(plans)
        for name, key in keys.items():
            mine = [time for index in key.workloads if isinstance(time := times[index], int)]
            found = geomean(mine) if len(mine) == len(key.workloads) else None
            key.times.setdefault(table[name], []).append(found or math.inf)


@dataclass(frozen=True)
class _Tuning:
    """Tuning at work: the judge with its chip, the problem, and the inputs on the chip."""

    judge: CandidateJudge
    tuning: Tuning
    inputs: tuple[str, ...]

    def captured(self, table: Table) -> tuple[LaunchPlan, ...]:
        """Return the plans of the tuned reference with this table."""
        return self.judge.plans_of(self.tuning.source(table))

    def compiled(self, plans: Sequence[LaunchPlan]) -> list[bool]:
        """Return for each workload whether its plan compiles."""
        station = self.judge.station()
        return [not isinstance(station.session.load(plan, False, station.limits.compile_s), Fault) for plan in plans]

    def note_times(self, keys: Mapping[str, _Key], table: Table, plans: Sequence[LaunchPlan], runs: list[bool]) -> None:
        """Time the plans of one table and note the result of each key."""
        for name, key in keys.items():
            so_far = min((min(times) for times in key.times.values()), default=math.inf)
            found = self._time(key, plans, so_far) if all(runs[index] for index in key.workloads) else math.inf
            key.times.setdefault(table[name], []).append(found)

    def _time(self, key: _Key, plans: Sequence[LaunchPlan], best_ns: float) -> float:
        """Return the geometric mean over the workloads of a key, infinity for a configuration that fails."""
        times = []
        session = self.judge.station().session
        for index in key.workloads:
            plan, inputs = plans[index], self.inputs[index]
            first = session.time([plan], [inputs], [0], _LAUNCH_LIMIT_S)
            if isinstance(first, Fault):
                return math.inf
            if len(key.workloads) == 1 and first.times_ns[0] > _HOPELESS * best_ns:
                return float(first.times_ns[0])
            more = session.time([plan], [inputs], [0] * (_CALLS - 1), _LAUNCH_LIMIT_S)
            if isinstance(more, Fault):
                return math.inf
            times.append(float(min(*first.times_ns, *more.times_ns)))
        return geomean(times) or math.inf


def tune_reference(
    judge: CandidateJudge, problem: LoadedProblem, secret: int, evaluations: int, seed: int, progress: Progress
) -> TunedBaseline | None:
    """Return the reference with its known weakness removed and the fastest tiles for each key of its table.

    Where the problem brings an autotuned reference instead, that one, at no evaluation; None where it has neither. One
    evaluation times one table on all workloads: one configuration for each key at once. With fewer
    evaluations than configurations, a sample drawn with `seed` is tried; with more, the best of each key are
    timed again. Raises RequestError without evaluations.
    """
    if evaluations < 1:
        raise RequestError(f"tuning the reference needs at least 1 evaluation, got {evaluations}")
    tuning = problem.baselines.tuning
    if tuning is None:
        source = problem.baselines.autotuned()
        return None if source is None else TunedBaseline(source, {}, 0)
    if isinstance(judge, EmulatedJudge):
        return _tune_emulated(judge, tuning, evaluations, seed, progress)
    keys = _keys(tuning, judge.workloads, evaluations, seed, has_warps=False)
    needed = max(len(key.to_try) for key in keys.values()) + _AGAIN
    maker = CaseMaker(problem, judge.workloads, secret, seed, with_answers=False)
    try:
        cases = maker.cases()
    finally:
        maker.close()
    put_cases(judge.station().session, cases)
    spent = min(evaluations, needed)
    _search(_Tuning(judge, tuning, tuple(case.key for case in cases)), keys, spent, progress)
    return _chosen(tuning, keys, spent)


def _tune_emulated(
    judge: EmulatedJudge, tuning: Tuning, evaluations: int, seed: int, progress: Progress
) -> TunedBaseline:
    """Return the reference tuned by the wave tier, the best few configurations of each key then by exact times."""
    judge.emulated_baseline()
    workloads = [case.workload for case in judge.timing.cases]
    keys = _keys(tuning, workloads, evaluations, seed, has_warps=True)
    spent = min(evaluations, max(len(key.to_try) for key in keys.values()))
    _search(_Emulated(judge, tuning, judge.estimates_of), keys, spent, progress)
    finalists = {name: _Key(key.workloads, key.ranking()) for name, key in keys.items()}
    _search(_Emulated(judge, tuning, judge.times_of), finalists, _AGAIN, progress)
    return _chosen(tuning, finalists, spent)


def _chosen(tuning: Tuning, keys: Mapping[str, _Key], spent: int) -> TunedBaseline:
    chosen = {name: key.best() for name, key in keys.items()}
    words = {name: _words(config) for name, config in chosen.items()}
    return TunedBaseline(tuning.source(chosen), words, spent)


def _search(tuning: _Timer, keys: Mapping[str, _Key], evaluations: int, progress: Progress) -> None:
    """Time one table an evaluation; the next is captured while one compiles, and never while one is timed."""
    with ThreadPoolExecutor(1, thread_name_prefix="tuning") as pool:
        table = {name: key.at(0) for name, key in keys.items()}
        captured = pool.submit(tuning.captured, table)
        for evaluation in range(evaluations):
            progress(f"tuned reference: {evaluation + 1} of {evaluations}")
            plans, now = captured.result(), table
            if evaluation + 1 < evaluations:
                table = {name: key.at(evaluation + 1) for name, key in keys.items()}
                captured = pool.submit(tuning.captured, table)
            runs = tuning.compiled(plans)
            wait([captured])
            tuning.note_times(keys, now, plans, runs)


def _keys(
    tuning: Tuning, workloads: Sequence[Workload], evaluations: int, seed: int, has_warps: bool
) -> dict[str, _Key]:
    keys: dict[str, _Key] = {}
    for index, workload in enumerate(workloads):
        name = tuning.key(workload)
        if name in keys:
            keys[name].workloads.append(index)
            known = keys[name].to_try
            known += [c for c in tuning.space(workload, has_warps) if c not in known]
        else:
            keys[name] = _Key([index], list(tuning.space(workload, has_warps)))
    rng = random.Random(seed)
    for key in keys.values():
        if len(key.to_try) > evaluations:
            key.to_try = rng.sample(key.to_try, evaluations)
    return keys


def _words(config: TileConfig) -> str:
    return f"BLOCK_M {config.block_m}, BLOCK_N {config.block_n}, warps {config.num_warps}, stages {config.num_stages}"
