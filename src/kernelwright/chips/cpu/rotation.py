"""Timed calls on inputs that are not in the last-level cache: copies of the inputs take turns."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kernelwright.chips.cpu.memory import Bytes, Region, Store, is_same, poison
from kernelwright.chips.cpu.program import (
    BoundLaunch,
    PlanRefused,
    Program,
    bind,
    elapsed_ns,
    is_input,
    joined,
    prepare,
)
from kernelwright.core.fault import Fault
from kernelwright.core.plan import ANSWER_ROLES

MOST_COPIES = 64
_COLD_FACTOR = 2
# Enough for the cold factor between two uses of a copy although turns are skipped.
_SPARE_COPIES = 2
_TIMING_POISON = 0


def turns_to_skip(calls: int, copies: int) -> int:
    """Return after how many further turns the next `calls` calls should begin, so that no call keeps its copy.

    Copies differ in speed, by the pages that they got. Without this, with three copies and blocks of six calls, the
    baseline would have one copy in every block and the candidate the other two.
    """
    return next(skip for skip in range(copies + 1) if math.gcd(calls + skip, copies) == 1)


def copies_to_rotate(input_bytes: int, llc_bytes: int) -> int:
    """Return how many copies of inputs must take turns so that none is in the cache when its turn comes."""
    if input_bytes == 0:
        return 1
    return min(max(2, math.ceil(_COLD_FACTOR * llc_bytes / input_bytes) + _SPARE_COPIES), MOST_COPIES)


@dataclass
class _Copies:
    """Copies of one workload's inputs; `turn` counts the calls so far."""

    names: tuple[str, ...]
    regions: list[Region]
    evict: bool
    turn: int = 0

    @property
    def size_bytes(self) -> int:
        return sum(len(r.view(i)) for r in self.regions for i in range(len(self.names)))

    def next(self) -> int:
        self.turn += 1
        return (self.turn - 1) % len(self.regions)


# Lays buffers of some sizes, in bytes, and alignments out in memory.
Place = Callable[[Sequence[int], Sequence[int]], Region]


class TimedCall:
    """One plan on one workload, to be prepared and run again and again, each time on other copies of the inputs.

    Before each call scratch and outputs are poisoned, and outputs that have contents get those of `given` again.
    """

    def __init__(
        self, program: Program, copies: _Copies, place: Place, given: Mapping[str, Bytes], sweep: Callable[[], None]
    ) -> None:
        self._program = program
        self._copies = copies
        self._sweep = sweep
        self._bound: dict[int, tuple[BoundLaunch, ...]] = {}
        self._used: set[int] = set()
        self._turn = 0
        self._mine = [buffer for buffer in program.plan.buffers if not is_input(buffer)]
        self._given = [given[b.name] if b.role == "inout" else None for b in self._mine]
        # What was just restored lies in the caches, where no real call would find it.
        self._evict = copies.evict or any(contents is not None for contents in self._given)
        self.move(place)

    def prepare(self) -> None:
        """Turn to the next copy of the inputs, and poison outputs and scratch."""
        turn = self._turn = self._copies.next()
        self._used.add(turn)
        if turn not in self._bound:
            inputs = dict(zip(self._copies.names, self._copies.regions[turn].addresses, strict=True))
            self._bound[turn] = bind(self._program, joined(self._program.plan, inputs, self._own.addresses), False)
        for number, contents in enumerate(self._given):
            if contents is None:
                poison(self._own.view(number), _TIMING_POISON)
            else:
                np.copyto(self._own.view(number), contents)
        if self._evict:
            self._sweep()

    def run(self, threads: int, announce: Callable[[int], None]) -> int:
        """Return the wall time in ns of one call, which must have been prepared."""
        return elapsed_ns(self._bound[self._turn], self._prepared, threads, announce)

    def outputs(self) -> list[tuple[str, Bytes]]:
        """Return copies of what the last call left in the outputs."""
        return [(b.name, self._own.view(n).copy()) for n, b in enumerate(self._mine) if b.role in ANSWER_ROLES]

    def require_left_alone(self, arrays: Mapping[str, Bytes]) -> None:
        """Raise PlanRefused when a call since the last time wrote outside its buffers, or to its inputs."""
        regions = [self._copies.regions[turn] for turn in self._used]
        self._used.clear()
        if any(region.damaged() is not None for region in (self._own, *regions)):
            reason = "writes must stay within their buffers, a timed call wrote outside"
            raise PlanRefused(Fault("memory_fault", reason))
        for number, name in enumerate(self._copies.names):
            if not all(is_same(region.view(number), arrays[name]) for region in regions):
                reason = f"inputs must be left as they are, '{name}' was modified by a timed call"
                raise PlanRefused(Fault("incorrect", reason, {"buffer": name}))

    def move(self, place: Place) -> None:
        """Lay outputs and scratch out anew, where `place` (sizes, alignments) says; `release` goes before."""
        self._own = place([b.size_bytes for b in self._mine], [b.align for b in self._mine])
        self._bound.clear()
        made = [(prepare(buffer), self._own.view(n)) for n, buffer in enumerate(self._mine)]
        self._prepared = [(make, view) for make, view in made if make is not None]

    def release(self) -> None:
        """Give the memory of outputs and scratch back."""
        self._own.release()


class Rotation:
    """Copies of inputs by key, kept until dropped or until they pass `most_bytes` together."""

    def __init__(self, store: Store, llc_bytes: int, most_bytes: int) -> None:
        self._store = store
        self._llc_bytes = llc_bytes
        self._most_bytes = most_bytes
        self._copies: dict[tuple[str, tuple[tuple[str, int], ...]], _Copies] = {}
        self._calls: dict[tuple[str, str], TimedCall] = {}
        self._rng = np.random.default_rng()
        self._broom: Bytes | None = None

    def caller(self, plan_id: str, program: Program, key: str, arrays: Mapping[str, Bytes]) -> TimedCall:
        """Return the timed call of `program` on the inputs kept under `key`: every input and inout by name."""
        known = self._calls.get((plan_id, key))
        if known is not None:
            return known
        aligns = {b.name: b.align for b in program.plan.buffers if is_input(b)}
        copies = self._copies_of(key, aligns, {name: arrays[name] for name in aligns})
        call = TimedCall(program, copies, self._place, arrays, self._sweep)
        self._calls[plan_id, key] = call
        return call

    def make_room(self, keep: Sequence[str]) -> None:
        """Forget the oldest inputs, `keep` excepted, until what is held is within bounds."""
        for key in list(dict.fromkeys(key for key, _ in self._copies if key not in keep)):
            if sum(copies.size_bytes for copies in self._copies.values()) <= self._most_bytes:
                return
            self.drop(key)

    def shuffle(self, calls: Sequence[TimedCall]) -> None:
        """Give the memory of outputs and scratch to `calls` anew, by lot.

        Blocks of memory differ in speed as copies do: kept for a whole session, that would be a gain or a loss.
        """
        for call in calls:
            call.release()
        for number in self._rng.permutation(len(calls)):
            calls[number].move(self._place)

    def _place(self, sizes: Sequence[int], aligns: Sequence[int]) -> Region:
        return Region(self._store, sizes, aligns, self._rng)

    def shift(self, keys: Sequence[str], calls: int) -> None:
        """Begin the next calls on other copies than the `calls` calls that have just ended."""
        for known, copies in self._copies.items():
            if known[0] in keys:
                copies.turn += turns_to_skip(calls, len(copies.regions))

    def drop(self, key: str) -> None:
        """Forget copies and calls of `key`."""
        for pair in [pair for pair in self._calls if pair[1] == key]:
            self._calls.pop(pair).release()
        for known in [known for known in self._copies if known[0] == key]:
            for region in self._copies.pop(known).regions:
                region.release()

    def forget(self, plan_ids: Sequence[str]) -> None:
        """Forget the calls of some plans."""
        for pair in [pair for pair in self._calls if pair[0] in plan_ids]:
            self._calls.pop(pair).release()

    def _copies_of(self, key: str, aligns: Mapping[str, int], arrays: Mapping[str, Bytes]) -> _Copies:
        identity = (key, tuple(sorted(aligns.items())))
        known = self._copies.get(identity)
        if known is not None:
            return known
        size = sum(len(array) for array in arrays.values())
        count = copies_to_rotate(size, self._llc_bytes)
        copies = _Copies(tuple(arrays), [], count * size < _COLD_FACTOR * self._llc_bytes)
        for _ in range(count):
            region = Region(self._store, [len(a) for a in arrays.values()], [aligns[n] for n in arrays], self._rng)
            for index, array in enumerate(arrays.values()):
                np.copyto(region.view(index), array)
            copies.regions.append(region)
        self._copies[identity] = copies
        return copies

    def _sweep(self) -> None:
        """Push everything else out of the caches by reading twice their size."""
        if self._broom is None:
            self._broom = np.zeros(_COLD_FACTOR * self._llc_bytes, dtype=np.uint8)
            self._broom.fill(1)
        int(self._broom.view(np.uint64).max())
