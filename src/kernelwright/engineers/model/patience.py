"""Gets a reply out of providers that fail: waits with jitter, goes on to the next model, never counts the time."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kernelwright.core.errors import HarnessError, RequestError
from kernelwright.engineers.model.conversation import Conversation, Said
from kernelwright.engineers.model.outage_clock import OutageClock
from kernelwright.engineers.model.prices import Usage
from kernelwright.engineers.model.providers import ModelName
from kernelwright.engineers.model.wire import PASSING, ProviderFault

# Failures in turn after which a model rests and the next one is asked; the first wait, the longest, the rest.
TRIES, FIRST_WAIT_S, LONGEST_WAIT_S, REST_S = 3, 2.0, 60.0, 600.0
MOST_DOUBLINGS = 10
# A provider may ask for a longer wait than ours, but not for a day.
LONGEST_ASKED_S = 3600.0
# How long no model at all may answer before the work stops, resumable.
PATIENCE_S = 24 * 3600.0


class Asked(Protocol):
    """A model that may be asked; see `wire.Talker`."""

    name: ModelName

    def ask(self, conversation: Conversation, most_tokens: int) -> Said:
        """Return the next reply. Raises ProviderFault."""

    def close(self) -> None:
        """End connections."""


@dataclass(frozen=True)
class Clockwork:
    """Time and chance, to be replaced by tests; `patience_s` is how long no model may answer."""

    sleep: Callable[[float], None] = time.sleep
    clock_ns: Callable[[], int] = time.time_ns
    chance: Callable[[], float] = random.random
    patience_s: float = PATIENCE_S


@dataclass(frozen=True)
class Told:
    """To whom what happens is told: `outage` gets a reason and lost ns, `spent` usage of a broken reply.

    `heed` raises BudgetSpent when the run is over.
    """

    outage: Callable[[str, int], None]
    spent: Callable[[ModelName, Usage], None]
    heed: Callable[[], None]


@dataclass
class _State:
    """Where a model stands: failures in turn, when it may be asked again, until when others are preferred."""

    talker: Asked
    failures: int = 0
    not_before_ns: int = 0
    rests_until_ns: int = 0
    has_answered: bool = False


class PatientModel:
    """The models of one conversation in the order of preference, asked until one answers."""

    def __init__(
        self, talkers: Sequence[Asked], worker: str, told: Told, outages: OutageClock, clockwork: Clockwork
    ) -> None:
        self._states = [_State(talker) for talker in talkers]
        self._worker, self._told, self._outages, self._clockwork = worker, told, outages, clockwork

    @property
    def next_name(self) -> ModelName:
        """Return the model that would be asked now."""
        return self._chosen(self._clockwork.clock_ns()).talker.name

    def ask(self, conversation: Conversation, most_tokens: int) -> tuple[Said, ModelName]:
        """Return a reply and who gave it.

        Raises RequestError when no request can succeed until a person does something, HarnessError when no model
        answered for a day, ProviderFault for a request that is too long or that no model takes.
        """
        began_ns: int | None = None
        while True:
            state = self._chosen(self._clockwork.clock_ns())
            if began_ns is not None:
                self._wait_for(state)
            asked_ns = self._clockwork.clock_ns()
            began_ns = asked_ns if began_ns is None else began_ns
            # Whatever this request takes is work if it is answered, and lost only if it is not.
            self._outages.back(self._worker)
            try:
                said = state.talker.ask(conversation, most_tokens)
            except ProviderFault as fault:
                self._outages.out(self._worker, asked_ns)
                self._failed(state, fault)
                self._require_patience(began_ns, fault)
                continue
            state.failures, state.has_answered = 0, True
            return said, state.talker.name

    def close(self) -> None:
        """End all connections."""
        for state in self._states:
            state.talker.close()

    def _chosen(self, now_ns: int) -> _State:
        # One that failed once or twice is waited for; then the first that does not rest, or whose rest ends first.
        for state in self._states:
            if 0 < state.failures < TRIES:
                return state
        ready = [s for s in self._states if s.rests_until_ns <= now_ns and s.not_before_ns <= now_ns]
        return ready[0] if ready else min(self._states, key=lambda s: (s.not_before_ns, s.rests_until_ns))

    def _failed(self, state: _State, fault: ProviderFault) -> None:
        if fault.usage is not None:
            self._told.spent(state.talker.name, fault.usage)
        now_ns = self._clockwork.clock_ns()
        if fault.kind not in PASSING:
            self._lasting(state, fault, now_ns)
            return
        state.failures += 1
        doubled_s = FIRST_WAIT_S * 2 ** min(state.failures - 1, MOST_DOUBLINGS)
        wait_s = min(LONGEST_WAIT_S, doubled_s) * (0.5 + self._clockwork.chance() / 2)
        if fault.retry_after_s is not None:
            # Not before it asked, and not all at once when it lets go.
            wait_s = min(LONGEST_ASKED_S, max(0.0, fault.retry_after_s)) + self._clockwork.chance()
        state.not_before_ns = now_ns + round(wait_s * 1e9)
        has_others = len(self._states) > 1
        if has_others and (state.failures >= TRIES or wait_s > LONGEST_WAIT_S):
            state.failures = max(state.failures, TRIES)
            state.rests_until_ns = now_ns + round(REST_S * 1e9)
        self._tell(str(fault))

    def _lasting(self, state: _State, fault: ProviderFault, now_ns: int) -> None:
        """Go on to the next model where there is one that may take what this one will not, else raise."""
        others = [s for s in self._states if s is not state]
        if fault.kind == "window":
            self._outages.back(self._worker)
            raise fault
        if fault.kind == "refused":
            state.rests_until_ns = state.not_before_ns = now_ns + round(REST_S * 1e9)
            state.failures = TRIES
            if any(s.rests_until_ns <= now_ns for s in others):
                self._tell(str(fault))
                return
            self._outages.back(self._worker)
            raise fault
        if state.has_answered and others:
            # It worked until now; someone took the key away, or it ran out of credit. The others may go on.
            self._states.remove(state)
            state.talker.close()
            self._tell(f"{fault}; it is not asked again")
            return
        self._outages.back(self._worker)
        raise RequestError(_advice(state.talker.name, fault))

    def _wait_for(self, state: _State) -> None:
        """Sleep until `state` may be asked, telling the record what is lost, so that the budget's clock stays right."""
        while (left_ns := state.not_before_ns - self._clockwork.clock_ns()) > 0:
            self._clockwork.sleep(min(LONGEST_WAIT_S, left_ns / 1e9))
            self._tell(f"waited for {state.talker.name}")
            self._told.heed()

    def _tell(self, reason: str) -> None:
        self._told.outage(reason, self._outages.taken_ns())

    def _require_patience(self, began_ns: int, fault: ProviderFault) -> None:
        waited_s = (self._clockwork.clock_ns() - began_ns) / 1e9
        if waited_s > self._clockwork.patience_s:
            self._outages.back(self._worker)
            raise HarnessError(f"no model answered for {waited_s / 3600:.0f} h, the last one said: {fault}")


def _advice(name: ModelName, fault: ProviderFault) -> str:
    what = {
        "key": "must take the key that the environment holds, it does not. Set the right one, then resume",
        "name": "must be known to its provider, it is not. Choose another with --model",
        "credit": "must have credit left, its account has none. Top it up, then resume",
    }
    return f"model '{name}' {what.get(fault.kind, 'must answer')}: {fault}"
