"""What validation of one chip on one kind of kernel gives."""

from collections.abc import Sequence
from dataclasses import dataclass

from kernelwright.chips.emulated.profiles.profile import Profile
from kernelwright.chips.emulated.validation.statistics import Errors, errors_of
from kernelwright.chips.emulated.validation.targets import Target, target_of

_MARK = "fitted on "


@dataclass(frozen=True)
class Point:
    """One measurement beside its emulation, in us; `shape` names the hold-out group, `kind` the class of drawings."""

    measured_us: float
    emulated_us: float
    shape: tuple[int, ...]
    kind: str


@dataclass(frozen=True)
class Outcome:
    """The points of a chip on a workload; `fitted_on` is what its profile was fitted on, `note` how it was timed."""

    chip: str
    workload: str
    points: tuple[Point, ...]
    fitted_on: str
    note: str = ""

    @property
    def errors(self) -> Errors:
        """Return the errors over all points."""
        return errors_of([p.measured_us for p in self.points], [p.emulated_us for p in self.points])

    @property
    def target(self) -> Target | None:
        """Return what was to be reached, None where nothing was set."""
        return target_of(self.chip, self.workload)

    @property
    def is_met(self) -> bool | None:
        """Return whether the target is reached, None where there is none."""
        return None if self.target is None else self.errors.mape <= self.target.mape


def fitted_on(profile: Profile) -> str:
    """Return what the profile's sources say it was fitted on, "nothing" if they do not."""
    for fact in profile.facts.values():
        _, mark, points = fact.source.partition(_MARK)
        if mark:
            return points.partition(";")[0]
    return "nothing"


def as_json(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Return the object that `--json` prints: errors in percent, one item an outcome."""
    return {
        "chips": [
            {
                "chip": outcome.chip,
                "points": outcome.errors.points,
                "mape": round(outcome.errors.mape, 3),
                "median": round(outcome.errors.median, 3),
                "p90": round(outcome.errors.p90, 3),
                "fitted_on": outcome.fitted_on,
            }
            for outcome in outcomes
        ]
    }
