"""An emulated chip at work: functions run as native code on this machine, times come from the emulator."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from kernelwright.chips.cpu.host import Host
from kernelwright.chips.cpu.program import PlanRefused
from kernelwright.chips.cpu.session import CpuSession
from kernelwright.chips.emulated.plan_time import PlanTimes
from kernelwright.compiler import MemoryFault
from kernelwright.core.errors import CompileError, HarnessError, OverLimitError
from kernelwright.core.fault import Fault, Status
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.protocols import Execution, Loaded
from kernelwright.core.timing import Timing

Tier = Callable[[LaunchPlan, Mapping[str, bytes | memoryview]], int]

_WITNESS_POISON = 1
_WITNESS_LIMIT_S = 60.0


class EmulatedSession:
    """See `core.protocols.ChipSession`; checks of functions are those of chip cpu.

    `time` executes nothing: it asks for integer arguments only, so inputs put for timing may hold those alone. Its
    times are exact, equal for equal plans and integers, and no copy of inputs is rotated: caches are cold at the
    start of every call.
    """

    def __init__(self, host: Host, times: PlanTimes) -> None:
        self._function = CpuSession(host)
        self._threads = host.threads
        self._times = times
        self._arrays: dict[str, dict[str, bytes | memoryview]] = {}

    def put(self, key: str, arrays: Mapping[str, bytes | memoryview]) -> None:
        """Keep the bytes of tensor arguments under `key`; the caller leaves them as they are."""
        self._function.put(key, arrays)
        self._arrays[key] = dict(arrays)

    def drop(self, key: str) -> None:
        """Forget the inputs kept under `key`."""
        self._function.drop(key)
        self._arrays.pop(key, None)

    def load(self, plan: LaunchPlan, checked: bool, limit_s: float) -> Loaded | Fault:
        """Compile every kernel natively; what the chip itself takes shows when the plan is timed."""
        found = self._function.load(plan, checked, limit_s)
        if isinstance(found, Fault):
            return found
        both = f"{found.machine_sha256} {plan.schedule_sha256()}"
        return Loaded(hashlib.sha256(both.encode()).hexdigest(), found.compile_ns)

    def run(
        self, plan: LaunchPlan, inputs: str, checked: bool, poison_seed: int, limit_s: float, stale: bool = False
    ) -> Execution | Fault:
        """Run `plan` once, natively; see the protocol."""
        return self._function.run(plan, inputs, checked, poison_seed, limit_s, stale)

    def time(
        self, plans: Sequence[LaunchPlan], inputs: Sequence[str], schedule: Sequence[int], limit_s: float
    ) -> Timing | Fault:
        """Return emulated times in ns, of which nothing is lost; a fault has the number of its plan as fact "plan"."""
        wanted = sorted(set(schedule))
        for key in inputs:
            if key not in self._arrays:
                raise HarnessError(f"inputs '{key}' must be put before they are used")
        with ThreadPoolExecutor(self._threads, thread_name_prefix="emulation") as pool:
            each = pool.map(lambda item: self._one(plans[item], inputs[item], self._times.time_ns), wanted)
            found = dict(zip(wanted, each, strict=True))
        for number in wanted:
            one = found[number]
            if isinstance(one, Fault):
                return Fault(one.status, one.reason, {**one.facts, "plan": number})
        times = tuple(value for item in schedule if isinstance(value := found[item], int))
        return Timing(times, (0,) * len(times))

    def witness(self, plan: LaunchPlan, inputs: str) -> Mapping[str, bytes]:
        """Return the outputs of a native run: a timed call is never executed here, so it leaves none of its own."""
        found = self._function.run(plan, inputs, False, _WITNESS_POISON, _WITNESS_LIMIT_S)
        if isinstance(found, Fault):
            raise HarnessError(f"a plan that was timed must run, it does not: {found.reason}")
        return found.outputs

    def close(self) -> None:
        """End the native worker; safe to call twice."""
        self._function.close()
        self._arrays.clear()

    def estimate_ns(self, plan: LaunchPlan, inputs: str) -> int | Fault:
        """Return about what one call takes, in emulated ns, by the wave tier."""
        return self._one(plan, inputs, self._times.wave_ns)

    def _one(self, plan: LaunchPlan, inputs: str, tier: Tier) -> int | Fault:
        try:
            return tier(plan, self._arrays[inputs])
        except (CompileError, MemoryFault) as error:
            return Fault(_status(error), str(error), dict(error.facts))
        except PlanRefused as refused:
            return refused.fault


def _status(error: CompileError | MemoryFault) -> Status:
    if isinstance(error, MemoryFault):
        return "memory_fault"
    return "over_limit" if isinstance(error, OverLimitError) else "compile_error"
