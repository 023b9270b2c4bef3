"""The fixed space in which the optimum of a chip is looked for: every architecture, and tiles of every regime.

It depends on the brief alone: neither on probes nor on a search, so that it stands before either. The model that thins
it has nominal rates; how a chip differs from them decides nothing here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kernelwright.core.problem import Brief
from kernelwright.engineers.search.architecture import Architecture, Design, Tiles
from kernelwright.engineers.search.composer import compose
from kernelwright.engineers.search.pipeline_model import Frozen
from kernelwright.engineers.search.pipeline_rates import PipelineRates
from kernelwright.engineers.search.pipeline_tuner import coarse, predicted
from kernelwright.engineers.search.policy import STRONG
from kernelwright.engineers.search.scenes import Scene, scenes_of

# The largest on-chip memory of a block among known chips; what a chip refuses drops out of its sweep.
NOMINAL = PipelineRates(shared_bytes=262144)
# Candidates of the architecture that the search starts from, and of each other one.
_OF_STRONG, _OF_OTHERS = 96, 6
_DEFAULT = Tiles(stages=3, as_tile=1)

ARCHITECTURES = {
    "strong": STRONG,
    "slots of the same step": STRONG.changed(slots="same"),
    "one query head a tile": STRONG.changed(rows="tokens"),
    "several tiles a program": STRONG.changed(items="several"),
    "prefix not shared out": STRONG.changed(prefix="serial"),
    "every block masked": STRONG.changed(loops="one"),
    "natural exponentials": STRONG.changed(softmax="exp"),
    "early exit": Architecture(loops="apart", softmax="exp2", rows="group", slots="ahead", per_regime=True),
    "padded": Architecture(grid="padded", loops="apart", softmax="exp2", rows="group", slots="ahead", per_regime=True),
    "plain": Architecture(per_regime=True),
}


@dataclass(frozen=True)
class Playbook:
    """The space: `designs` by label; `choices` is how many kernels it holds, one a regime and candidate."""

    designs: tuple[tuple[str, Design], ...]
    choices: int

    @property
    def size(self) -> int:
        """Return the number of candidates."""
        return len(self.designs)

    def candidates(self) -> Iterator[tuple[str, str]]:
        """Yield (label, source text) of each candidate; candidate i has the i-th choice of every regime."""
        for label, design in self.designs:
            yield label, compose(design)


def playbook(brief: Brief) -> Playbook:
    """Return the space for `brief`, the same whenever and wherever it is asked for.

    Raises RequestError if the brief is not of extend attention.
    """
    groups = _groups(scenes_of(brief))
    designs: list[tuple[str, Design]] = []
    kernels = 0
    for name, architecture in ARCHITECTURES.items():
        number = _OF_STRONG if name == "strong" else _OF_OTHERS
        choices = {key: _choices(architecture, scenes, number) for key, scenes in groups.items()}
        longest = max(len(found) for found in choices.values())
        for at in range(longest):
            tiles = {key: found[min(at, len(found) - 1)] for key, found in choices.items()}
            designs.append((f"{name} {at}", Design(architecture, _DEFAULT, tiles)))
        kernels += sum(len(found) for found in choices.values())
    return Playbook(tuple(designs), kernels)


def _groups(scenes: Sequence[Scene]) -> dict[str, list[Scene]]:
    return {key: [s for s in scenes if s.key == key] for key in sorted({s.key for s in scenes})}


def _choices(architecture: Architecture, scenes: Sequence[Scene], number: int) -> list[Tiles]:
    """Return `number` points that fit, or all: two in three the best by the model, the rest evenly from the others."""
    rates = Frozen(NOMINAL)
    points = _twins(architecture, coarse(architecture, scenes, rates))
    order = sorted(points, key=lambda t: (predicted(architecture, t, scenes, rates), repr(t)))
    first, rest = order[: number * 2 // 3], order[number * 2 // 3 :]
    wanted = number - len(first)
    return first + [rest[at * len(rest) // wanted] for at in range(min(wanted, len(rest)))]


def _twins(architecture: Architecture, points: Sequence[Tiles]) -> list[Tiles]:
    """Return `points` with both ways to load keys and both orders, in turn: a full product would say little more."""
    found = []
    for at, tiles in enumerate(points):
        twin = replace(tiles, as_tile=at % 2, tiles_first=at // 2 % 2)
        found.append(architecture.relevant(twin))
    return list(dict.fromkeys(found))
