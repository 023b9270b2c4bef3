"""Changes of architecture: which there are, what the model expects of each, and repairs after a failure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from kernelwright.engineers.search.architecture import Architecture, Design, Tiles
from kernelwright.engineers.search.predict import best_common_tiles, best_tiles, predicted_gain, tiles_of
from kernelwright.engineers.search.rates import Rates
from kernelwright.engineers.search.scenes import Scene
from kernelwright.engineers.search.trials import Trial, measured_alike

Choices = Mapping[str, object]


@dataclass(frozen=True)
class Move:
    """A named change of choices, open to architectures that have `only_from`.

    `on` plain: only on chips without warps and pipelines; pipelined: only on those with them.
    """

    name: str
    choices: Choices
    only_from: Choices = field(default_factory=dict)
    on: Literal["any", "plain", "pipelined"] = "any"


MOVES = (
    Move("empty tiles return at once", {"grid": "padded_exit"}, {"grid": "padded"}),
    Move("interior blocks without masks", {"loops": "apart"}),
    Move("base-2 exponentials", {"softmax": "exp2"}),
    Move("natural exponentials", {"softmax": "exp"}, on="plain"),
    Move("query heads of a KV head share a tile", {"rows": "group"}),
    Move("one program a live tile, longest first", {"grid": "table"}),
    Move("long prefixes shared out over programs", {"grid": "table", "prefix": "split"}),
    Move("keys transposed as tiles", {"key_load": "transposed_tile"}, on="plain"),
    Move("keys through transposed pointers", {"key_load": "transposed_pointers"}, on="plain"),
    Move("slots a step ahead", {"slots": "ahead"}, on="pipelined"),
    Move("each step asks for its own slots", {"slots": "same"}, on="pipelined"),
    Move("a tile holds one query head", {"rows": "tokens"}, on="pipelined"),
    Move(
        "key loads and order by regime",
        {"key_load": "by_regime", "grid": "table", "order": "by_regime"},
        on="pipelined",
    ),
    Move("no prefix is shared out", {"prefix": "serial"}, on="pipelined"),
    Move("several tiles a program", {"grid": "table", "items": "several"}),
    Move("one tile a program", {"items": "one"}),
    Move("tiles by regime", {"per_regime": True}),
)

# Which choice brings an op into the kernels, for repairs: the op's name as compilers tell it.
_CHOICE_OF_OP = {
    "tt.trans": {"key_load": "transposed_pointers"},
    "math.exp2": {"softmax": "exp"},
    "math.exp": {"softmax": "exp2"},
}
_OTHER: Mapping[str, Mapping[object, object]] = {
    "key_load": {
        "transposed_tile": "transposed_pointers",
        "transposed_pointers": "transposed_tile",
        "by_regime": "transposed_pointers",
    },
    "softmax": {"exp2": "exp", "exp": "exp2"},
}


def moves_from(base: Architecture, trials: Sequence[Trial], pipelined: bool = False) -> list[Move]:
    """Return the moves that change `base` to an architecture that no trial has and no failure forbids."""
    seen = {trial.design.architecture for trial in trials}
    banned = failed_choices(trials)
    found = []
    for move in MOVES:
        if move.on == ("plain" if pipelined else "pipelined"):
            continue
        if any(getattr(base, k) != v for k, v in move.only_from.items()):
            continue
        changed = base.changed(**move.choices)
        fresh = {k: v for k, v in move.choices.items() if getattr(base, k) != v}
        if changed != base and changed not in seen and not any((k, v) in banned for k, v in fresh.items()):
            found.append(move)
    return found


def failed_choices(trials: Sequence[Trial]) -> set[tuple[str, object]]:
    """Return choices that never were in an accepted candidate and were in one that failed twice or alone.

    A failure whose candidate differs from an accepted one in one choice only blames that choice.
    """
    accepted = [t.design.architecture for t in trials if t.is_accepted]
    good = {item for architecture in accepted for item in asdict(architecture).items()}
    blamed: set[tuple[str, object]] = set()
    for trial in trials:
        if trial.is_accepted or not accepted:
            continue
        failed = set(asdict(trial.design.architecture).items())
        for other in accepted:
            fresh = failed - set(asdict(other).items())
            if fresh and not fresh & good:
                blamed |= fresh
    return blamed


def designed(
    architecture: Architecture, base: Design, trials: Sequence[Trial], scenes: Sequence[Scene], rates: Rates
) -> Design:
    """Return `architecture` with tiles: the best measured where query tiles hold the same rows, else the model's."""
    same_rows = architecture.rows == base.architecture.rows
    common = base.tiles if same_rows else best_common_tiles(architecture, scenes, rates)
    if not architecture.per_regime:
        return Design(architecture, common, {})
    by_regime: dict[str, Tiles] = {}
    for key in dict.fromkeys(scene.key for scene in scenes):
        group = [scene for scene in scenes if scene.key == key]
        measured = measured_alike(trials, base.architecture, group) if same_rows else {}
        kept = max(measured, key=lambda tiles: measured[tiles], default=None)
        splits = architecture.prefix == "split" and base.architecture.prefix != "split"
        model = best_tiles(architecture, group[0], rates) if kept is None or splits else kept
        by_regime[key] = model if kept is None else replace(kept, split_keys=model.split_keys) if splits else kept
    return Design(architecture, common, by_regime)


def ranked(
    base: Design, trials: Sequence[Trial], scenes: Sequence[Scene], rates: Rates
) -> list[tuple[float, Move, Design]]:
    """Return (expected gain, move, design) of each open move, best first; ties keep the order of the list."""
    found = []
    for move in moves_from(base.architecture, trials, rates.pipelines is not None):
        design = designed(base.architecture.changed(**move.choices), base, trials, scenes, rates)
        gain = predicted_gain(base, design, scenes, rates)
        if set(move.choices) == {"per_regime"}:
            gain = _measured_gain(base, trials, scenes) or gain
        found.append((gain, move, design))
    return sorted(found, key=lambda item: -item[0])


def _measured_gain(base: Design, trials: Sequence[Trial], scenes: Sequence[Scene]) -> float | None:
    """Return what the best tiles of each workload gain over the common ones, as far as measured already."""
    logs = []
    for scene in scenes:
        measured = measured_alike(trials, base.architecture, [scene])
        if tiles_of(base, scene) not in measured:
            return None
        logs.append(max(measured.values()) - measured[tiles_of(base, scene)])
    # Even equal tiles leave room: from then on each regime is tuned by itself.
    return max(1.05, math.exp(sum(logs) / len(logs)))


def repaired(trial: Trial, trials: Sequence[Trial]) -> tuple[str, Architecture] | None:
    """Return (what is changed, architecture) that avoids the failure of `trial`, or None to give the change up.

    An op that the compiler does not know points at the choice that brought it. Tiles are repaired
    by the tuner, which counts a failed size as refused.
    """
    if trial.status not in ("compile_error", "over_limit"):
        return None
    architecture = trial.design.architecture
    seen = {t.design.architecture for t in trials}
    text = f"{trial.reason} {trial.facts.get('op', '')}"
    for op, choices in _CHOICE_OF_OP.items():
        if f"{op} " in f"{text} ".replace("'", " ").replace(",", " ").replace(":", " "):
            changed = architecture.changed(**choices)
            if changed not in seen:
                return f"{op} was refused, {next(iter(choices))} becomes {next(iter(choices.values()))}", changed
    for name, others in _OTHER.items():
        changed = architecture.changed(**{name: others[getattr(architecture, name)]})
        if changed not in seen and not any(t.is_accepted for t in trials):
            return f"nothing compiled yet, {name} becomes {getattr(changed, name)}", changed
    return None
