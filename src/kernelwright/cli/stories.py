"""From a run's entries to what a report is written from."""

from collections.abc import Callable, Sequence

from kernelwright.core.entry import Entry
from kernelwright.report import Promotion, RunStory
from kernelwright.runs import RunState, setup_of, step


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
    )
