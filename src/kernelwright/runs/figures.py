"""Runs side by side: the figures of each as a fold over its entries, and whether they may be compared at all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from kernelwright.core.entry import Entry
from kernelwright.core.errors import RequestError
from kernelwright.core.final import Setup
from kernelwright.core.run_figures import MILESTONES, ModelUsage, RunFigures, milestone_name
from kernelwright.runs.state import RunState, fold, setup_of
from kernelwright.runs.summary import summarise


def compared_runs(runs: Sequence[tuple[Entry, ...]]) -> tuple[RunFigures, ...]:
    """Return the figures of runs on one problem, chip and suite, in the order given.

    Raises RequestError for fewer than two runs, one that is named twice, and runs that differ in what was asked.
    """
    names = [entries[0].run for entries in runs]
    if len(runs) < 2:
        raise RequestError(f"a comparison needs at least two runs, got {len(runs)}")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise RequestError(f"each run must be named once, '{twice[0]}' is named {names.count(twice[0])} times")
    setups = [setup_of(entries) for entries in runs]
    for name, setup in zip(names[1:], setups[1:], strict=True):
        _require_same((names[0], setups[0]), (name, setup))
    return _labelled([run_figures(entries) for entries in runs], setups)


def run_figures(entries: tuple[Entry, ...]) -> RunFigures:
    """Return the figures of one run, its engineer's name as its label."""
    state, summary = fold(entries), summarise(entries)
    setup = setup_of(entries)
    final = state.final.verdict if state.final is not None and state.final.verdict.is_accepted else None
    shown = final or (state.best.verdict if state.best is not None and not state.is_final else None)
    curve = _best_so_far(state)
    return RunFigures(
        run=summary.run,
        label=setup.engineer,
        engineer=setup.engineer,
        seed=setup.seed,
        phase=state.phase,
        final_status=summary.final_status,
        is_final=final is not None,
        speedup=shown.geomean_speedup if shown else None,
        ci95=shown.ci95 if shown else None,
        evaluations=state.counted,
        evaluations_to={milestone_name(goal): _reached(curve, goal) for goal in MILESTONES},
        failed_share=_failed_share(state),
        redesigns=state.redesigns,
        tool_calls=state.tool_calls,
        wall_s=round((entries[-1].time_ns - entries[0].time_ns) / 1e9, 3),
        active_s=round(state.active_ns / 1e9, 3),
        usage=_usage(entries),
        regret=summary.regret,
        unsafe=summary.unsafe,
        best_so_far=curve,
    )


def machine_differences(runs: Sequence[tuple[Entry, ...]]) -> tuple[str, ...]:
    """Return one line for each fact of machine or versions that is not the same for all runs."""
    facts = [{**setup.machine, **setup.versions} for setup in map(setup_of, runs)]
    found = []
    for name in dict.fromkeys(name for fact in facts for name in fact):
        values = [str(fact.get(name, "unknown")) for fact in facts]
        if len(set(values)) > 1:
            told = ", ".join(f"{value} ({entries[0].run})" for value, entries in zip(values, runs, strict=True))
            found.append(f"{name} differs: {told}")
    return tuple(found)


def _require_same(first: tuple[str, Setup], other: tuple[str, Setup]) -> None:
    (name, mine), (other_name, theirs) = first, other
    # Two paths may lead to one profile: where there is an identity, it alone counts.
    chips = (mine.chip_sha256, theirs.chip_sha256) if mine.chip_sha256 and theirs.chip_sha256 else None
    asked = (
        ("problem", mine.problem, theirs.problem),
        ("files of the problem", mine.problem_sha256[:12], theirs.problem_sha256[:12]),
        ("chip", mine.chip, theirs.chip) if chips is None else ("numbers of the chip", chips[0][:12], chips[1][:12]),
        ("suite", mine.suite, theirs.suite),
    )
    for what, one, two in asked:
        if one != two:
            held = f"'{name}' has {one or 'none'}, '{other_name}' has {two or 'none'}"
            raise RequestError(f"runs to compare must share their {what}: {held}")


def _labelled(figures: Sequence[RunFigures], setups: Sequence[Setup]) -> tuple[RunFigures, ...]:
    """Return the runs with the shortest labels that tell them apart: engineer, its model, its seed, the run's name."""
    models = [f"{setup.engineer} {setup.options.get('model', '')}".rstrip() for setup in setups]
    seeds = [f"{model} seed {setup.seed}" for model, setup in zip(models, setups, strict=True)]
    names = [f"{setup.engineer} {one.run}" for setup, one in zip(setups, figures, strict=True)]
    levels = ([setup.engineer for setup in setups], models, seeds, names)
    return tuple(
        replace(one, label=next(level[place] for level in levels if level.count(level[place]) == 1))
        for place, one in enumerate(figures)
    )


def _best_so_far(state: RunState) -> tuple[tuple[int, float], ...]:
    """Return (counted evaluation, speedup) at each new best."""
    counted = [evaluation for evaluation in state.evaluations if evaluation.repeats is None]
    return tuple(
        (place, evaluation.verdict.geomean_speedup)
        for place, evaluation in enumerate(counted, start=1)
        if evaluation.is_best and evaluation.verdict.geomean_speedup is not None
    )


def _reached(curve: Sequence[tuple[int, float]], goal: float) -> int | None:
    return next((count for count, speedup in curve if speedup >= goal), None)


def _failed_share(state: RunState) -> dict[str, float]:
    statuses = Counter(e.verdict.status for e in state.evaluations if e.repeats is None and not e.verdict.is_accepted)
    return {status: count / state.counted for status, count in sorted(statuses.items(), key=lambda one: -one[1])}


def _usage(entries: Sequence[Entry]) -> ModelUsage | None:
    used: list[Mapping[str, object]] = [entry.payload for entry in entries if entry.kind == "model_usage"]
    if not used:
        return None
    prices = [cast(float, one["usd"]) for one in used if one.get("usd") is not None]
    return ModelUsage(
        input_tokens=sum(cast(int, one["input_tokens"]) for one in used),
        output_tokens=sum(cast(int, one["output_tokens"]) for one in used),
        usd=sum(prices) if len(prices) == len(used) else None,
        models=tuple(dict.fromkeys(str(one.get("model", "")) for one in used)),
    )
