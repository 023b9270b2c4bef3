"""The run as the workshop sees it: every call an entry, budgets held, known answers from the record."""

import hashlib
import hmac
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from kernelwright.core.candidate import Candidate
from kernelwright.core.codec import to_json
from kernelwright.core.entry import Entry, canonical_json
from kernelwright.core.errors import HarnessError, RequestError
from kernelwright.core.evaluation import Evaluation
from kernelwright.core.protocols import REMARKS, BudgetSpent
from kernelwright.core.verdict import Direct, Verdict
from kernelwright.runs.conditions import Progress, RunLedger
from kernelwright.runs.outlook import format_evaluation, format_remark
from kernelwright.runs.promotion import is_better, is_promising
from kernelwright.runs.state import RunState, evaluation_payload, next_evaluation, step
from kernelwright.runs.text_blobs import from_blobs, to_blobs

# An engineer that calls tools this often without one new evaluation goes in a circle.
CALLS_WITHOUT_EVALUATION = 500
# Tries of one candidate, the waits between them, and faults without an evaluation after which a run stops.
HARNESS_ATTEMPTS = 3
FAULT_WAITS_S = (1.0, 10.0)
MOST_FAULTS_IN_TURN = 9
PAUSE_POLL_S = 0.5
# Longer calls are worth a line to the people who wait; evaluations have one anyway.
SLOW_CALL_S = 2.0
# What a model took is told at most this often.
USAGE_TOLD_S = 15.0
KEPT_WHOLE = ("summary",)


@dataclass(frozen=True)
class Hands:
    """What a recorder works with: the judge of the run, its direct comparison, outages, how it speaks to people.

    `confirm` has the last word on a candidate that would become the best.
    """

    judge: Callable[[Candidate, int, Progress], Verdict]
    progress: Progress
    sleep: Callable[[float], None] = time.sleep
    clock_ns: Callable[[], int] = time.time_ns
    against_best: Callable[[Candidate, int, Progress], Direct | None] | None = None
    confirm: Callable[[int, Progress], Verdict | None] | None = None
    outage: Callable[[], tuple[str, float] | None] | None = None


class RunRecorder:
    """A `core.protocols.Recorder` over one run of a ledger.

    With `replays` it begins at the first entry and goes through recorded tool calls as long as the engineer makes
    the same ones; then everything is live. Calls may come from several threads: one evaluation is judged at a time.
    """

    def __init__(self, ledger: RunLedger, run: str, secret: str, hands: Hands, replays: bool = True) -> None:
        self._ledger, self._run, self._secret, self._hands = ledger, run, secret, hands
        self._entries = list(ledger.entries(run))
        self._calls = [i for i, entry in enumerate(self._entries) if entry.kind == "tool_call"]
        # Notes of a call that a crash cut off before its own entry: made again, it must not write them twice.
        last = self._calls[-1] if self._calls else -1
        self._cut_off = [e.payload["text"] for e in self._entries[last + 1 :] if e.kind == "note"]
        # How many texts of people each client has read.
        self._read: dict[str, int] = {}
        self._is_closed = False
        self._told_usage_ns = 0
        self._guard, self._judging, self._obeying = threading.RLock(), threading.Lock(), threading.Lock()
        self._state, self._at = RunState(), 0
        if self._calls and replays:
            self._advance(self._before_first_call())
        else:
            self._advance(len(self._entries))

    @property
    def state(self) -> RunState:
        """Return the state up to where the engineer is; while replaying, not yet that of the last entry."""
        return self._state

    def tool_call(
        self, name: str, arguments: Mapping[str, object], call: Callable[[], Mapping[str, object]], client: str = ""
    ) -> Mapping[str, object]:
        """See `core.protocols.Recorder`."""
        shown, blobs = to_blobs(plain_json(dict(arguments)))
        recorded = self._replayed(name, shown)
        if recorded is not None:
            return recorded
        self._obey()
        self._require_budget()
        payload: dict[str, object] = {"name": name, "arguments": shown, **({"client": client} if client else {})}
        began_ns = self._hands.clock_ns()
        try:
            result = cast(dict[str, object], plain_json({**call(), **self._unread(client)}))
        except RequestError as error:
            # A refused call is an event too: an engineer learns from it, and must again on replay.
            self._write("tool_call", {**payload, "error": str(error)}, blobs)
            raise
        result_shown, result_blobs = to_blobs(result)
        self._write("tool_call", {**payload, "result": result_shown}, {**blobs, **result_blobs})
        took_s = (self._hands.clock_ns() - began_ns) / 1e9
        if took_s > SLOW_CALL_S and name != "evaluate":
            self._hands.progress(f"{name} took {took_s:.0f} s")
        return result

    def evaluate(self, candidate: Candidate, note: str) -> Evaluation:
        """See `core.protocols.Recorder`. Harness errors are retried and never counted.

        After the last try the run goes on: the evaluation says `harness_error` and stands in no count. Raises
        HarnessError when it is like that for several candidates in turn: then the judge does not work here.
        """
        with self._judging:
            return self._evaluated(candidate, note)

    def _evaluated(self, candidate: Candidate, note: str) -> Evaluation:
        known = self._state.of_source(candidate.sha256)
        if known is not None:
            return replace(known, repeats=known.repeats or known.number, is_best=False, is_redesign=False)
        self._require_budget()
        verdict = self._judge(candidate)
        if verdict.status == "harness_error":
            return Evaluation(len(self._state.evaluations) + 1, candidate.sha256, verdict, note)
        verdict = self._confirmed(self._compared(verdict))
        found = next_evaluation(self._state, candidate.sha256, verdict, note)
        payload = evaluation_payload(found, plain_json(to_json(verdict)))
        self._write("evaluation", payload, {candidate.sha256: candidate.source.encode()})
        self._hands.progress(format_evaluation(self._state, found))
        return found

    def evaluations(self) -> tuple[Evaluation, ...]:
        """See `core.protocols.Recorder`."""
        return self._state.evaluations

    def source(self, candidate_sha256: str) -> str:
        """See `core.protocols.Recorder`."""
        return self._ledger.blob(candidate_sha256).decode()

    def note(self, text: str) -> None:
        """See `core.protocols.Recorder`."""
        if text in self._cut_off:
            self._cut_off.remove(text)
            return
        self._write("note", {"text": text})

    def notes(self) -> tuple[str, ...]:
        """See `core.protocols.Recorder`."""
        return self._state.notes

    def remaining(self) -> Mapping[str, float]:
        """See `core.protocols.Recorder`."""
        setup = self._state.setup
        if setup is None:
            raise HarnessError(f"run '{self._run}' must be opened before work begins")
        evaluations = math.inf if setup.evaluations is None else setup.evaluations - self._state.counted
        seconds = math.inf if setup.seconds is None else setup.seconds - self._active_s()
        tokens = math.inf if setup.tokens is None else setup.tokens - self._state.tokens
        usd = math.inf if setup.usd is None else setup.usd - self._state.usd
        left = {"evaluations": evaluations, "seconds": seconds, "tokens": tokens, "usd": usd}
        return {name: max(0.0, value) for name, value in left.items()}

    def remark(self, kind: str, payload: Mapping[str, object]) -> None:
        """See `core.protocols.Recorder`."""
        if kind not in REMARKS:
            raise ValueError(f"an engineer may write {', '.join(sorted(REMARKS))}, got '{kind}'")
        plain = cast(dict[str, object], plain_json(dict(payload)))
        # What is read again from the record as it stands stays in the entry, however long.
        kept = {key: plain.pop(key) for key in KEPT_WHOLE if key in plain}
        shown, blobs = to_blobs(plain)
        self._write(kind, {**cast(dict[str, object], shown), **kept}, blobs)
        now_ns = self._hands.clock_ns()
        line = format_remark(self._state, kind, plain)
        if line and (kind != "model_usage" or now_ns - self._told_usage_ns >= USAGE_TOLD_S * 1e9):
            self._told_usage_ns = now_ns if kind == "model_usage" else self._told_usage_ns
            self._hands.progress(line)

    def summary(self, client: str) -> str:
        """See `core.protocols.Recorder`."""
        return self._state.summaries.get(client, "")

    def heed(self) -> bool:
        """See `core.protocols.Recorder`."""
        if not self._is_replaying:
            self._obey(waits=False)
            self._require_budget()
        return self._state.is_paused

    def submit(self) -> None:
        """See `core.protocols.Recorder`."""
        self._write("submitted", {})

    def close(self) -> None:
        """Take no more entries: a call that is still going on when the work has ended raises BudgetSpent."""
        with self._guard:
            self._is_closed = True

    @property
    def _is_replaying(self) -> bool:
        return self._at < len(self._entries)

    def _active_s(self) -> float:
        since_ns = 0 if self._is_replaying else max(0, self._hands.clock_ns() - self._state.last_time_ns)
        return (self._state.active_ns + since_ns) / 1e9

    def _replayed(self, name: str, shown: object) -> Mapping[str, object] | None:
        if not self._is_replaying:
            return None
        following = next((i for i in self._calls if i >= self._at), None)
        if following is not None:
            payload = self._entries[following].payload
            if payload["name"] == name and canonical_json(payload["arguments"]) == canonical_json(shown):
                self._advance(following + 1)
                self._read[""] = len(self._state.steering)
                if following == self._calls[-1]:
                    self._advance(len(self._entries))
                if "error" in payload:
                    raise RequestError(str(payload["error"]))
                return cast(Mapping[str, object], from_blobs(payload["result"], self._ledger.blob))
        # The engineer went another way than recorded: from here on everything is live.
        self._advance(len(self._entries))
        return None

    def _before_first_call(self) -> int:
        # Entries of the opening end with the reference's; later ones belong to tool calls.
        kinds = [entry.kind for entry in self._entries[: self._calls[0]]]
        return max((at + 1 for at, kind in enumerate(kinds) if kind in ("opened", "session", "reference")), default=0)

    def _advance(self, to: int) -> None:
        while self._at < to:
            self._state = step(self._state, self._entries[self._at])
            self._at += 1

    def _write(self, kind: str, payload: Mapping[str, object], blobs: Mapping[str, bytes] | None = None) -> Entry:
        # An evaluation may go on in a thread of its own while other tools are called.
        with self._guard:
            if self._is_closed:
                raise BudgetSpent("the work has ended")
            self._advance(len(self._entries))
            entry = self._ledger.append(self._run, kind, payload, blobs)
            self._entries.append(entry)
            outage = None if self._hands.outage is None else self._hands.outage()
            if outage is not None:
                told = {"reason": outage[0], "lost_ns": round(outage[1] * 1e9)}
                self._entries.append(self._ledger.append(self._run, "outage", told))
            self._advance(len(self._entries))
            return entry

    def _judge(self, candidate: Candidate) -> Verdict:
        for attempt in range(HARNESS_ATTEMPTS):
            number = f"{len(self._state.evaluations) + 1}:{self._state.harness_faults}"
            began_ns = self._hands.clock_ns()
            verdict = self._hands.judge(candidate, seed_of(self._secret, number), self._hands.progress)
            if verdict.status != "harness_error":
                return verdict
            lost_ns = max(0, self._hands.clock_ns() - began_ns)
            payload = {"candidate": candidate.sha256, "reason": verdict.reason, "attempt": attempt + 1}
            self._write("harness_fault", {**payload, "lost_ns": lost_ns})
            self._hands.progress(f"fault of the harness, nothing is counted: {verdict.reason}")
            faults = self._state.faults_in_turn
            if faults >= MOST_FAULTS_IN_TURN:
                raise HarnessError(f"the judge failed {faults} times in turn, nothing was counted: {verdict.reason}")
            if attempt + 1 < HARNESS_ATTEMPTS:
                self._hands.sleep(FAULT_WAITS_S[attempt])
        return verdict

    def _compared(self, verdict: Verdict) -> Verdict:
        """Return the verdict with a direct comparison where it could make the candidate the best."""
        held, compare = self._state.best, self._hands.against_best
        if compare is None or held is None or not is_promising(verdict, held) or self._state.earlier(verdict):
            return verdict
        best = Candidate(self.source(held.candidate_sha256))
        seed = seed_of(self._secret, f"{len(self._state.evaluations) + 1}:direct")
        return replace(verdict, over_best=compare(best, seed, self._hands.progress))

    def _confirmed(self, verdict: Verdict) -> Verdict:
        """Return the verdict, or that of a confirmation which failed, where the candidate would become the best."""
        confirm = self._hands.confirm
        if confirm is None or self._state.earlier(verdict) or not is_better(verdict, self._state.best):
            return verdict
        seed = seed_of(self._secret, f"{len(self._state.evaluations) + 1}:confirm")
        return confirm(seed, self._hands.progress) or verdict

    def _require_budget(self) -> None:
        state, left = self._state, self.remaining()
        if state.is_stopped:
            raise BudgetSpent("stopped on request")
        if state.is_submitted:
            raise BudgetSpent("submitted by the engineer")
        if left["evaluations"] <= 0:
            raise BudgetSpent("evaluations are spent")
        if left["seconds"] <= 0:
            raise BudgetSpent("hours are spent")
        if left["tokens"] <= 0:
            raise BudgetSpent("tokens are spent")
        if left["usd"] <= 0:
            raise BudgetSpent("money is spent")
        if state.calls_since_counted >= CALLS_WITHOUT_EVALUATION:
            raise BudgetSpent(f"no new evaluation in {CALLS_WITHOUT_EVALUATION} tool calls")

    def _obey(self, waits: bool = True) -> None:
        """Turn requests of people into entries; while paused, wait for the next one unless told not to."""
        kinds = {"steer": "steered", "pause": "paused", "resume": "resumed", "stop": "stopped"}
        while True:
            with self._obeying:
                for request in self._ledger.requests(self._run, self._state.last_request):
                    self._hands.progress(f"{kinds[request.command]} {request.text}".strip())
                    self._write(kinds[request.command], {"request": request.id, "text": request.text})
            if not self._state.is_paused or not waits:
                return
            self._hands.sleep(PAUSE_POLL_S)

    def _unread(self, client: str) -> dict[str, object]:
        with self._guard:
            unread = list(self._state.steering[self._read.get(client, 0) :])
            self._read[client] = len(self._state.steering)
        return {"steer": unread} if unread else {}


def seed_of(secret: str, use: str) -> int:
    """Return a seed below 2**63 that nobody without `secret` can guess, one for each `use`."""
    digest = hmac.new(bytes.fromhex(secret), use.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def plain_json(value: object) -> object:
    """Return JSON values with tuples as lists and numbers that JSON lacks as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    return value
