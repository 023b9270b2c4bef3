"""One run of a plan on memory of its own: poisoned, guarded, compared with what it was given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kernelwright.chips.cpu.memory import Bytes, Region, Store, is_same, poison
from kernelwright.chips.cpu.program import PlanRefused, Program, bind, elapsed_ns, is_input, joined, prepare
from kernelwright.compiler import EndlessWaitFault, MemoryFault, RaceFault, Shadow
from kernelwright.core.errors import OverLimitError
from kernelwright.core.fault import Fault
from kernelwright.core.plan import ANSWER_ROLES, ELEMENT_BYTES, Buffer, LaunchPlan

Views = list[tuple[Buffer, Bytes]]


class WaitsBackwards(Exception):
    """A program waits for one before it, which runs later when the last program is first."""


@dataclass(frozen=True)
class Manner:
    """How a run goes.

    `checked` is for code that knows what it may touch, `shadow` looks for races besides. `stale` scratch holds what
    a call on other inputs left, and is not filled again where host code kept it from an earlier call.
    """

    checked: bool = False
    shadow: Shadow | None = None
    stale: bool = False


@dataclass(frozen=True)
class Done:
    """What a run left: its time, and the bytes of each output."""

    elapsed_ns: int
    outputs: tuple[tuple[str, Bytes], ...]


class Runner:
    """Runs plans once. `announce` hears the number of each kernel before its launch, `rest` the end."""

    def __init__(
        self,
        store: Store,
        rng: np.random.Generator,
        threads: int,
        announce: Callable[[int], None],
        rest: Callable[[], None],
    ) -> None:
        self._store = store
        self._rng = rng
        self._threads = threads
        self._announce = announce
        self._rest = rest

    def __call__(self, program: Program, arrays: Mapping[str, Bytes], poison_seed: int, manner: Manner) -> Done:
        """Return what a run on `arrays`, the inputs and inouts by name, left; raises PlanRefused."""
        # Inputs and the rest lie in blocks of their own, as in timed calls: addresses tell nothing of the purpose.
        given, own = self._placed(program.plan, True), self._placed(program.plan, False)
        try:
            inputs = _viewed(program.plan, given, True)
            mine = _viewed(program.plan, own, False)
            addresses = joined(
                program.plan, {b.name: a for (b, _), a in zip(inputs, given.addresses, strict=True)}, own.addresses
            )
            for number, (_, view) in enumerate(mine):
                poison(view, poison_seed + 2 * number)
            if manner.stale:
                _restore([*inputs, *mine], arrays)
                for buffer, view in (*inputs, *(row for row in mine if row[0].role == "inout")):
                    disguise(view, buffer.dtype)
                self._elapsed(program, addresses, mine, manner)
            for number, (buffer, view) in enumerate(mine):
                if buffer.role == "output":
                    poison(view, poison_seed + 2 * number)
            _restore([*inputs, *mine], arrays)
            filled = [(buffer, view) for buffer, view in mine if not (manner.stale and buffer.kept)]
            elapsed = self._elapsed(program, addresses, filled, manner)
            _require_guards(given, inputs)
            _require_guards(own, mine)
            _require_unchanged(inputs, arrays)
            return Done(elapsed, tuple((b.name, view.copy()) for b, view in mine if b.role in ANSWER_ROLES))
        finally:
            given.release()
            own.release()

    def _placed(self, plan: LaunchPlan, inputs: bool) -> Region:
        buffers = [b for b in plan.buffers if is_input(b) is inputs]
        return Region(self._store, [b.size_bytes for b in buffers], [b.align for b in buffers], self._rng)

    def _elapsed(self, program: Program, addresses: Sequence[int], made: Views, manner: Manner) -> int:
        launches = bind(program, addresses, manner.checked)
        prepared = [
            (make, view) for make, view in ((prepare(buffer), view) for buffer, view in made) if make is not None
        ]
        current = 0

        def announce(kernel_index: int) -> None:
            nonlocal current
            current = kernel_index
            self._announce(kernel_index)

        try:
            return elapsed_ns(launches, prepared, self._threads, announce, manner.shadow)
        except (MemoryFault, OverLimitError) as error:
            waits = isinstance(error, EndlessWaitFault | OverLimitError)
            if manner.shadow is not None and manner.shadow.backwards and waits:
                raise WaitsBackwards from None
            if isinstance(error, MemoryFault):
                raise PlanRefused(memory_fault(error, program.plan, program.plan.kernels[current].name)) from None
            raise PlanRefused(Fault("over_limit", str(error), dict(error.facts))) from None
        finally:
            self._rest()


def disguise(view: Bytes, dtype: str) -> None:
    """Make other values out of floats: signs turned, everything moved on by one element; integers stay."""
    width = ELEMENT_BYTES[dtype]
    if dtype.startswith(("f", "bf")) and len(view):
        view[width - 1 :: width] ^= 0x80
        view[:] = np.roll(view, width)


def memory_fault(fault: MemoryFault, plan: LaunchPlan, kernel: str) -> Fault:
    """Return the fault that says which access of which kernel went where.

    Writing to an input is a wrong result, waiting without end a timeout; out of bounds and races are memory faults.
    """
    facts: dict[str, object] = {
        "kernel": kernel,
        "line": fault.line,
        "program": list(fault.program),
        "buffer": fault.buffer,
        "offset_bytes": fault.offset_bytes,
        "is_write": fault.is_write,
        "buffer_bytes": fault.facts.get("buffer_bytes"),
    }
    if isinstance(fault, RaceFault):
        facts |= {"other_line": fault.other_line, "other_program": list(fault.other_program)}
    if isinstance(fault, EndlessWaitFault):
        return Fault("timeout", str(fault), facts)
    sizes = [b.size_bytes for b in plan.buffers if b.name == fault.buffer and b.role in ("input", "constant")]
    inside = bool(sizes) and 0 <= fault.offset_bytes < max(sizes)
    status = "incorrect" if fault.is_write and inside else "memory_fault"
    return Fault(status, str(fault), facts)  # type: ignore[arg-type]


def _viewed(plan: LaunchPlan, region: Region, inputs: bool) -> Views:
    buffers = [b for b in plan.buffers if is_input(b) is inputs]
    return [(buffer, region.view(number)) for number, buffer in enumerate(buffers)]


def _restore(views: Views, arrays: Mapping[str, Bytes]) -> None:
    for buffer, view in views:
        if buffer.role in ("input", "inout"):
            np.copyto(view, arrays[buffer.name])


def _require_guards(region: Region, views: Views) -> None:
    damaged = region.damaged()
    if damaged is not None:
        number, offset = damaged
        buffer = views[number][0]
        reason = f"writes must stay within '{buffer.name}' ({buffer.size_bytes} bytes), one went to byte {offset}"
        raise PlanRefused(Fault("memory_fault", reason, {"buffer": buffer.name, "offset_bytes": offset}))


def _require_unchanged(views: Views, arrays: Mapping[str, Bytes]) -> None:
    for buffer, view in views:
        if not is_same(view, arrays[buffer.name]):
            reason = f"inputs must be left as they are, '{buffer.name}' was modified. Write to outputs and scratch."
            raise PlanRefused(Fault("incorrect", reason, {"buffer": buffer.name}))
