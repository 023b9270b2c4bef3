"""The talk between host and capture process, from the request to plans or a fault."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kernelwright.core.errors import HarnessError
from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.sandbox.assembly import Event, ForgedLine, plan_of
from kernelwright.sandbox.limits import Limits
from kernelwright.sandbox.process import MAX_OUTPUT_BYTES, OutputError, SandboxedProcess

# The processes that capture, and how often each captures every call.
ROUNDS = {"A": 2, "B": 1}


@dataclass
class Speaker:
    """What one of the two processes has said so far."""

    texts: list[str] = field(default_factory=list)
    plans: dict[tuple[int, int], LaunchPlan] = field(default_factory=dict)
    call: int = -1
    began: float = 0.0
    heard: float = 0.0
    begun: set[tuple[int, int]] = field(default_factory=set)
    fault: Fault | None = None
    is_done: bool = False
    has_ended: bool = False


class Conversation:
    """One candidate's capture: who said what, who is late, and what follows."""

    def __init__(self, process: SandboxedProcess, limits: Limits, calls: int) -> None:
        self._process = process
        self._limits = limits
        self._calls = calls
        now = time.monotonic()
        self._speakers = {name: Speaker(began=now, heard=now) for name in ROUNDS}

    def plans(self) -> tuple[LaunchPlan, ...] | Fault:
        """Return the plans, one per call, or the fault."""
        while not all(speaker.has_ended for speaker in self._speakers.values()):
            late = self._late()
            if late is not None:
                return late
            try:
                found = self._listen()
            except OutputError:
                return Fault("over_limit", f"host code made the sandbox say more than {MAX_OUTPUT_BYTES} bytes; "
                             "plan fewer kernels", {"call": self._speakers["A"].call})  # fmt: skip
            if found is not None:
                return found
            if self._process.has_finished and not all(s.has_ended for s in self._speakers.values()):
                raise HarnessError(f"the sandbox ended in the middle of a capture: {self._process.last_words()}")
        return self._speakers["B"].fault or self._compared()

    def _listen(self) -> Fault | None:
        """Hear lines until both have ended, somebody is late, or the first process has a fault, which is returned."""
        for line in self._process.lines(self._next_deadline()):
            if line:
                self._hear(line)
            fault = self._speakers["A"].fault
            if fault is not None:
                return fault
            if all(s.has_ended for s in self._speakers.values()) or self._late() is not None:
                break
        return None

    def _compared(self) -> tuple[LaunchPlan, ...] | Fault:
        first, second = self._speakers["A"].plans, self._speakers["B"].plans
        for call in range(self._calls):
            plans = [first[call, 0], first[call, 1], second[call, 0]]
            if len({plan.sha256() for plan in plans}) > 1:
                again = "again in the same process" if plans[0].sha256() != plans[1].sha256() else "in a fresh process"
                return Fault(
                    "cheating",
                    f"host code gave different plans for equal inputs, {again}: {_difference(plans)}; "
                    "a plan must follow from the arguments alone",
                    {"call": call},
                )
        # The second capture finds kernels compiled, so its host time is the one that users would see.
        return tuple(first[call, 1] for call in range(self._calls))

    def _hear(self, line: bytes) -> None:
        """Take in one line. Workers' lines are under their own names, whatever is in them: the parent writes those."""
        name, _, text = line.decode(errors="replace").partition(" ")
        if name == "=":
            self._hear_parent(_event(text))
        elif name in self._speakers:
            try:
                self._hear_worker(name, _event(text))
            except (ForgedLine, RecursionError) as error:
                reason = f"host code wrote to the sandbox's own channel: {error}"
                self._speakers[name].fault = Fault("cheating", reason, {"call": self._speakers[name].call})
        else:
            raise HarnessError(f"the capture process spoke as {name[:20]!r}")

    def _hear_worker(self, name: str, event: Event) -> None:
        speaker = self._speakers[name]
        speaker.heard = time.monotonic()
        if event.kind == "begin":
            step = event.number("call"), event.number("round")
            # Each only once: time is counted from here.
            if step in speaker.begun or len(speaker.begun) > self._calls * ROUNDS[name]:
                raise ForgedLine(f"call {step[0]} began twice")
            speaker.begun.add(step)
            speaker.call, speaker.began = step[0], speaker.heard
        elif event.kind == "ir":
            speaker.texts.append(event.text("text"))
        elif event.kind == "plan":
            call, number = event.number("call"), event.number("round")
            if not (0 <= call < self._calls and 0 <= number < ROUNDS[name]):
                raise ForgedLine(f"a plan for call {call}, round {number}")
            speaker.plans[call, number] = plan_of(event.fields.get("plan"), speaker.texts)
        elif event.kind == "fault":
            speaker.fault = speaker.fault or event.fault()
        elif event.kind == "alive":
            return
        elif event.kind == "done":
            speaker.is_done = len(speaker.plans) == self._calls * ROUNDS[name]
        elif event.kind == "broken":
            raise HarnessError(f"the capture process failed: {event.fields.get('reason')!s:.300}")
        else:
            raise ForgedLine(f"an event of kind {event.kind!r}")

    def _hear_parent(self, event: Event) -> None:
        if event.kind == "ended":
            self._hear_end(event)
        elif event.kind == "disk":
            fault = Fault("over_limit", "host code wrote more files than allowed; at most 512 MiB, 20000 files",
                          {"call": self._speakers["A"].call})  # fmt: skip
            for speaker in self._speakers.values():
                speaker.fault, speaker.has_ended = speaker.fault or fault, True
        else:
            raise HarnessError(f"the sandbox ended in the middle of a capture: {self._process.last_words()}")

    def _hear_end(self, event: Event) -> None:
        speaker = self._speakers.get(event.text("worker"))
        if speaker is None:
            raise HarnessError("an unknown capture process ended")
        speaker.has_ended = True
        if not speaker.is_done and speaker.fault is None:
            code = event.number("code")
            how = f"exit code {code}" if code >= 0 else f"signal {-code}"
            speaker.fault = Fault(
                "runtime_error", f"host code ended its process in the middle of a call ({how})",
                {"call": speaker.call, "code": code},
            )  # fmt: skip

    def _late(self) -> Fault | None:
        now = time.monotonic()
        for speaker in self._watched():
            for limit, since in ((self._limits.call_s, speaker.heard), (self._limits.workload_s, speaker.began)):
                if now - since >= limit:
                    what = "the file's import" if speaker.call < 0 else "host code"
                    return Fault(
                        "timeout",
                        f"{what} must end within {limit:g} s a workload, it went on; plan less on the host",
                        {"call": speaker.call, "limit_s": limit},
                    )
        return None

    def _next_deadline(self) -> float:
        return min(
            min(s.heard + self._limits.call_s, s.began + self._limits.workload_s) for s in self._watched()
        )  # fmt: skip

    def _watched(self) -> list[Speaker]:
        """Return whose time is up to be kept: the first process until it ends, then the second.

        Both may be late on different calls at once, and equal candidates must fail alike.
        """
        running = [s for s in self._speakers.values() if not s.has_ended]
        return running[:1]


def _event(text: str) -> Event:
    """Return the event that a line describes; raises ForgedLine on anything else."""
    try:
        fields: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ForgedLine(f"no JSON: {text[:80]!r}") from None
    if not isinstance(fields, dict):
        raise ForgedLine(f"{text[:80]!r} is no object")
    return Event(str(fields.get("event"))[:80], fields)


def _difference(plans: Sequence[LaunchPlan]) -> str:
    """Return the first thing in which plans differ, in words."""
    base = plans[0]
    other = next(plan for plan in plans if plan.sha256() != base.sha256())
    if len(base.launches) != len(other.launches):
        return f"{len(base.launches)} and {len(other.launches)} launches"
    if base.buffers != other.buffers:
        return "other scratch or constants"
    if [k.sha256 for k in base.kernels] != [k.sha256 for k in other.kernels]:
        return "other kernels"
    for number, (left, right) in enumerate(zip(base.launches, other.launches, strict=True)):
        grids = ([o.grid for o in left.options], [o.grid for o in right.options])
        if grids[0] != grids[1]:
            return f"launch {number} has grid {grids[0][0]} and {grids[1][0]}"
        if left != right:
            return f"launch {number} has other arguments"
    return "other launches"
