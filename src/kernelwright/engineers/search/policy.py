"""What to evaluate next, as a function of what was tried: so a resumed search goes on as if never stopped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kernelwright.engineers.search.architecture import Architecture, Design, Tiles
from kernelwright.engineers.search.ladder import designed, ranked, repaired
from kernelwright.engineers.search.pipeline_model import Frozen
from kernelwright.engineers.search.pipeline_tuner import propose_tiles, starts
from kernelwright.engineers.search.predict import best_common_tiles, tiles_of
from kernelwright.engineers.search.rates import Rates
from kernelwright.engineers.search.scenes import Scene
from kernelwright.engineers.search.trials import Trial, best_of, measured_alike, measured_tiles
from kernelwright.engineers.search.tuner import first_tiles, propose, space_of

# Evaluations of one architecture before a change of it is due: one set of tiles, tiles by regime.
_TUNE_COMMON, _TUNE_REGIMES = 2, 3
# While tuning helps, a move must promise as much; in a stall, also one that the rough model slightly doubts is tried.
_HELPS, _WORTH_IN_STALL = 1.01, 0.9
# Progress is what these last evaluations brought.
_RECENT = 3
_COMBINE_EVERY = 4
# Where times repeat exactly a combination brings no news; it only makes what was learned the best candidate.
_COMBINE_EXACT_EVERY, _CHANGES_BY_OWN = 8, 4

# On chips with warps and pipelines all of these are known to help or to be decided by tiles.
STRONG = Architecture(
    grid="table", loops="apart", softmax="exp2", rows="group", prefix="split", key_load="by_regime", slots="ahead",
    order="by_regime", distances="narrow", per_regime=True,
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """The next design to evaluate, and why; `is_doubtful` asks for a check before it."""

    design: Design
    note: str
    is_doubtful: bool = False


def next_step(
    scenes: Sequence[Scene], rates: Rates, trials: Sequence[Trial], seed: int, left: int | None
) -> Step | None:
    """Return what to evaluate next, or None when nothing more is worth trying.

    `left` evaluations remain, None where there is no limit; the last one goes to the combination of
    the best tiles of each regime.
    """
    best = best_of(trials)
    if best is None:
        return _first_steps(scenes, rates, trials)
    repair = _repair(scenes, rates, trials, best)
    if repair is not None:
        return repair
    if left == 1:
        return _combination(scenes, trials, best) or _tuning(scenes, rates, trials, best, seed)
    return (
        _due_move(scenes, rates, trials, best)
        or _tuning(scenes, rates, trials, best, seed)
        or _move(scenes, rates, trials, best, 0.0)
    )


def _first_steps(scenes: Sequence[Scene], rates: Rates, trials: Sequence[Trial]) -> Step | None:
    if not trials and rates.pipelines is not None:
        common = Design(STRONG, best_common_tiles(STRONG, scenes, rates))
        start = designed(STRONG, common, trials, scenes, rates)
        return Step(start, "start: live tiles of grouped heads, copies in flight, tiles by regime", True)
    if not trials:
        plain = Architecture()
        common = Design(plain, best_common_tiles(plain, scenes, rates))
        start = designed(plain.changed(per_regime=True), common, trials, scenes, rates)
        return Step(start, "start: two stages, empty tiles return at once, tiles by regime", True)
    found = repaired(trials[-1], trials)
    if found is not None:
        reason, architecture = found
        return Step(replace(trials[-1].design, architecture=architecture), f"repair: {reason}", True)
    smallest = Tiles(block_rows=16, block_keys=32, block_new=32, block_edge=32)
    tried = {(t.design.architecture, t.design.tiles) for t in trials}
    for architecture in dict.fromkeys(t.design.architecture for t in trials):
        if (architecture, smallest) not in tried:
            return Step(Design(architecture, smallest), "repair: smallest tiles", True)
    return None


def _repair(scenes: Sequence[Scene], rates: Rates, trials: Sequence[Trial], best: Trial) -> Step | None:
    last = trials[-1]
    if last.is_accepted or last.design.architecture == best.design.architecture:
        return None
    found = repaired(last, trials)
    if found is not None:
        reason, architecture = found
        return Step(designed(architecture, best.design, trials, scenes, rates), f"repair: {reason}", True)
    if last.status in ("over_limit", "timeout"):
        smaller = _smaller(last.design)
        if all(t.design != smaller for t in trials):
            return Step(smaller, f"repair: {last.status}, tiles halved", True)
    return None


def _smaller(design: Design) -> Design:
    def halved(tiles: Tiles) -> Tiles:
        sizes = {"block_rows": 16, "block_keys": 32, "block_new": 16, "block_edge": 16}
        return replace(tiles, **{name: max(least, getattr(tiles, name) // 2) for name, least in sizes.items()})

    return replace(
        design, tiles=halved(design.tiles), by_regime={key: halved(tiles) for key, tiles in design.by_regime.items()}
    )


def _due_move(scenes: Sequence[Scene], rates: Rates, trials: Sequence[Trial], best: Trial) -> Step | None:
    """Return a change of architecture when tuning of the best one brings less than the change promises."""
    architecture = best.design.architecture
    own = [t for t in trials if t.design.architecture == architecture]
    changes = sum(t.design.architecture != architecture for t in trials[trials.index(own[0]) :])
    if len(own) < (_TUNE_REGIMES if architecture.per_regime else _TUNE_COMMON):
        return None
    if rates.pipelines is not None:
        # Only against the best tiles of each regime together does a change show what it brings by itself.
        if _CHANGES_BY_OWN * (changes + 1) > len(own):
            return None
        move = _move(scenes, rates, trials, best, _WORTH_IN_STALL)
        return None if move is None else _combination(scenes, trials, best) or move
    # With tiles by regime every evaluation teaches much, so changes and tuning take turns.
    if architecture.per_regime and changes > len(own) - _TUNE_REGIMES:
        return None
    progress = _progress(own)
    return _move(scenes, rates, trials, best, min(progress, 1.1) if progress > _HELPS else _WORTH_IN_STALL)


def _progress(own: Sequence[Trial]) -> float:
    """Return how many times better the best of `own` became with the last evaluations."""
    before = max((t.geomean or 0.0 for t in own[:-_RECENT]), default=0.0)
    return max(t.geomean or 0.0 for t in own) / before if before > 0 else 1.0


def _move(scenes: Sequence[Scene], rates: Rates, trials: Sequence[Trial], best: Trial, worth: float) -> Step | None:
    for gain, move, design in ranked(best.design, trials, scenes, rates):
        if gain >= worth:
            return Step(design, f"redesign: {move.name}, model expects {gain:.2f}x")
    return None


def _tuning(scenes: Sequence[Scene], rates: Rates, trials: Sequence[Trial], best: Trial, seed: int) -> Step | None:
    architecture = best.design.architecture
    own = [t for t in trials if t.design.architecture == architecture and not t.checked_only]
    if not architecture.per_regime:
        return _common_tuning(scenes, rates, own, best, seed)
    if len(own) % (_COMBINE_EVERY if rates.pipelines is None else _COMBINE_EXACT_EVERY) == 0:
        combined = _combination(scenes, trials, best)
        if combined is not None:
            return combined
    by_regime, changes = dict(best.design.by_regime), 0
    for key, group in _regimes(scenes):
        measured = measured_alike(trials, architecture, group)
        found = _proposal(architecture, group, rates, measured, own, f"{seed}:{key}:{len(own)}")
        incumbent = max(measured, key=lambda t: measured[t], default=None)
        if found is not None:
            changes += 1
        chosen = found or incumbent
        if chosen is not None:
            by_regime[key] = chosen
    if changes == 0:
        return None
    return Step(Design(architecture, best.design.tiles, by_regime), f"tune: {changes} regimes at once")


def _proposal(
    architecture: Architecture,
    group: Sequence[Scene],
    rates: Rates,
    measured: Mapping[Tiles, float],
    own: Sequence[Trial],
    seed: str,
) -> Tiles | None:
    """Return the tiles to try next on the regime of `group`, or None when all that is worth it was tried."""
    refused = _refused(own, group)
    if rates.pipelines is not None:
        frozen = Frozen(rates.pipelines)
        vague = [t for t in own if not t.is_accepted and t.facts.get("workload") is None]
        refused += [tiles_of(t.design, group[0]) for t in vague]
        return propose_tiles(architecture, group, frozen, measured, refused, starts(architecture, group, frozen))
    space = space_of(architecture, group, rates)
    return propose(space, measured, refused, first_tiles(architecture, group, rates), seed)


def _common_tuning(scenes: Sequence[Scene], rates: Rates, own: Sequence[Trial], best: Trial, seed: int) -> Step | None:
    architecture = best.design.architecture
    measured = measured_tiles(own, scenes)
    refused = [t.design.tiles for t in own if not t.is_accepted]
    first = (best_common_tiles(architecture, scenes, rates),)
    found = propose(space_of(architecture, scenes, rates), measured, refused, first, f"{seed}:{len(own)}")
    return None if found is None else Step(Design(architecture, found), "tune: one set of tiles")


def _combination(scenes: Sequence[Scene], trials: Sequence[Trial], best: Trial) -> Step | None:
    """Return the best tiles of each regime together, or None when exactly that was evaluated."""
    architecture = best.design.architecture
    if not architecture.per_regime:
        return None
    own = [t for t in trials if t.design.architecture == architecture]
    by_regime = dict(best.design.by_regime)
    for key, group in _regimes(scenes):
        measured = measured_tiles(own, group)
        if measured:
            by_regime[key] = max(measured, key=lambda t: measured[t])
    design = Design(architecture, best.design.tiles, by_regime)
    if any(t.design == design for t in trials):
        return None
    return Step(design, "combine: best tiles of each regime")


def _refused(own: Iterable[Trial], group: Sequence[Scene]) -> list[Tiles]:
    """Return tiles of failed trials whose failure is on a workload of `group`, or nowhere in particular."""
    names = {scene.name for scene in group}
    failed = [t for t in own if not t.is_accepted]
    return [tiles_of(t.design, group[0]) for t in failed if t.facts.get("workload") in names]


def _regimes(scenes: Sequence[Scene]) -> list[tuple[str, list[Scene]]]:
    keys = dict.fromkeys(scene.key for scene in scenes)
    return [(key, [s for s in scenes if s.key == key]) for key in sorted(keys)]
