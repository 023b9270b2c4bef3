"""The built-in engineer at work: probes, then evaluate and learn until nothing more is worth trying."""

from collections.abc import Mapping
from typing import cast

from kernelwright.core.protocols import Tools
from kernelwright.engineers.search.composer import compose
from kernelwright.engineers.search.policy import Step, next_step
from kernelwright.engineers.search.rates import Rates, probe_chip, rates_from_notes
from kernelwright.engineers.search.scenes import scenes_of
from kernelwright.engineers.search.trials import Trial, trial_of, trials_of

# Designs refused by `check` or repeated cost nothing; that many in a row means that no way leads on.
_FREE_STEPS_LIMIT = 25


class SearchEngineer:
    """Needs no model and no network; deterministic for a seed apart from measured times."""

    only_problems = ("extend-attention",)
    repeats_calls = True

    @property
    def name(self) -> str:
        """Return the public name."""
        return "search"

    def work(self, tools: Tools, seed: int) -> None:
        """Work until budgets end or every idea is used up, then submit; see `core.protocols.Engineer`."""
        scenes = scenes_of(tools.brief())
        rates = self._rates(tools)
        trials = list(trials_of(tools.history()))
        left: int | None = None
        free = 0
        while free < _FREE_STEPS_LIMIT:
            step = next_step(scenes, rates, trials, seed, left)
            if step is None:
                break
            trial, left = self._try(tools, step, left)
            free = free + 1 if trial.checked_only or _is_known(trial, trials) else 0
            trials.append(trial)
        if any(trial.is_accepted for trial in trials):
            tools.submit()

    def _rates(self, tools: Tools) -> Rates:
        known = rates_from_notes(tools.notes())
        if known is not None:
            return known
        return probe_chip(tools)

    def _try(self, tools: Tools, step: Step, left: int | None) -> tuple[Trial, int | None]:
        source = compose(step.design)
        if step.is_doubtful:
            checked = trial_of(step.design, tools.check(source), step.note, checked_only=True)
            if checked.status != "accepted":
                tools.note(f"{step.note}: check says {checked.status}: {checked.reason}")
                return checked, left
        view = tools.evaluate(source, step.note)
        trial = trial_of(step.design, view, step.note)
        if not trial.is_accepted:
            tools.note(f"{step.note}: {trial.status}: {trial.reason}")
        return trial, _left(view)


def _is_known(trial: Trial, trials: list[Trial]) -> bool:
    return any(t.design == trial.design for t in trials)


def _left(view: Mapping[str, object]) -> int | None:
    remaining = cast(Mapping[str, float | None], view.get("remaining") or {})
    evaluations = remaining.get("evaluations")
    return None if evaluations is None else int(evaluations)
