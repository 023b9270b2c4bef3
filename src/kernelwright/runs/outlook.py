"""How far a run is, in a line for people."""

import math
from collections.abc import Mapping
from typing import cast

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
    worked_s = (state.active_ns - state.began_ns) / 1e9
    spent = ((setup.evaluations, state.counted), (setup.tokens, state.tokens), (setup.usd, state.usd))
    left += [(limit - used) * worked_s / used for limit, used in spent if limit is not None and used]
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


def format_remark(state: RunState, kind: str, payload: Mapping[str, object]) -> str:
    """Return one line for people on an entry of an engineer's own, empty where there is nothing to tell."""
    who = f"{payload['client']}: " if payload.get("client") else ""
    if kind == "model_usage":
        return who + _format_usage(state, payload)
    if kind == "outage":
        seconds = cast(int, payload["lost_ns"]) / 1e9
        return f"{who}{payload['reason']}" + (f"; {seconds:.0f} s lost, not counted" if seconds >= 1 else "")
    if kind == "nudge":
        return f"{who}{payload.get('rule', 'told')}: {_first_words(payload)}"
    if kind == "client":
        event = _format_event(payload)
        return who + event if event else ""
    if kind == "compaction":
        return f"{who}conversation cut, its memory is the record"
    return ""


def _format_usage(state: RunState, payload: Mapping[str, object]) -> str:
    read, said = cast(int, payload["input_tokens"]), cast(int, payload["output_tokens"])
    setup = state.setup
    tokens = f" of {_short(setup.tokens)}" if setup and setup.tokens else ""
    usd = f" of ${setup.usd:.2f}" if setup and setup.usd is not None else ""
    money = f", ${state.usd:.2f}{usd}" if state.usd or usd else ""
    now = f"{payload['model']} read {_short(read)} and wrote {_short(said)} tokens"
    return f"{now}; so far {_short(state.tokens)}{tokens}{money}{_format_left(time_left_s(state))}"


def _format_event(payload: Mapping[str, object]) -> str:
    """Return what happened to a client; what it said is in the record alone."""
    if payload.get("event") == "started":
        return f"session {payload['session']} begins"
    if payload.get("event") == "left":
        return f"left with exit code {payload['exit_code']} after {payload['calls']} calls"
    return ""


def _first_words(payload: Mapping[str, object]) -> str:
    text = payload.get("text", "")
    return " ".join(str(text).split())[:100] if isinstance(text, str) else ""


def _short(count: int) -> str:
    """Return a count with three digits: 950, 12.3k, 4.56M."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.3g}k" if count < 999_500 else f"{count / 1e6:.3g}M"


def _format_left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"  about {math.ceil(seconds / 60)} min left" if seconds > 90 else f"  about {seconds:.0f} s left"
