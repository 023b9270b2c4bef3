"""A chip's session that knows how long its kernels ran: what is left of a judgement is the judge's own time."""

from collections.abc import Mapping, Sequence

from kernelwright.core.fault import Fault
from kernelwright.core.plan import LaunchPlan
from kernelwright.core.protocols import ChipSession, Execution, Loaded
from kernelwright.core.timing import Timing


class MeteredSession:
    """A `core.protocols.ChipSession` over another one; `kernel_ns` is the time of all its calls so far."""

    def __init__(self, session: ChipSession) -> None:
        self._session = session
        self.kernel_ns = 0

    def put(self, key: str, arrays: Mapping[str, bytes | memoryview]) -> None:
        """See the protocol."""
        self._session.put(key, arrays)

    def drop(self, key: str) -> None:
        """See the protocol."""
        self._session.drop(key)

    def load(self, plan: LaunchPlan, checked: bool, limit_s: float) -> Loaded | Fault:
        """See the protocol."""
        return self._session.load(plan, checked, limit_s)

    def run(
        self, plan: LaunchPlan, inputs: str, checked: bool, poison_seed: int, limit_s: float, stale: bool = False
    ) -> Execution | Fault:
        """See the protocol."""
        found = self._session.run(plan, inputs, checked, poison_seed, limit_s, stale)
        self.kernel_ns += found.elapsed_ns if isinstance(found, Execution) else 0
        return found

    def time(
        self, plans: Sequence[LaunchPlan], inputs: Sequence[str], schedule: Sequence[int], limit_s: float
    ) -> Timing | Fault:
        """See the protocol."""
        found = self._session.time(plans, inputs, schedule, limit_s)
        self.kernel_ns += sum(found.times_ns) if isinstance(found, Timing) else 0
        return found

    def witness(self, plan: LaunchPlan, inputs: str) -> Mapping[str, bytes]:
        """See the protocol."""
        return self._session.witness(plan, inputs)

    def close(self) -> None:
        """See the protocol."""
        self._session.close()
