"""How far a run is, in a line for people."""

import math

from kernelwright.core.evaluation import Evaluation
from kernelwright.runs.state import RunState


def time_left_s(state: RunState) -> float | None:
    """Return about how long the work goes on, by the pace so far; None while nothing is known.

    Whichever budget ends first counts; the final judgement comes on top.
    """
    setup = state.setup
    if setup is None:
        return None
    left = [] if setup.seconds is None else [setup.seconds - state.active_ns / 1e9]
    if setup.evaluations is not None and state.counted:
        worked_s = (state.active_ns - state.began_ns) / 1e9
        left.append((setup.evaluations - state.counted) * worked_s / state.counted)
    return max(0.0, min(left)) if left else None


def format_evaluation(state: RunState, evaluation: Evaluation) -> str:
    """Return one line on an evaluation: its number, what came of it, the best so far, the time left."""
    verdict, limit = evaluation.verdict, state.setup.evaluations if state.setup else None
    count = f"{state.counted}/{limit}" if limit else str(state.counted)
    kind = " emulated" if verdict.emulated else ""
    found = f"{verdict.geomean_speedup:.3g}x{kind}" if verdict.geomean_speedup else verdict.reason
    marks = " redesign" if evaluation.is_redesign else " best" if evaluation.is_best else ""
    repeat = f" (same kernel as evaluation {evaluation.repeats}, not counted)" if evaluation.repeats else ""
    best = state.best.verdict.geomean_speedup if state.best else None
    best_text = f"  best {best:.3g}x" if best else ""
    return f"evaluation {count}: {verdict.status} {found}{marks}{repeat}{best_text}{_format_left(time_left_s(state))}"


def _format_left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"  about {math.ceil(seconds / 60)} min left" if seconds > 90 else f"  about {seconds:.0f} s left"
