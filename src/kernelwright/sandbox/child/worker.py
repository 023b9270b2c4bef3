"""One process that runs candidate code: captures every call and writes plans as JSON lines."""

import json
import linecache
import os
import sys
import time
import types
from collections.abc import Sequence
from typing import Any

from kernelwright.core.errors import HarnessError
from kernelwright.core.problem import Argument
from kernelwright.sandbox.child import device, launches
from kernelwright.sandbox.child.buffers import AddressSpace
from kernelwright.sandbox.child.faults import fault_of
from kernelwright.sandbox.child.recorder import Recorder
from kernelwright.sandbox.child.refusal import CANDIDATE_PATH, Refusals
from kernelwright.sandbox.child.rules import HostRules
from kernelwright.sandbox.child.tensors import HostTensor, TensorMaker


class Worker:
    """Captures the calls of one candidate in this process."""

    def __init__(
        self, source: str, entry: str, calls: Sequence[Sequence[Argument]], cores: int, channel: int
    ) -> None:  # fmt: skip
        self._source = source
        self._entry = entry
        self._cores = cores
        self._calls = calls
        self._channel = channel
        self._refusals = Refusals()
        addresses = AddressSpace()
        self._maker = TensorMaker(addresses)
        self._recorder = Recorder(addresses, self._refusals, self._send)
        self._rules = HostRules(self._maker, self._refusals)
        self._captures = 0

    def work(self, rounds: Sequence[Sequence[int]]) -> None:
        """Capture the calls whose indices `rounds` lists, round after round; stop at the first fault."""
        launches.install(self._recorder, self._refusals, self._cores)
        device.install(self._cores)
        call, number = -1, 0
        try:
            self._send({"event": "begin", "call": -1, "round": 0})
            with self._rules, self._rules.backstop:
                function = self._load()
            for number, indices in enumerate(rounds):
                for call in indices:
                    self._send({"event": "begin", "call": call, "round": number})
                    plan = self._capture(function, self._calls[call], number == 0)
                    self._send({"event": "plan", "call": call, "round": number, "plan": plan})
        except HarnessError as error:
            self._send({"event": "broken", "reason": str(error)})
            return
        except BaseException as error:  # SystemExit and KeyboardInterrupt of candidate code are faults like any other
            fault = self._refusals.first or fault_of(error, self._source, _diagnostics())
            self._send({"event": "fault", "call": call, "status": fault.status, "reason": fault.reason,
                        "facts": fault.facts})  # fmt: skip
            return
        self._send({"event": "done"})

    def _load(self) -> Any:
        module = types.ModuleType("candidate")
        module.__file__ = CANDIDATE_PATH
        sys.modules["candidate"] = module
        # Triton reads a kernel's text through inspect, which looks here: no file is needed.
        lines = self._source.splitlines(keepends=True)
        linecache.cache[CANDIDATE_PATH] = (len(self._source), None, lines, CANDIDATE_PATH)
        exec(compile(self._source, CANDIDATE_PATH, "exec", dont_inherit=True), module.__dict__)
        function = module.__dict__.get(self._entry)
        if not callable(function):
            raise self._refusals.refuse("compile_error", f"{self._entry} is not a function", "define it with def")
        self._raise_swallowed()
        return function

    def _capture(self, function: Any, arguments: Sequence[Argument], again: bool) -> dict[str, Any]:
        """Return the plan of one call; with `again` a second one with the very same tensors must ask for the same."""
        self._maker.call = self._captures
        self._captures += 1
        self._maker.plan_inputs = tuple(
            a.name for a in arguments if a.tensor is not None and a.tensor.values is not None
        )
        values = [a.value if a.tensor is None else self._maker.from_argument(a, a.tensor) for a in arguments]
        start = time.perf_counter_ns()
        plan = self._recorded(function, values)
        host_ns = time.perf_counter_ns() - start
        if again and self._recorded(function, values) != plan:
            raise self._refusals.refuse(
                "cheating", "host code gave different plans for equal inputs, called again with the same tensors",
                "a plan must follow from the arguments alone",
            )  # fmt: skip
        return {**plan, "host_ns": host_ns}

    def _recorded(self, function: Any, values: Sequence[Any]) -> dict[str, Any]:
        self._recorder.open(self._maker.call, [v.block for v in values if isinstance(v, HostTensor)])
        with self._rules, self._rules.backstop:
            function(*values)
        self._raise_swallowed()
        return self._recorder.close()

    def _raise_swallowed(self) -> None:
        """Raise a refusal that candidate code caught and went on after."""
        if self._refusals.first is not None:
            raise self._refusals.refuse(self._refusals.first.status, "", "")

    def _send(self, message: dict[str, Any]) -> None:
        data = memoryview(json.dumps(message).encode() + b"\n")
        while data:
            data = data[os.write(self._channel, data) :]


def _diagnostics() -> str:
    """Return what native code of this process has printed; standard error is a file here."""
    return os.pread(2, 1 << 16, 0).decode(errors="replace")
