"""What a run came to, in the words and units of its JSON."""

from dataclasses import dataclass

from kernelwright.core.entry import Entry
from kernelwright.core.final import RAGGED, FinalFigures, geomean
from kernelwright.runs.state import RunState, fold


@dataclass(frozen=True)
class RunSummary:
    """The JSON of `kernelwright run`. Figures are of the final kernel, measured again; None where none applies.

    `final_status` is the status of the final verdict, `no_candidate` when nothing beat the
    reference, `unfinished` while the run is open. `without_ragged` repeats the three ratios with
    the regime left out in which the reference's dead tiles alone are worth more than any redesign. `emulated` says
    that times are those of an emulated chip, `regret` is the distance to the best of a fixed space.
    """

    run: str
    chip: str
    engineer: str
    evaluations: int
    tool_calls: int
    redesigns: int
    wall_s: float
    geomean_speedup: float | None
    ci95: tuple[float, float] | None
    speedup_vs_tuned_baseline: float | None
    speedup_vs_library: float | None
    roofline_fraction: float | None
    roofline_fraction_bound: float | None
    without_ragged: dict[str, float | None]
    emulated: bool
    regret: float | None
    final_status: str
    unsafe: bool
    ledger_head: str


def summarise(entries: tuple[Entry, ...]) -> RunSummary:
    """Return the summary of a run, counted from its entries and from nothing else."""
    state = fold(entries)
    setup, final = state.setup, state.final
    verdict = final.verdict if final else None
    return RunSummary(
        run=entries[0].run,
        chip=setup.chip if setup else "",
        engineer=setup.engineer if setup else "",
        evaluations=state.counted,
        tool_calls=state.tool_calls,
        redesigns=state.redesigns,
        wall_s=round(state.active_ns / 1e9, 3),
        geomean_speedup=verdict.geomean_speedup if verdict else None,
        ci95=verdict.ci95 if verdict else None,
        speedup_vs_tuned_baseline=final.tuned.geomean_speedup if final and final.tuned else None,
        speedup_vs_library=final.library.geomean_speedup if final and final.library else None,
        roofline_fraction=verdict.roofline_fraction if verdict else None,
        roofline_fraction_bound=verdict.roofline_fraction_bound if verdict else None,
        without_ragged=_without_ragged(final),
        emulated=bool(setup and setup.emulated),
        regret=final.regret.value if final and final.regret else None,
        final_status=_final_status(state),
        unsafe=bool(setup and setup.unsafe),
        ledger_head=entries[-1].digest,
    )


def _final_status(state: RunState) -> str:
    if not state.is_final:
        return "unfinished"
    return state.final.verdict.status if state.final else "no_candidate"


def _without_ragged(final: FinalFigures | None) -> dict[str, float | None]:
    results = final.verdict.workloads if final else ()
    return {
        "geomean_speedup": geomean(result.speedup for result in results if result.regime != RAGGED),
        "speedup_vs_tuned_baseline": final.tuned.without(RAGGED) if final and final.tuned else None,
        "speedup_vs_library": final.library.without(RAGGED) if final and final.library else None,
    }
