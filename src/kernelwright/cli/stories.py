"""From a run's entries to what a report is written from."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from kernelwright.core.entry import Entry
from kernelwright.core.errors import KernelwrightError, RequestError
from kernelwright.core.final import Setup
from kernelwright.core.rates import TrueRate, noted_rates
from kernelwright.report import Promotion, RunStory
from kernelwright.runs import RunState, setup_of, step


def with_rates(story: RunStory, say: Callable[[str], None]) -> RunStory:
    """Return the story of a run with what is true of its chip, if it can be known; `say` hears why it cannot.

    Entries of runs closed before rates were revealed do not tell: there the chip is loaded by its name, and must have
    the numbers that it had.
    """
    if story.true_rates or story.phase != "closed" or not story.setup.emulated or not noted_rates(story.notes):
        return story
    try:
        return replace(story, true_rates=_rates_now(story.setup))
    except KernelwrightError as error:
        say(f"rates that were learned have none to stand beside: {error}")
        return story


def _rates_now(setup: Setup) -> tuple[TrueRate, ...]:
    from kernelwright.chips.catalogue import chip_sha256, load_chip  # noqa: PLC0415  # lazy: needs torch
    from kernelwright.chips.emulated.chip import EmulatedChip  # noqa: PLC0415
    from kernelwright.chips.emulated.profiles.true_rates import true_rates  # noqa: PLC0415

    chip = load_chip(setup.chip)
    if not isinstance(chip, EmulatedChip):
        return ()
    if setup.chip_sha256 not in ("", chip_sha256(chip)):
        raise RequestError(f"the profile of {setup.chip} must be that of the run, its numbers have changed")
    return true_rates(chip.profile)


def story_of(entries: Sequence[Entry], blob: Callable[[str], bytes]) -> RunStory:
    """Return the story of a run; `blob` gives the best kernel's source."""
    state, promotions = RunState(), []
    for entry in entries:
        before = state.best
        state = step(state, entry)
        if state.best is not None and state.best is not before:
            promotions.append(Promotion(state.best, state.counted, state.active_ns / 1e9))
    return RunStory(
        run=entries[0].run,
        setup=setup_of(entries),
        phase=state.phase,
        end_reason=state.end_reason,
        opened_ns=entries[0].time_ns,
        active_s=state.active_ns / 1e9,
        counted=state.counted,
        tool_calls=state.tool_calls,
        redesigns=state.redesigns,
        evaluations=state.evaluations,
        promotions=tuple(promotions),
        notes=state.notes,
        tuned=state.tuned,
        final=state.final,
        source=blob(state.best.candidate_sha256).decode() if state.best else "",
        ledger_head=entries[-1].digest,
        true_rates=state.true_rates,
    )
