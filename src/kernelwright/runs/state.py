"""The state of a run as a fold over its entries: pure, so that resume is replay."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import cast

from kernelwright.core.codec import from_json
from kernelwright.core.entry import Entry
from kernelwright.core.evaluation import Evaluation
from kernelwright.core.final import FinalFigures, Setup, TunedBaseline
from kernelwright.core.rates import TrueRate
from kernelwright.core.verdict import Verdict
from kernelwright.runs.promotion import is_better, is_redesign


@dataclass(frozen=True)
class RunState:
    """What the entries so far say.

    `counted` evaluations used, repeats left out; `since_best` counted evaluations since the last
    promotion; `calls_since_counted` tool calls since the last counted evaluation; `active_ns` time
    during which a process worked on the run, `began_ns` of it until the engineer began;
    `last_request` the last control request answered; `tokens` and `usd` what language models took;
    `summaries` what each client wrote down when its conversation was cut last;
    `true_rates` what is true of an emulated chip, told when a run closes;
    `harness_faults` what went wrong that is nobody's fault,
    `faults_in_turn` of the judge without an evaluation between them.
    """

    setup: Setup | None = None
    secret_sha256: str = ""
    has_reference: bool = False
    tuned: TunedBaseline | None = None
    is_tuned: bool = False
    began_ns: int = 0
    evaluations: tuple[Evaluation, ...] = ()
    counted: int = 0
    tool_calls: int = 0
    best: Evaluation | None = None
    redesigns: int = 0
    architectures: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    steering: tuple[str, ...] = ()
    since_best: int = 0
    calls_since_counted: int = 0
    harness_faults: int = 0
    faults_in_turn: int = 0
    active_ns: int = 0
    last_time_ns: int = 0
    last_request: int = 0
    tokens: int = 0
    usd: float = 0.0
    summaries: Mapping[str, str] = field(default_factory=dict)
    is_paused: bool = False
    is_stopped: bool = False
    is_submitted: bool = False
    end_reason: str = ""
    final: FinalFigures | None = None
    is_final: bool = False
    is_closed: bool = False
    secret: str = ""
    true_rates: tuple[TrueRate, ...] = ()

    @property
    def phase(self) -> str:
        """Return where the run is: new, opening, working, tuning, final, closing or closed."""
        if self.setup is None:
            return "new"
        if not self.has_reference:
            return "opening"
        if not self.end_reason:
            return "paused" if self.is_paused else "working"
        if not self.is_tuned:
            return "tuning"
        if not self.is_final:
            return "final"
        return "closed" if self.is_closed else "closing"

    def earlier(self, verdict: Verdict) -> Evaluation | None:
        """Return the evaluation with the same normalised IR or machine code, if there was one."""
        for evaluation in self.evaluations:
            known = evaluation.verdict
            if verdict.plan_sha256 and verdict.plan_sha256 == known.plan_sha256:
                return evaluation
            if verdict.machine_sha256 and verdict.machine_sha256 == known.machine_sha256:
                return evaluation
        return None

    def of_source(self, candidate_sha256: str) -> Evaluation | None:
        """Return the evaluation of the same source text, if there was one."""
        return next((e for e in self.evaluations if e.candidate_sha256 == candidate_sha256), None)


def fold(entries: Iterable[Entry]) -> RunState:
    """Return the state that `entries`, in order from the first, lead to."""
    return reduce(step, entries, RunState())


def setup_of(entries: Iterable[Entry]) -> Setup:
    """Return the setup of a run. Raises ValueError when its first entry does not open it."""
    first = next(iter(entries), None)
    if first is None or first.kind != "opened":
        raise ValueError("the first entry of a run must open it")
    return from_json(Setup, first.payload["setup"], "setup")


def step(state: RunState, entry: Entry) -> RunState:
    """Return the state after one more entry. An unknown kind changes nothing but the clock."""
    payload = entry.payload
    # Time between a crash and the next session, or within a pause, is nobody's work.
    idle = state.is_paused or entry.kind in ("opened", "session")
    passed_ns = 0 if idle else max(0, entry.time_ns - state.last_time_ns)
    # What a fault of the harness took is nobody's work either.
    passed_ns -= cast(int, payload.get("lost_ns", 0))
    state = replace(state, active_ns=max(0, state.active_ns + passed_ns), last_time_ns=entry.time_ns)
    if "request" in payload:
        state = replace(state, last_request=cast(int, payload["request"]))
    change = _CHANGES.get(entry.kind)
    return change(state, payload) if change else state


def evaluation_payload(evaluation: Evaluation, verdict_json: object) -> dict[str, object]:
    """Return the payload of the entry that records `evaluation`."""
    return {
        "number": evaluation.number,
        "candidate": evaluation.candidate_sha256,
        "note": evaluation.note,
        "repeats": evaluation.repeats,
        "is_best": evaluation.is_best,
        "is_redesign": evaluation.is_redesign,
        "verdict": verdict_json,
    }


def next_evaluation(state: RunState, candidate_sha256: str, verdict: Verdict, note: str) -> Evaluation:
    """Return how a fresh verdict enters the record: as a repeat, a best, a redesign or none of them."""
    number = len(state.evaluations) + 1
    known = state.earlier(verdict)
    if known is not None:
        return Evaluation(number, candidate_sha256, verdict, note, repeats=known.repeats or known.number)
    best = is_better(verdict, state.best)
    new = best and is_redesign(verdict, state.architectures)
    return Evaluation(number, candidate_sha256, verdict, note, is_best=best, is_redesign=new)


def _opened(state: RunState, payload: Mapping[str, object]) -> RunState:
    return replace(
        state,
        setup=from_json(Setup, payload["setup"], "setup"),
        secret_sha256=cast(str, payload["secret_sha256"]),
    )


def _reference(state: RunState, payload: Mapping[str, object]) -> RunState:
    start = cast(str, payload["architecture"])
    known = frozenset({start} - {""})
    return replace(state, has_reference=True, architectures=known, began_ns=state.active_ns)


def _tuned(state: RunState, payload: Mapping[str, object]) -> RunState:
    value = payload["baseline"]
    return replace(
        state,
        is_tuned=True,
        tuned=None if value is None else from_json(TunedBaseline, value, "baseline"),
    )


def _evaluated(state: RunState, payload: Mapping[str, object]) -> RunState:
    verdict = from_json(Verdict, payload["verdict"], "verdict")
    found = next_evaluation(state, cast(str, payload["candidate"]), verdict, cast(str, payload["note"]))
    state = replace(state, evaluations=(*state.evaluations, found), faults_in_turn=0)
    if found.repeats is not None:
        return state
    seen = state.architectures | {verdict.architecture} if verdict.is_accepted else state.architectures
    return replace(
        state,
        counted=state.counted + 1,
        calls_since_counted=0,
        architectures=seen - {""},
        best=found if found.is_best else state.best,
        since_best=0 if found.is_best else state.since_best + 1,
        redesigns=state.redesigns + found.is_redesign,
    )


def _called(state: RunState, payload: Mapping[str, object]) -> RunState:
    return replace(state, tool_calls=state.tool_calls + 1, calls_since_counted=state.calls_since_counted + 1)


def _used(state: RunState, payload: Mapping[str, object]) -> RunState:
    tokens = cast(int, payload["input_tokens"]) + cast(int, payload["output_tokens"])
    return replace(state, tokens=state.tokens + tokens, usd=state.usd + (cast(float | None, payload["usd"]) or 0.0))


def _compacted(state: RunState, payload: Mapping[str, object]) -> RunState:
    client, summary = cast(str, payload.get("client", "")), cast(str, payload.get("summary", ""))
    return replace(state, summaries={**state.summaries, client: summary})


def _final(state: RunState, payload: Mapping[str, object]) -> RunState:
    value = payload["figures"]
    return replace(state, is_final=True, final=None if value is None else from_json(FinalFigures, value, "figures"))


def _closed(state: RunState, payload: Mapping[str, object]) -> RunState:
    rates = from_json(tuple[TrueRate, ...], payload.get("true_rates", []), "true_rates")
    return replace(state, is_closed=True, secret=cast(str, payload["secret"]), true_rates=rates)


_CHANGES: dict[str, Callable[[RunState, Mapping[str, object]], RunState]] = {
    "opened": _opened,
    "reference": _reference,
    "baseline_tuned": _tuned,
    "tool_call": _called,
    "evaluation": _evaluated,
    "model_usage": _used,
    "compaction": _compacted,
    "harness_fault": lambda state, payload: replace(
        state, harness_faults=state.harness_faults + 1, faults_in_turn=state.faults_in_turn + 1
    ),
    "outage": lambda state, payload: replace(state, harness_faults=state.harness_faults + 1),
    "session": lambda state, payload: replace(state, is_paused=False),
    "note": lambda state, payload: replace(state, notes=(*state.notes, cast(str, payload["text"]))),
    "steered": lambda state, payload: replace(state, steering=(*state.steering, cast(str, payload["text"]))),
    "paused": lambda state, payload: replace(state, is_paused=True),
    "resumed": lambda state, payload: replace(state, is_paused=False),
    "stopped": lambda state, payload: replace(state, is_stopped=True, is_paused=False),
    "submitted": lambda state, payload: replace(state, is_submitted=True),
    "work_ended": lambda state, payload: replace(state, end_reason=cast(str, payload["reason"])),
    "final": _final,
    "closed": _closed,
}
