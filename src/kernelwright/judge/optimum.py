"""The best time that a fixed space of candidates reaches on an emulated chip, and a run's regret against it.

Nothing of the space is executed: its candidates are ours. All of them are timed in the wave tier, and the best few
of each workload by events.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernelwright.chips.emulated.chip import EmulatedChip
from kernelwright.chips.emulated.code_version import code_sha256
from kernelwright.core.codec import from_json, to_json
from kernelwright.core.errors import CompileError, HarnessError, RequestError
from kernelwright.core.final import Regret, RegretWorkload
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.verdict import Verdict
from kernelwright.judge.emulated_judge import EmulatedJudge
from kernelwright.judge.exact import geomean_of
from kernelwright.judge.judgement import Progress
from kernelwright.judge.timed_suite import TimedCase

# Candidates of each workload that are timed by events after the wave tier has ranked all.
CONFIRMED = 5

Sources = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Best:
    """The fastest candidate of the space on one workload."""

    time_ns: int
    label: str


@dataclass(frozen=True)
class Optimum:
    """The best by public workload; `size` candidates were looked at, of which `failed` did not come through."""

    best: Mapping[str, Best]
    size: int
    failed: int


def regret_of(verdict: Verdict, optimum: Optimum) -> Regret:
    """Return how far an accepted kernel is from the optimum on public workloads; a faster one is the optimum there."""
    rows = []
    for result in verdict.workloads:
        best = optimum.best.get(result.name)
        if result.hidden or best is None:
            continue
        label = best.label if best.time_ns <= result.candidate_ns else "the run's own kernel"
        ours = round(result.candidate_ns)
        rows.append(RegretWorkload(result.name, result.regime, ours, min(best.time_ns, ours), label))
    value = geomean_of([row.candidate_ns / row.optimum_ns for row in rows]) - 1.0
    return Regret(value, optimum.size, optimum.failed, tuple(rows))


def find_optimum(
    judge: EmulatedJudge, chip: EmulatedChip, sources: Sources, folder: Path, progress: Progress
) -> Optimum:
    """Return the optimum over `sources`, (label, text); kept in `folder` by chip, suite, space and code."""
    judge.emulated_baseline()
    cases = [case for case in judge.timing.cases if not case.workload.hidden]
    file = folder / f"optimum-{_identity(judge, chip, sources)}.json"
    try:
        return from_json(Optimum, json.loads(file.read_text()), "optimum")
    except (OSError, ValueError, RequestError):
        found = _searched(judge, chip, sources, cases, progress)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(to_json(found)))
    fresh.replace(file)
    return found


def _searched(
    judge: EmulatedJudge, chip: EmulatedChip, sources: Sources, cases: Sequence[TimedCase], progress: Progress
) -> Optimum:
    progress(f"optimum: {len(sources)} candidates on {len(cases)} workloads")
    ranked: list[list[tuple[int, int, LaunchPlan]]] = [[] for _ in cases]
    failed, began = 0, time.monotonic()
    for number, (_, source) in enumerate(sources):
        try:
            plans = judge.timed_plans_of(source, cases)
        except HarnessError:
            failed += 1
            continue
        for best, plan, case in zip(ranked, plans, cases, strict=True):
            wave_ns = _wave_ns(chip, plan, case)
            if wave_ns is not None:
                best.append((wave_ns, number, plan))
                best.sort(key=lambda row: row[:2])
                del best[CONFIRMED:]
        left_s = (time.monotonic() - began) / (number + 1) * (len(sources) - number - 1)
        progress(f"optimum: {number + 1} of {len(sources)} candidates, about {left_s / 60:.0f} min left")
    found = {}
    for best, case in zip(ranked, cases, strict=True):
        times = [(_event_ns(chip, plan, case), number) for _, number, plan in best]
        exact = [(time_ns, number) for time_ns, number in times if time_ns is not None]
        if exact:
            time_ns, number = min(exact)
            found[case.workload.name] = Best(time_ns, sources[number][0])
    return Optimum(found, len(sources), failed)


def _wave_ns(chip: EmulatedChip, plan: LaunchPlan, case: TimedCase) -> int | None:
    try:
        return chip.times.wave_ns(plan, case.inputs.arrays())
    except CompileError:
        return None


def _event_ns(chip: EmulatedChip, plan: LaunchPlan, case: TimedCase) -> int | None:
    try:
        return chip.times.time_ns(plan, case.inputs.arrays())
    except CompileError:
        return None


def _identity(judge: EmulatedJudge, chip: EmulatedChip, sources: Sources) -> str:
    space = hashlib.sha256(json.dumps(list(sources)).encode()).hexdigest()
    text = json.dumps([chip.times.identity, judge.timing.name, space, code_sha256(), CONFIRMED])
    return hashlib.sha256(text.encode()).hexdigest()[:24]
