"""The race analysis agrees with the plain definition of happens-before on random traces."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelwright.compiler.codegen.tracing import ACQUIRE, ATOMIC, READ, RELEASE, WRITE
from kernelwright.compiler.faults import LaunchSite, MemoryRange, RaceFault, Touch
from kernelwright.compiler.races import Shadow
from kernelwright.compiler.trace import Events, Trace

START, CELLS = 4096, 6
KINDS = (READ, WRITE, *(ATOMIC | READ | WRITE | order for order in (0, ACQUIRE, RELEASE, ACQUIRE | RELEASE)))


@dataclass(frozen=True)
class Step:
    program: int
    kind: int
    first: int
    count: int

    def meets(self, other: "Step") -> bool:
        return self.first < other.first + other.count and other.first < self.first + self.count

    def conflicts(self, other: "Step") -> bool:
        harmless = self.kind & other.kind & ATOMIC or self.kind == other.kind == READ
        return self.program != other.program and self.meets(other) and not harmless


@st.composite
def traces(draw: st.DrawFn) -> list[Step]:
    steps = []
    for program in range(draw(st.integers(2, 5))):
        for _ in range(draw(st.integers(0, 5))):
            kind = draw(st.sampled_from(KINDS))
            first = draw(st.integers(0, CELLS - 1))
            count = 1 if kind & ATOMIC else draw(st.integers(1, CELLS - first))
            steps.append(Step(program, kind, first, count))
    return steps


def races(steps: list[Step]) -> set[tuple[int, int]]:
    """Return every race: pairs that conflict, the first not before something its program's later steps can rest on."""
    size = len(steps)
    before = np.zeros((size, size), bool)
    for i, j in combinations(range(size), 2):
        a, b = steps[i], steps[j]
        handed = bool(a.kind & RELEASE and b.kind & ACQUIRE and a.meets(b))
        before[i, j] = a.program == b.program or handed
    for middle in range(size):
        before |= before[:, [middle]] & before[[middle], :]
    found = set()
    for i, j in combinations(range(size), 2):
        # What an access itself acquires does not order it: it might as well have come first.
        own = [k for k in range(j) if steps[k].program == steps[j].program]
        if steps[i].conflicts(steps[j]) and not any(before[i, k] for k in own):
            found.add((i, j))
    return found


class Given(Trace):
    """A trace that was not recorded."""

    def __init__(self, steps: list[Step], cell_bytes: int) -> None:
        self._steps = steps
        self._cell_bytes = cell_bytes

    @property
    def stopped(self) -> int:
        return 0

    def events(self) -> Events:
        table = [(s.program, s.kind, n + 1, START + self._cell_bytes * s.first, self._cell_bytes * s.count)
                 for n, s in enumerate(self._steps)]  # fmt: skip
        return Events(*np.array(table, np.int64).reshape(-1, 5).T)


class Pair(LaunchSite):
    """Remembers the accesses that a fault was made of."""

    def race_fault(self, first: Touch, second: Touch, shared_address: int, shared_bytes: int) -> RaceFault:
        fault = super().race_fault(first, second, shared_address, shared_bytes)
        fault.facts["pair"] = (first.number - 1, second.number - 1)
        return fault


@settings(max_examples=400, deadline=None)
@given(steps=traces(), cell_bytes=st.sampled_from([1, 4, 64]))
def test_a_race_is_found_exactly_when_there_is_one(steps: list[Step], cell_bytes: int) -> None:
    site = Pair("k", (8, 1, 1), (), [MemoryRange(START, CELLS * cell_bytes, True, "m")], {}, {})
    expected = races(steps)
    trace = Given(steps, cell_bytes)
    if not expected:
        Shadow().check(trace, site)
        return
    with pytest.raises(RaceFault) as caught:
        Shadow().check(trace, site)
    assert caught.value.facts["pair"] in expected


@settings(max_examples=200, deadline=None)
@given(steps=traces())
def test_several_ranges_are_told_apart(steps: list[Step]) -> None:
    ranges = [MemoryRange(START + 8 * cell, 8, True, f"m{cell}") for cell in range(CELLS)]
    single = [Step(step.program, step.kind, step.first, 1) for step in steps]
    trace = Given(single, 8)
    site = Pair("k", (8, 1, 1), (), ranges, {}, {})
    expected = races(single)
    if not expected:
        Shadow().check(trace, site)
        return
    with pytest.raises(RaceFault) as caught:
        Shadow().check(trace, site)
    pair = caught.value.facts["pair"]
    assert pair in expected
    assert caught.value.buffer in {f"m{single[second].first}" for first, second in expected if (first, second) == pair}
