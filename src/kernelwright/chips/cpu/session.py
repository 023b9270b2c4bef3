"""The parent's side of the chip: keeps inputs and plans, watches the worker, starts it again when it falls."""

import contextlib
import hashlib
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kernelwright.chips.cpu.channel import Activity, Channel, ChannelClosed, StatusPage, open_shared_file
from kernelwright.chips.cpu.host import Host, own_environment
from kernelwright.core.codec import from_json, to_json
from kernelwright.core.entry import canonical_json
from kernelwright.core.errors import HarnessError
from kernelwright.core.fault import Fault, Status
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.protocols import Execution, Loaded
from kernelwright.core.timing import Timing

_POLL_S = 0.2
_START_LIMIT_S = 60.0
_OUR_LIMIT_S = 120.0
_MOST_PLANS = 512
_MOST_IDLE_DEATHS = 3
_LINE = 64
_DEATHS: dict[int, Status] = {
    signal.SIGSEGV: "memory_fault",
    signal.SIGBUS: "memory_fault",
    signal.SIGFPE: "runtime_error",
    signal.SIGILL: "runtime_error",
    signal.SIGABRT: "runtime_error",
}
Layout = list[tuple[str, int, int]]


class _Died(Exception):
    """The worker ended by itself while busy with `activity`; `number` is the signal, or 0."""

    def __init__(self, activity: Activity, number: int) -> None:
        super().__init__()
        self.activity = activity
        self.number = number


class _Endless(Exception):
    """The worker was ended by us because `activity` passed its limit."""

    def __init__(self, activity: Activity) -> None:
        super().__init__()
        self.activity = activity


@dataclass
class _Process:
    """One life of the worker and what it has been told."""

    process: subprocess.Popen[bytes]
    channel: Channel
    status: StatusPage
    lifeline: int
    errors: Any
    inputs: set[str]
    plans: set[str]

    def end(self) -> int:
        """Kill the process if it lives; return how it ended."""
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait()
        self.channel.close()
        os.close(self.lifeline)
        self.errors.close()
        return code


class CpuSession:
    """The `cpu` chip at work, see `core.protocols.ChipSession`.

    Limits in seconds bound each single launch and each single compilation. A worker that passes one, or that
    a kernel brings down, is replaced, and everything it knew is given to the next one.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._worker: _Process | None = None
        self._inputs: dict[str, tuple[int, Layout]] = {}
        self._plans: dict[int, tuple[LaunchPlan, str]] = {}
        self._closed = False

    def put(self, key: str, arrays: Mapping[str, bytes | memoryview]) -> None:
        """Keep the bytes of every tensor argument under `key`, in shared memory."""
        layout: Layout = []
        end = 0
        for name, array in arrays.items():
            size = memoryview(array).nbytes
            layout.append((name, end, size))
            end += size + -size % _LINE
        file = open_shared_file(end)
        with mmap.mmap(file, max(end, 1)) as shared:
            for (_name, offset, size), array in zip(layout, arrays.values(), strict=True):
                if size:
                    shared[offset : offset + size] = memoryview(array).cast("B")
        self.drop(key)
        self._inputs[key] = (file, layout)

    def drop(self, key: str) -> None:
        """Forget the inputs kept under `key`."""
        known = self._inputs.pop(key, None)
        if known is not None:
            os.close(known[0])
        if self._worker is not None and key in self._worker.inputs:
            self._worker.inputs.discard(key)
            with contextlib.suppress(_Died):
                self._ask({"command": "drop", "key": key}, _OUR_LIMIT_S)

    def load(self, plan: LaunchPlan, checked: bool, limit_s: float) -> Loaded | Fault:
        """Compile every kernel of `plan`; a kernel that takes longer than `limit_s` is over_limit."""
        reply = self._for_candidate(
            {"command": "load", "plan_id": self._plan_id(plan), "checked": checked}, [plan], [], limit_s
        )
        if isinstance(reply, Fault):
            return reply
        return Loaded(cast(str, reply["machine_sha256"]), cast(int, reply["compile_ns"]))

    def run(
        self, plan: LaunchPlan, inputs: str, checked: bool, poison_seed: int, limit_s: float, stale: bool = False
    ) -> Execution | Fault:
        """Run `plan` once; see the protocol. An endless launch ends after `limit_s`."""
        message = {
            "command": "run",
            "plan_id": self._plan_id(plan),
            "inputs": inputs,
            "checked": checked,
            "poison_seed": poison_seed,
            "stale": stale,
        }
        reply = self._for_candidate(message, [plan], [inputs], limit_s)
        if isinstance(reply, Fault):
            return reply
        return Execution(cast(dict[str, bytes], reply["outputs"]), cast(int, reply["elapsed_ns"]))

    def time(
        self, plans: Sequence[LaunchPlan], inputs: Sequence[str], schedule: Sequence[int], limit_s: float
    ) -> Timing | Fault:
        """Return the times of `schedule`, item by item; plan i runs on `inputs[i]`; the schedule is kept."""
        message: dict[str, object] = {
            "command": "time",
            "plan_ids": [self._plan_id(plan) for plan in plans],
            "inputs": list(inputs),
            "schedule": list(schedule),
        }
        reply = self._for_candidate(message, plans, inputs, limit_s)
        return reply if isinstance(reply, Fault) else from_json(Timing, reply["timing"], "timing")

    def witness(self, plan: LaunchPlan, inputs: str) -> Mapping[str, bytes]:
        """Return, once, the outputs that a call of the last `time` left; which call, the worker drew at random."""
        message: dict[str, object] = {"command": "witness", "plan_id": self._plan_id(plan), "inputs": inputs}
        return cast(dict[str, bytes], self._ask(message, _OUR_LIMIT_S)["outputs"])

    def close(self) -> None:
        """End the worker and free all memory; safe to call twice."""
        self._closed = True
        if self._worker is not None:
            self._worker.end()
            self._worker = None
        for file, _layout in self._inputs.values():
            os.close(file)
        self._inputs.clear()

    def __del__(self) -> None:
        self.close()

    def _plan_id(self, plan: LaunchPlan) -> str:
        known = self._plans.get(id(plan))
        if known is None:
            known = (plan, hashlib.sha256(canonical_plan(plan).encode()).hexdigest())
            self._plans[id(plan)] = known
        return known[1]

    def _for_candidate(
        self, message: dict[str, object], plans: Sequence[LaunchPlan], inputs: Sequence[str], limit_s: float
    ) -> dict[str, object] | Fault:
        """Ask; a worker that dies is asked again in its next life, and only dying twice is the candidate's fault."""
        first: _Died | None = None
        deaths = 0
        while True:
            try:
                self._prepare(plans, inputs)
                reply = self._ask(message, limit_s)
            except _Endless as endless:
                return _endless_fault(endless.activity, plans, limit_s)
            except _Died as died:
                # A worker that was ended while it waited for work tells nothing about the work.
                if first is None:
                    first = died if died.activity.phase != "idle" else None
                    deaths += 1
                    if deaths <= _MOST_IDLE_DEATHS:
                        continue
                return _death_fault(died, plans)
            if first is not None:
                name = _signal_name(first.number)
                raise HarnessError(f"the worker of chip cpu ended by {name} once and not again on the same request")
            return from_json(Fault, reply["fault"], "fault") if "fault" in reply else reply

    def _prepare(self, plans: Sequence[LaunchPlan], inputs: Sequence[str]) -> None:
        if len(self._plans) > _MOST_PLANS:
            self._forget_others(plans)
        worker = self._alive()
        for key in dict.fromkeys(inputs):
            if key not in self._inputs:
                raise HarnessError(f"inputs '{key}' must be put before they are used")
            if key not in worker.inputs:
                file, layout = self._inputs[key]
                self._ask(
                    {"command": "put", "key": key, "arrays": [list(row) for row in layout]}, _OUR_LIMIT_S, (file,)
                )
                worker.inputs.add(key)
        for plan in plans:
            plan_id = self._plan_id(plan)
            if plan_id not in worker.plans:
                self._ask({"command": "learn", "plan_id": plan_id, "plan": to_json(plan)}, _OUR_LIMIT_S)
                worker.plans.add(plan_id)

    def _forget_others(self, plans: Sequence[LaunchPlan]) -> None:
        keep = {self._plan_id(plan) for plan in plans}
        gone = {plan_id for _plan, plan_id in self._plans.values()} - keep
        self._plans = {key: known for key, known in self._plans.items() if known[1] in keep}
        if self._worker is not None and gone:
            self._worker.plans -= gone
            self._ask({"command": "forget", "plan_ids": sorted(gone)}, _OUR_LIMIT_S)

    def _ask(self, message: dict[str, object], limit_s: float, files: tuple[int, ...] = ()) -> dict[str, object]:
        worker = self._alive()
        try:
            worker.channel.send(message, files)
            self._wait(worker, limit_s)
            reply, attached = worker.channel.receive()
        except ChannelClosed:
            activity = worker.status.read()
            self._worker = None
            raise _Died(activity, max(-worker.end(), 0)) from None
        if "error" in reply:
            raise HarnessError(f"the worker of chip cpu failed: {reply['error']}")
        if attached:
            reply["outputs"] = _read_outputs(attached[0], cast(list[list[Any]], reply["outputs"]))
        return reply

    def _wait(self, worker: _Process, limit_s: float) -> None:
        """Return when an answer, or the end, can be read; raises _Endless after killing a worker past its limit."""
        begun = time.monotonic()
        while not select.select([worker.channel], [], [], _POLL_S)[0]:
            activity = worker.status.read()
            busy_s = (time.monotonic_ns() - activity.since_ns) / 1e9
            if activity.phase != "idle" and busy_s > limit_s and worker.status.read() == activity:
                self._worker = None
                worker.end()
                raise _Endless(activity)
            if activity.phase == "idle" and min(busy_s, time.monotonic() - begun) > _OUR_LIMIT_S:
                self._worker = None
                worker.end()
                raise HarnessError(f"the worker of chip cpu gave no answer within {_OUR_LIMIT_S:g} s")

    def _alive(self) -> _Process:
        if self._closed:
            raise HarnessError("the session of chip cpu must be open, it was closed")
        if self._worker is None:
            self._worker = _start(self._host)
        return self._worker


def canonical_plan(plan: LaunchPlan) -> str:
    """Return text that is equal for plans that run alike: everything but host time and names of options."""
    fields = cast(dict[str, object], to_json(plan))
    fields.pop("host_ns")
    return canonical_json(_finite(fields))


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value.hex() if isinstance(value, float) else value


def _start(host: Host) -> _Process:
    ours, theirs = socket.socketpair()
    page = open_shared_file(24)
    status = StatusPage(page)
    status.write("idle")
    dead_end, lifeline = os.pipe()
    errors = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the worker
    facts = [theirs.fileno(), page, dead_end, host.llc_bytes, host.memory_bytes, host.core_list]
    command = [sys.executable, "-m", "kernelwright.chips.cpu.worker", *(str(fact) for fact in facts)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=errors,
        stderr=errors,
        pass_fds=(theirs.fileno(), page, dead_end),
        env=own_environment(),
    )
    theirs.close()
    os.close(page)
    os.close(dead_end)
    worker = _Process(process, Channel(ours), status, lifeline, errors, set(), set())
    try:
        worker.channel.send({"command": "hello"})
        if not select.select([worker.channel], [], [], _START_LIMIT_S)[0]:
            raise ChannelClosed
        worker.channel.receive()
    except ChannelClosed:
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()
        worker.end()
        raise HarnessError(
            f"the worker of chip cpu must start, it ended: {said[-1] if said else 'no message'}"
        ) from None
    return worker


def _read_outputs(file: int, layout: list[list[Any]]) -> dict[str, bytes]:
    total = max([offset + size for _name, offset, size in layout], default=0)
    try:
        with mmap.mmap(file, max(total, 1), prot=mmap.PROT_READ) as shared:
            return {name: shared[offset : offset + size] for name, offset, size in layout}
    finally:
        os.close(file)


def _kernel_name(activity: Activity, plans: Sequence[LaunchPlan]) -> str:
    names = {p.kernels[activity.kernel].name for p in plans if activity.kernel < len(p.kernels)}
    return " or ".join(f"'{name}'" for name in sorted(names))


def _endless_fault(activity: Activity, plans: Sequence[LaunchPlan], limit_s: float) -> Fault:
    kernel = _kernel_name(activity, plans)
    facts: dict[str, object] = {"kernel": kernel.strip("'"), "limit_s": limit_s}
    if activity.phase == "compile":
        return Fault(
            "over_limit",
            f"kernel {kernel} must compile within {limit_s:g} s. Use smaller tiles or less unrolling.",
            facts,
        )
    return Fault("timeout", f"one launch of kernel {kernel} must end within {limit_s:g} s, it was still running", facts)


def _death_fault(died: _Died, plans: Sequence[LaunchPlan]) -> Fault:
    kernel = _kernel_name(died.activity, plans)
    name = _signal_name(died.number)
    facts: dict[str, object] = {"kernel": kernel.strip("'"), "signal": name}
    if died.number not in _DEATHS:
        raise HarnessError(f"the worker of chip cpu was ended twice by {name}, from outside: {died.activity.phase}")
    if died.activity.phase == "compile":
        return Fault(
            "over_limit", f"kernel {kernel} must be small enough to compile, its compiler ended by {name}", facts
        )
    if died.activity.phase != "launch":
        raise HarnessError(f"the worker of chip cpu ended twice by {name} while {died.activity.phase}")
    return Fault(_DEATHS[died.number], f"a launch of kernel {kernel} ended the process by {name}", facts)


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number else "its own exit"
