"""What was tried: designs and what the judge said of them, read back from the run's history."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from kernelwright.engineers.search.architecture import Architecture, Design, Tiles, parse_design
from kernelwright.engineers.search.predict import tiles_of
from kernelwright.engineers.search.scenes import Scene


@dataclass(frozen=True)
class Trial:
    """One evaluated (or, with `checked_only`, one refused by `check`) design.

    `speedups` by public workload; empty and `geomean` None unless accepted.
    """

    design: Design
    status: str
    reason: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    geomean: float | None = None
    noise: float = 0.0
    speedups: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    checked_only: bool = False

    @property
    def is_accepted(self) -> bool:
        """Return whether the judge accepted it."""
        return self.status == "accepted" and self.geomean is not None


def trial_of(design: Design, view: Mapping[str, object], note: str, checked_only: bool = False) -> Trial:
    """Return the trial that the engineer's view of a verdict tells of."""
    rows = cast(list[Mapping[str, object]], view.get("workloads") or [])
    geomean = cast(float | None, view.get("geomean_speedup"))
    return Trial(
        design=design,
        status=str(view["status"]),
        reason=str(view.get("reason", "")),
        facts=cast(Mapping[str, object], view.get("facts") or {}),
        geomean=geomean,
        noise=float(cast(float | None, view.get("noise_floor")) or 0.0),
        speedups={str(row["name"]): float(cast(float, row["speedup"])) for row in rows} if geomean else {},
        note=note,
        checked_only=checked_only,
    )


def trials_of(history: Iterable[Mapping[str, object]]) -> tuple[Trial, ...]:
    """Return the trials of a run's history, oldest first; candidates that carry no design are left out."""
    found = ((parse_design(str(view.get("source", ""))), view) for view in history)
    return tuple(trial_of(design, view, str(view.get("note", ""))) for design, view in found if design is not None)


def best_of(trials: Iterable[Trial]) -> Trial | None:
    """Return the accepted trial to go on from: the largest geometric mean, the earliest of equals.

    Tiles by regime may be a little behind, within noise: they can become all that common tiles are, and more.
    """
    accepted = [t for t in trials if t.is_accepted]
    return max(accepted, key=_worth, default=None)


def _worth(trial: Trial) -> float:
    return (trial.geomean or 0.0) * (1.03 if trial.design.architecture.per_regime else 1.0)


def measured_tiles(trials: Iterable[Trial], scenes: Iterable[Scene]) -> dict[Tiles, float]:
    """Return the mean logarithm of speedup over `scenes` of each tile choice that was measured on all of them."""
    scenes = tuple(scenes)
    values: dict[Tiles, list[float]] = {}
    for trial in trials:
        if trial.is_accepted and all(scene.name in trial.speedups for scene in scenes):
            mean = sum(math.log(trial.speedups[scene.name]) for scene in scenes) / len(scenes)
            values.setdefault(tiles_of(trial.design, scenes[0]), []).append(mean)
    return {tiles: sum(found) / len(found) for tiles, found in values.items()}


def measured_alike(trials: Sequence[Trial], architecture: Architecture, group: Sequence[Scene]) -> dict[Tiles, float]:
    """Return what was measured of tiles, with what architectures with equal query tiles taught, set to the same top."""
    own = measured_tiles((t for t in trials if t.design.architecture == architecture), group)
    top = max(own.values(), default=0.0)
    others = dict.fromkeys(t.design.architecture for t in trials if t.design.architecture != architecture)
    for other in others:
        if other.rows == architecture.rows:
            found = measured_tiles((t for t in trials if t.design.architecture == other), group)
            # What is measured on the architecture itself wins over equal figures from another.
            shift = top - max(found.values(), default=0.0) - 0.02
            own = {**{architecture.relevant(tiles): value + shift for tiles, value in found.items()}, **own}
    return own
